//! The admin port: health, metrics, status, and clients that take their time.

mod connections;
mod health;
mod http;
mod support;
