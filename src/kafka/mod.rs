//! Kafka: the only place that knows the client library.

pub mod cluster;
pub mod consumer;
pub mod delivery;
pub mod embedded;
pub mod message;
pub mod native;
pub mod producer;
pub mod settings;
