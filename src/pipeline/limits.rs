//! The limits of [`crate::values::limits`].

pub use crate::values::limits::*;
