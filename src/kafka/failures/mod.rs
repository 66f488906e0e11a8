//! What errors of the client and of brokers mean: which pass, which rights are missing, and what becomes of a commit or a record.

pub mod commit_refusal;
pub mod delivery_errors;
pub mod retriable;
pub mod rights;
