//! How a crash is counted: what was in work when the process died, against what it died at before.

use crate::values::crash::{Mark, Standing, Suspect};

/// Ranges that are kept at most. A process that dies leaves one for each partition in work; those that it died at most often
/// stay.
pub(super) const SUSPECTS_MAX: usize = 4_096;

/// Counts one crash. Of a range that is suspected already, the part that was in work again remains, with one crash more; what
/// was not suspected is from now on. Records that are condemned have their dead letter and take no part: a mark over one of
/// them is about its neighbours.
pub(super) fn count(suspects: &mut Vec<Suspect>, marks: &[Mark], crashes_max: u32) {
    for mark in merged(marks) {
        let mut is_known = false;
        let open = |suspect: &&mut Suspect| {
            suspect.partition == mark.partition && suspect.standing(crashes_max) != Standing::Killer
        };
        for suspect in suspects.iter_mut().filter(open) {
            let (first, end) = (suspect.first.max(mark.first), suspect.end.min(mark.end));
            if first < end {
                is_known = true;
                let crashes = suspect.crashes.saturating_add(1);
                *suspect = Suspect { first, end, crashes, alone: mark.alone, ..*suspect };
            }
        }
        if !is_known {
            let Mark { partition, first, end, alone } = mark;
            suspects.push(Suspect { partition, first, end, crashes: 1, alone });
        }
    }
    suspects.sort_by_key(|suspect| (std::cmp::Reverse(suspect.crashes), suspect.partition, suspect.first));
    suspects.truncate(SUSPECTS_MAX);
}

/// One mark for records that overlap: a partition that went back to its progress may be in work twice.
fn merged(marks: &[Mark]) -> Vec<Mark> {
    let mut sorted = marks.to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<Mark> = Vec::with_capacity(sorted.len());
    for mark in sorted {
        match merged.last_mut() {
            Some(last) if last.partition == mark.partition && mark.first < last.end => {
                (last.end, last.alone) = (last.end.max(mark.end), last.alone && mark.alone);
            }
            _ => merged.push(mark),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(partition: i32, first: i64, end: i64) -> Mark {
        Mark { partition, first, end, alone: false }
    }

    fn suspect(partition: i32, first: i64, end: i64, crashes: u32) -> Suspect {
        Suspect { partition, first, end, crashes, alone: false }
    }

    #[test]
    fn what_was_in_work_each_time_stays_suspected() {
        let mut suspects = Vec::new();
        count(&mut suspects, &[mark(0, 100, 612), mark(3, 7, 9)], 3);
        assert_eq!(suspects, [suspect(0, 100, 612, 1), suspect(3, 7, 9, 1)]);
        count(&mut suspects, &[mark(0, 90, 400), mark(3, 20, 22)], 3);
        assert_eq!(suspects, [suspect(0, 100, 400, 2), suspect(3, 7, 9, 1), suspect(3, 20, 22, 1)]);
        count(&mut suspects, &[Mark { alone: true, ..mark(0, 150, 151) }], 3);
        assert_eq!(suspects[0], Suspect { alone: true, ..suspect(0, 150, 151, 3) });
        assert_eq!(suspects[0].standing(3), Standing::Killer);
    }

    /// A mark over a record that is condemned would be counted at that one for ever, and its neighbour never found.
    #[test]
    fn a_record_that_is_condemned_takes_no_blame_for_its_neighbours() {
        let killer = Suspect { alone: true, ..suspect(0, 150, 151, 3) };
        let mut suspects = vec![killer];
        count(&mut suspects, &[mark(0, 100, 612)], 3);
        assert_eq!(suspects, [killer, suspect(0, 100, 612, 1)]);
        count(&mut suspects, &[mark(0, 120, 612)], 3);
        assert_eq!(suspects, [killer, suspect(0, 120, 612, 2)]);
    }

    #[test]
    fn one_crash_is_counted_once_however_often_its_partition_is_in_work() {
        let mut suspects = Vec::new();
        count(&mut suspects, &[mark(0, 50, 80), mark(0, 20, 60), mark(0, 90, 91), mark(1, 50, 80)], 3);
        assert_eq!(suspects, [suspect(0, 20, 80, 1), suspect(0, 90, 91, 1), suspect(1, 50, 80, 1)]);
        count(&mut suspects, &[mark(0, 0, 100)], 3);
        assert_eq!(suspects[..2], [suspect(0, 20, 80, 2), suspect(0, 90, 91, 2)], "either may be it");
    }

    #[test]
    fn the_list_has_an_end_and_the_worst_stay() {
        let many: Vec<Mark> = (0..5_000).map(|partition| mark(partition, 0, 1)).collect();
        let mut suspects = vec![suspect(9_999, 0, 1, 2)];
        count(&mut suspects, &many, 3);
        assert_eq!((suspects.len(), suspects[0]), (SUSPECTS_MAX, suspect(9_999, 0, 1, 2)));
    }
}
