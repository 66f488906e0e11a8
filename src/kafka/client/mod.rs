//! librdkafka's C interface behind safe calls: the only folder, with that of the functions before the client's own
//! (`src/kafka/wrapped/`), that contains `unsafe`.
//!
//! The safe `rdkafka` API costs a poll, an event and several boxes per record; at a hundred thousand records a
//! second that is more than the model. So the lane's two clients use the C calls. What makes it sound, throughout:
//! every pointer comes from librdkafka and is owned by exactly one wrapper, which frees it once; callbacks run
//! only inside a poll on the owning thread (log lines apart, which touch nothing of ours); the opaque pointer
//! given to a client points to a heap box that outlives the client.

mod asking;
mod callbacks;
pub(super) mod causes;
mod conf;
mod consuming;
mod errors;
mod handle;
mod inside;
pub(super) mod log_listener;
pub(super) mod login;
mod partitions;
mod producing;
pub(super) mod threads;

pub(super) use asking::{admin, metadata};
#[cfg(test)]
pub(super) use callbacks::CallbackState;
pub use conf::Conf;
pub(super) use consuming::consumer_callbacks::{ConsumerEvents, Rebalance};
pub(super) use consuming::consumer_client::ConsumerClient;
pub(super) use consuming::group_metadata::GroupMetadata;
pub use consuming::message::KafkaRecord;
pub(super) use consuming::raw_headers::RawHeaders;
pub(super) use errors::{NO_ERROR, c_string, describe, name_and_words, to_result, words};
pub(super) use handle::Client;
pub use partitions::NotedOffset;
pub(super) use partitions::PartitionList;
pub(super) use producing::headers::Headers;
pub(super) use producing::own_headers::{Own, Standing};
pub(super) use producing::producer_client::{DeliveryReports, Message, ProducerClient};
