//! Where a lane writes what it is at, so that the next process can read it when this one dies.

use super::source::Progress;
use crate::values::crash::Mark;

/// A lane's own places for marks. They outlive the process, whatever ends it. Called on the record's way: no system call, no
/// allocation.
pub trait CrashMarks: Send {
    /// Marks that can stand at a time.
    fn places(&self) -> usize;

    /// This mark stands at `place` from now on.
    fn set(&mut self, place: usize, mark: Mark);

    /// Nothing stands there.
    fn clear(&mut self, place: usize);

    /// Everything of these partitions below these offsets is finished: suspects there are forgotten. Rare; may write a file.
    fn finished(&mut self, progress: &[Progress]);
}

/// The marks of all lanes, for whoever ends the process.
pub trait MarksOfAll: Send + Sync {
    /// The process ends in order: no record is to blame.
    fn clear_all(&self);
}
