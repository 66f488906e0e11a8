//! What reports of models have in common on the command line: the page's file, the command as the report shows it, shares and times.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use crate::config::LogConfig;
use crate::error::{Fatal, exit};
use crate::observe::log;
use crate::values::secret::MASK;

/// The log of a command that reports: its own progress, and what ends it. Warnings of the package are printed apart.
const QUIET: &str = "error,scorewire::piece=info,scorewire::prove=info,scorewire::redrive=warn";

/// Starts the log, as the configuration says where it says another level than the usual one.
///
/// # Errors
/// Those of [`log::init`].
pub fn start_log(config: &LogConfig) -> Result<(), Fatal> {
    let usual = config.level == "info";
    let level = if usual { QUIET.to_owned() } else { config.level.clone() };
    log::init(&LogConfig { level, ..config.clone() })
}

/// As it was typed, with quotes where a shell needs them. What `--set` sets may be a password, and is not shown.
pub(super) fn command_line(args: impl Iterator<Item = String>) -> String {
    let mut text = "scorewire".to_owned();
    let mut is_set = false;
    for word in args.skip(1) {
        let key = match (is_set, word.strip_prefix("--set=")) {
            (true, _) => Some(("", word.as_str())),
            (false, Some(pair)) => Some(("--set=", pair)),
            (false, None) => None,
        };
        let shown = match key.and_then(|(start, pair)| Some((start, pair.split_once('=')?.0))) {
            Some((start, key)) => format!("{start}{key}={MASK}"),
            None => word.clone(),
        };
        is_set = word == "--set";
        let is_plain = shown.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,@%+*".contains(c));
        let quoted = if is_plain { shown } else { format!("'{}'", shown.replace('\'', "'\\''")) };
        text.push(' ');
        text.push_str(&quoted);
    }
    text
}

pub(super) fn utc(us: i64) -> String {
    let time = Timestamp::from_second(us.div_euclid(1_000_000));
    time.map_or_else(|_| format!("{us} us since the epoch"), |time| time.to_string())
}

/// The file of the page, there before the work begins.
pub(super) struct Page<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Page<'a> {
    pub(super) fn create(path: &'a Path) -> Result<Page<'a>, Fatal> {
        let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
        Ok(Page { path, file })
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), Fatal> {
        self.file.write_all(text.as_bytes()).map_err(|error| cannot_write(self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Fatal {
    let what = format!("--html: cannot write {}: {error}", path.display());
    Fatal::new(exit::FAILED, what, "name a file in a folder that can be written")
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "say a share from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_shows_the_command_without_what_was_set() {
        let words =
            ["x", "replay", "--set", "kafka.properties.sasl.password=s3", "--set=a.b=it's", "--html", "my page.html"];
        let text = command_line(words.into_iter().map(str::to_owned));
        assert_eq!(
            text,
            "scorewire replay --set kafka.properties.sasl.password=*** --set=a.b=*** --html 'my page.html'"
        );
    }

    #[test]
    fn a_share_is_one() {
        assert_eq!((share("0"), share("1"), share("0.001")), (Ok(0.0), Ok(1.0), Ok(0.001)));
        for text in ["-0.1", "1.1", "NaN", "1%", ""] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
