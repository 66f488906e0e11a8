//! The configuration: what is read from where, what is refused, and what is kept secret.

mod challengers;
mod connection;
mod fallback;
mod load;
mod machine;
mod registry;
mod robust;
mod secrets;
mod security;
mod table;
