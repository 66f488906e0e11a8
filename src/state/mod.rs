//! What a node keeps in its state directory: a lock, marks of the records in work, the suspects that were counted of them, and
//! the socket of its operator.
//!
//! The marks are a file in memory: they outlive the process, whatever kills it, but not the machine. The suspects are written
//! for good.

mod count;
mod directory;
mod mapped;
mod marks;
mod socket;
mod suspects;

pub use directory::StateDirectory;
pub use marks::LaneMarks;
pub use socket::{ControlSocket, Peer, has_gone, path as socket_path};
pub use suspects::{CrashBook, Job};
