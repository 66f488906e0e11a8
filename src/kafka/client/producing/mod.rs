//! A producer's client, in transactions or not, and the headers of what it sends.

mod entries;
pub mod headers;
pub mod own_headers;
pub mod producer_client;
mod transactions;
