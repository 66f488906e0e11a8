//! The schema registry's client: against a stub that answers what a test wants, and as a node meets it.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod desk;
mod flow;
mod init;
mod load;
mod node;
mod score;
mod source;
mod stub;
mod tls;
