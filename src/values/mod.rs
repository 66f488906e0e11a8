//! The ground floor: plain values that several layers speak of, each of one type. Nothing here asks the world anything.

pub mod challenge;
pub mod crash;
pub mod failure;
pub mod finding;
pub mod fingerprint;
pub mod letters;
pub mod limits;
pub mod model;
pub mod order;
pub mod record;
pub mod scatter;
pub mod schemas;
pub mod secret;
pub mod settings;
pub mod topics;
pub mod words;
