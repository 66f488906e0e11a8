//! Kafka: the only place that knows the client library.

pub mod load_consumer;
pub mod load_producer;
pub mod settings;
