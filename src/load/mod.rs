//! The load generator and the verifier that reads the outcomes back.

pub mod avro_write;
pub mod dataset;
pub mod population;
pub mod random;
pub mod simulator;
pub mod transaction;
pub mod windows;
