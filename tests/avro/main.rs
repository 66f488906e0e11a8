//! Avro: what a plan reads of a payload, which schemas are refused, and where schemas come from.

#[path = "../avro_support/mod.rs"]
mod avro_support;

mod encode;
mod fastavro;
mod meaning;
mod plan;
mod planner;
mod property;
mod resolution;
mod schemas;
mod transforms;
mod written;
