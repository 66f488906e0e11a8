//! Kafka: the only place that knows the client library.

pub mod settings;
