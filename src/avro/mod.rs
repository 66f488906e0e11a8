//! Avro: wire forms, schemas, the compiled decode plan, and the encoding of outcomes.
//!
//! A payload's way: [`wire`] finds the schema's key, and the key's [`plan::Plan`] writes the row: [`decoder`] ties the two
//! together. Plans come from the [`planner`], which [`schemas`] gives the schema and [`compile`](mod@compile) makes a plan of
//! it, once. [`encode`] writes outcomes, by the schemas of [`written`]. [`container`] reads files of records. [`fields`] and
//! [`locate`] are for people: what a schema has, and where in a payload a reject is.

mod absent;
mod block;
mod build;
mod canonical;
pub mod challenge;
mod compile;
pub mod container;
mod datum;
mod decimal;
pub mod decoder;
pub mod encode;
pub mod encode_challenge;
mod entries;
pub mod feature;
pub mod fields;
mod finish;
mod fits;
mod graph;
mod items;
pub mod key;
pub mod locate;
mod logical;
mod meaning;
mod ops;
pub mod outcome;
pub mod output;
pub mod plan;
pub mod planner;
pub mod problem;
mod read;
mod resolve;
pub mod schemas;
mod skip;
pub mod step;
mod text;
pub mod transform;
mod values;
mod wants;
pub mod wire;
mod within;
pub mod written;
mod zone;
