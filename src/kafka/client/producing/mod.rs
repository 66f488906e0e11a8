//! A producer's client, in transactions or not, and the headers of what it sends.

pub mod headers;
pub mod producer_client;
mod transactions;
