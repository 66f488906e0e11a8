//! What a node knows of the crashes of its earlier processes, and what its lanes mark: where it has a state directory.

use std::sync::Arc;

use crate::config::Config;
use crate::doors::Progress;
use crate::error::Fatal;
use crate::lane::{Marking, Turn};
use crate::state::{CrashBook, Job, StateDirectory};

/// The book of a node, and what its lanes agree with where a record is to be alone.
pub(super) struct Crashes {
    pub(super) book: Arc<CrashBook>,
    /// Where there are suspects.
    turn: Option<Arc<Turn>>,
    crashes_max: u32,
}

impl Crashes {
    /// Counts what the last process left. `None` without a state directory, which is said.
    ///
    /// # Errors
    /// Why the folder cannot be used.
    pub(super) fn open(config: &Config) -> Result<Option<Crashes>, Fatal> {
        let Some(path) = &config.state_directory else {
            tracing::info!("{WITHOUT}");
            return Ok(None);
        };
        let (lanes, crashes_max) = (config.lanes.len(), config.limits.crashes_max);
        let job = Job { group: &config.kafka.group, topic: &config.topics[config.source()], lanes, crashes_max };
        let book = CrashBook::open(StateDirectory::open(path, &config.kafka.node)?, job)?;
        let turn = (!book.suspects().is_empty()).then(|| Arc::new(Turn::new(lanes)));
        Ok(Some(Crashes { book, turn, crashes_max }))
    }

    /// Forgets what the group is past already, as other nodes may have brought it. `group_has`: its offsets, by partition.
    pub(super) fn forget(&self, group_has: &[Option<i64>]) {
        let progress =
            (0..).zip(group_has).filter_map(|(partition, offset)| Some(Progress { partition, offset: (*offset)? }));
        self.book.forget(&progress.collect::<Vec<_>>());
    }

    pub(super) fn of_lane(&self, lane: usize) -> Marking {
        Marking {
            door: Box::new(self.book.lane(lane)),
            suspects: self.book.suspects(),
            crashes_max: self.crashes_max,
            turn: self.turn.as_ref().map(|turn| turn.of_lane(lane)),
        }
    }
}

/// What it means to have none.
const WITHOUT: &str =
    "no state directory (node.state_directory): a record that ends the process ends each process that meets it";

/// What `config check` says of the state directory.
///
/// # Errors
/// Why it cannot be used. Whether another process has it is not looked at.
pub fn state_directory(config: &Config) -> Result<String, Fatal> {
    let Some(path) = &config.state_directory else { return Ok(WITHOUT.to_owned()) };
    StateDirectory::check(path)?;
    Ok(format!("{}, with the files of node {}", path.display(), config.kafka.node))
}
