//! Arguments that the commands for dead letters share: which topic, and which of its letters.

use clap::Args;

use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::proof::start_log;
use crate::config::{Config, descriptors};
use crate::doors::Destination;
use crate::error::Fatal;
use crate::piece::places::Place;
use crate::redrive::filters::Filters;

/// The topic of letters, and the configuration that names it.
#[derive(Args, Debug)]
pub struct TopicArgs {
    /// Topic of the letters: dead-letters or timeouts, as the configuration names them, or any other by its name
    #[arg(long, value_name = "TOPIC", default_value = "dead-letters")]
    topic: String,
    #[command(flatten)]
    config: ConfigArgs,
}

impl TopicArgs {
    /// The configuration, with the log of a command that reports.
    ///
    /// # Errors
    /// [`crate::error::exit::CONFIG`] with all problems.
    pub fn load(&self) -> Result<Config, Fatal> {
        let loaded = self.config.load_to_run()?;
        start_log(&loaded.config.log)?;
        descriptors::raise();
        loaded.warnings.iter().for_each(|warning| output::warn(warning));
        Ok(loaded.config)
    }

    pub fn topic<'a>(&'a self, config: &'a Config) -> &'a str {
        match self.topic.as_str() {
            "dead-letters" => &config.topics[Destination::DeadLetters],
            "timeouts" => &config.topics[Destination::Timeouts],
            name => name,
        }
    }
}

/// Which letters are meant. All that is said must hold.
#[derive(Args, Debug)]
pub struct FilterArgs {
    /// Letters of this reason; again and again for several. `unknown` means records that are no dead letters
    #[arg(long, value_name = "REASON")]
    reason: Vec<String>,
    /// Where to begin in the topic of letters: earliest, a time (RFC 3339), how long ago (90m, 2h, 3d) or offsets
    /// (P:OFFSET,...), which leave other partitions out
    #[arg(long, value_name = "WHERE", default_value = "earliest")]
    from: Place,
    /// Where to end, exclusive: latest, or as for --from
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    to: Place,
    /// Letters of this version of the model package
    #[arg(long, value_name = "VERSION")]
    model_version: Option<String>,
    /// Letters whose record names this schema: a registry id, a fingerprint's sixteen digits or a GUID
    #[arg(long, value_name = "ID")]
    schema_id: Option<String>,
    /// Letters of this partition of their topic
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
}

impl FilterArgs {
    pub fn filters(&self) -> Filters {
        Filters {
            reasons: self.reason.clone(),
            model_version: self.model_version.clone(),
            schema_id: self.schema_id.clone(),
            partition: self.partition,
            from: self.from.clone(),
            to: self.to.clone(),
        }
    }
}
