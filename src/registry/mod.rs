//! A schema registry as Confluent's API has it: writers' schemas are fetched from it, kept on disk, and our own are
//! registered there.
//!
//! [`source`] is asked by the thread that makes plans; it answers from memory, and what is not there the threads of
//! [`pool`] fetch, which nobody waits for. [`settings`] say where and who; [`client`] makes one request, at one URL after the
//! other; [`answers`] says what an answer means; [`fetch`] puts a schema together from several answers; [`kept`] is the
//! folder; [`direct`] answers within the call, for a person; [`subjects`] registers what outcomes are written with, and
//! [`examine`] looks at all of it for a check.

pub mod answers;
pub mod client;
pub mod direct;
pub mod examine;
pub mod fetch;
pub mod inline;
pub mod kept;
mod keys;
mod login;
mod pace;
mod pool;
pub mod rules;
pub mod settings;
pub mod source;
pub mod subjects;
mod tls;
