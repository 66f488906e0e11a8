//! What is sent: transactions of a simulated world with poison between them, or those of a file, as payloads with a marker.

pub mod avro_write;
pub mod dataset;
pub mod marker;
pub mod payloads;
pub mod poison;
pub mod population;
pub mod random;
pub mod simulator;
pub mod transaction;
pub mod windows;
