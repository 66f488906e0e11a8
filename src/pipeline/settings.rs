//! The settings of [`crate::values::settings`].

pub use crate::values::settings::*;
