//! What the integration tests share: waiting with a deadline, the product's process under guard, and a real Kafka.
//!
//! Tests run in any order and side by side: each takes its own topics ([`kafka::RealKafka::topic`]), its own temporary
//! folder and its own ports, and shares only the broker.

// Every test binary compiles this module and uses a part of it.
#![allow(dead_code, unused_imports, reason = "each test binary uses another part")]

pub mod job;
pub mod kafka;
pub mod outcomes;
pub mod own_kafka;
pub mod process;
pub mod producers;
pub mod records;
pub mod registry;
pub mod wait;

pub use job::{Job, Node, STEP, Transactions, assert_sound, summary};
pub use kafka::{RealKafka, unique_name};
pub use outcomes::{Outcome, source_of_dead_letter};
pub use own_kafka::OwnKafka;
pub use process::{Running, http_get, scorewire};
pub use records::{ReadRecord, TestRecord};
pub use wait::{free_port, wait_for, wait_until};
