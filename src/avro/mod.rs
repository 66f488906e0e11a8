//! Avro: wire forms, schemas, the compiled decode plan, and the encoding of outcomes.

pub mod feature;
