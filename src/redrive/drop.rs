//! Letters dropped for good. Kafka deletes from a partition's beginning alone, so what goes is the run of letters there that are
//! all meant; what is meant behind the first other one stays.

use std::collections::BTreeMap;

use super::filters::Filters;
use super::letters::Letters;
use crate::doors::{Progress, SourceRecord};
use crate::error::Fatal;
use crate::piece::ranges::Range;
use crate::values::record::Position;

/// What would be dropped of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub partition: i32,
    /// Where the partition begins afterwards.
    pub before: i64,
    pub letters: u64,
    /// Letters that are meant, and stand behind the first that is not.
    pub behind: u64,
    /// The run is over.
    is_over: bool,
}

/// Finds the runs, of no more than `max` letters together. Partitions without letters are not told.
///
/// # Errors
/// Those of [`Letters::piece`] and [`Letters::read`].
pub fn find(letters: &Letters<'_>, filters: &Filters, max: Option<u64>) -> Result<Vec<Run>, Fatal> {
    let (piece, all) = (letters.piece(filters)?, letters.all(filters.partition)?);
    let mut runs = Runs { runs: BTreeMap::new(), piece, left: max.unwrap_or(u64::MAX) };
    letters.read(&all, &mut |letter, record| {
        runs.add(record.position(), filters.match_headers(&letter));
        Ok(true)
    })?;
    Ok(runs.finish(&all))
}

struct Runs {
    runs: BTreeMap<i32, Run>,
    piece: Vec<Range>,
    left: u64,
}

impl Runs {
    fn add(&mut self, at: Position, is_asked: bool) {
        let start = Run { partition: at.partition, before: at.offset, letters: 0, behind: 0, is_over: false };
        let run = self.runs.entry(at.partition).or_insert(start);
        let is_meant =
            is_asked && self.piece.iter().any(|range| range.partition == at.partition && range.contains(at.offset));
        if is_meant && !run.is_over && self.left > 0 {
            self.left -= 1;
            run.letters += 1;
        } else {
            if !run.is_over {
                (run.is_over, run.before) = (true, at.offset);
            }
            run.behind += u64::from(is_meant);
        }
    }

    /// A partition of which everything goes is empty afterwards, markers of transactions included.
    fn finish(mut self, all: &[Range]) -> Vec<Run> {
        for range in all {
            if let Some(run) = self.runs.get_mut(&range.partition).filter(|run| !run.is_over) {
                run.before = range.until;
            }
        }
        self.runs.into_values().collect()
    }
}

/// What is to be asked of the brokers.
pub fn progress(runs: &[Run]) -> Vec<Progress> {
    let some = runs.iter().filter(|run| run.letters > 0);
    some.map(|run| Progress { partition: run.partition, offset: run.before }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets of two partitions, and whether the filters mean what stands there.
    fn runs(max: Option<u64>, from: i64, letters: &[(i32, i64, bool)]) -> Vec<(i32, i64, u64, u64)> {
        let range = |partition, from| Range { partition, from, until: 20 };
        let all = [range(0, 3), range(1, 3)];
        let piece = vec![range(0, from), range(1, from)];
        let mut runs = Runs { runs: BTreeMap::new(), piece, left: max.unwrap_or(u64::MAX) };
        letters.iter().for_each(|&(partition, offset, is_meant)| runs.add(Position { partition, offset }, is_meant));
        let found = runs.finish(&all);
        found.iter().map(|run| (run.partition, run.before, run.letters, run.behind)).collect()
    }

    const LETTERS: [(i32, i64, bool); 6] =
        [(0, 3, true), (1, 4, false), (0, 5, true), (0, 9, false), (1, 5, true), (0, 10, true)];

    #[test]
    fn a_run_ends_before_the_first_letter_that_is_not_meant() {
        assert_eq!(runs(None, 3, &LETTERS), [(0, 9, 2, 1), (1, 4, 0, 1)]);
    }

    #[test]
    fn a_partition_of_which_all_is_meant_is_emptied_to_its_end() {
        assert_eq!(runs(None, 3, &[(0, 3, true), (0, 7, true)]), [(0, 20, 2, 0)]);
        assert_eq!(runs(None, 3, &[]), []);
    }

    #[test]
    fn no_more_go_than_asked_for() {
        assert_eq!(runs(Some(1), 3, &LETTERS), [(0, 5, 1, 2), (1, 4, 0, 1)]);
        assert_eq!(runs(Some(0), 3, &[(0, 3, true)]), [(0, 3, 0, 1)]);
    }

    #[test]
    fn letters_before_the_place_are_not_meant() {
        assert_eq!(runs(None, 5, &LETTERS), [(0, 3, 0, 2), (1, 4, 0, 1)]);
    }

    #[test]
    fn only_partitions_with_a_run_are_asked_for() {
        let run = |partition, letters| Run { partition, before: 9, letters, behind: 1, is_over: true };
        assert_eq!(progress(&[run(0, 2), run(1, 0)]), [Progress { partition: 0, offset: 9 }]);
    }
}
