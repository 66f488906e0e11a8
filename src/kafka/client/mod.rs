//! librdkafka's C interface behind safe calls: the only folder, with that of the functions before the client's own
//! (`src/kafka/wrapped/`), that contains `unsafe`.
//!
//! The safe `rdkafka` API costs a poll, an event and several boxes per record; at a hundred thousand records a
//! second that is more than the model. So the lane's two clients use the C calls. What makes it sound, throughout:
//! every pointer comes from librdkafka and is owned by exactly one wrapper, which frees it once; callbacks run
//! only inside a poll on the owning thread (log lines apart, which touch nothing of ours); the opaque pointer
//! given to a client points to a heap box that outlives the client.

pub(super) mod admin;
mod callbacks;
pub(super) mod causes;
mod conf;
mod errors;
mod handle;
pub(super) mod headers;
pub(super) mod log_listener;
pub(super) mod login;
mod message;
pub(super) mod metadata;
mod partitions;
pub(super) mod threads;
pub(super) mod wakeup;

pub(super) use callbacks::CallbackState;
pub use conf::Conf;
pub(super) use errors::*;
pub(super) use handle::Client;
pub(super) use message::HandedOut;
pub use message::KafkaRecord;
pub(super) use partitions::{PartitionList, entries};
