//! Configuration: what was typed ([`raw`]) becomes a checked plan ([`Config`]), or every problem at once.
//!
//! Order, weakest first: defaults, the TOML file, environment variables `SCOREWIRE__SECTION__KEY`, flags. Every key,
//! its unit and its default stand in [`REFERENCE`], which `scorewire config init` writes.

use std::sync::LazyLock;

pub mod allow_list;
pub mod cgroup;
pub mod checks;
pub mod descriptors;
pub mod keys;
mod load;
mod loopback;
pub mod machine;
mod nearest;
mod plan;
pub mod problem;
pub mod raw;
mod read;
pub mod security;
pub mod show;
pub mod sources;
pub mod table;

pub use load::{Connection, Loaded, RegistryConnection};
pub use plan::{
    ADMIN_LISTEN, ChallengerConfig, Config, DeliveryMode, Job, LaneConfig, ModelConfig, RETRY_ENDS, SchemasConfig,
};

pub use crate::observe::log::{LogConfig, LogFormat};
pub use crate::values::secret;

/// The commented reference: every key with its default. `reference.toml` beside this file is its copy, for readers.
pub static REFERENCE: LazyLock<String> = LazyLock::new(table::reference);
