//! The pieces of a topic that are read: offsets of its partitions, fixed before anything is.

use super::places::Place;
use crate::error::{Fatal, exit};
use crate::kafka::cluster::starting_offsets::Kept;

/// Offsets of a partition: those from `from` on, below `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    pub partition: i32,
    pub from: i64,
    pub until: i64,
}

impl Range {
    /// Offsets in it: markers of transactions and what compaction took count too.
    pub fn offsets(&self) -> u64 {
        u64::try_from(self.until - self.from).unwrap_or(0)
    }

    pub fn contains(&self, offset: i64) -> bool {
        self.from <= offset && offset < self.until
    }
}

/// The first offset at or after a time, of each partition.
pub type AtTime<'a> = &'a mut dyn FnMut(i64) -> Result<Vec<Option<i64>>, Fatal>;

/// What is meant by two places, where this is kept of a topic's partitions; without those of which nothing is.
///
/// # Errors
/// [`exit::USAGE`] where that cannot be meant; [`exit::FAILED`] where it is no record at all; those of `at_time`.
pub fn between(places: (&Place, &Place), kept: &[Kept], now_ms: i64, at_time: AtTime<'_>) -> Result<Vec<Range>, Fatal> {
    let ranges = between_or_none(places, kept, now_ms, at_time)?;
    if ranges.is_empty() {
        let what = "there is no record between --from and --to: nothing would be scored";
        return Err(Fatal::new(exit::FAILED, what, format!("what is kept (partition: offsets): {}", in_words(kept))));
    }
    Ok(ranges)
}

/// The same for whoever has nothing to do where there is none.
///
/// # Errors
/// [`exit::USAGE`] where that cannot be meant; those of `at_time`.
pub fn between_or_none(
    (from, to): (&Place, &Place),
    kept: &[Kept],
    now_ms: i64,
    at_time: AtTime<'_>,
) -> Result<Vec<Range>, Fatal> {
    if let (Some(first), Some(last)) = (from.time_ms(now_ms), to.time_ms(now_ms))
        && first > last
    {
        return Err(usage("--from is later than --to", "exchange the two"));
    }
    named_are_there(from, to, kept)?;
    let (firsts, lasts) = (offsets(from, kept, now_ms, at_time)?, offsets(to, kept, now_ms, at_time)?);
    let mut ranges = Vec::new();
    for (((partition, kept), first), last) in (0..).zip(kept).zip(firsts).zip(lasts) {
        // A partition that --from does not name is left out; one that --to does not name ends where it ends.
        let (Some(from), until) = (first, last.unwrap_or(kept.end)) else { continue };
        check(partition, (from, until), kept)?;
        if from < until {
            ranges.push(Range { partition, from, until });
        }
    }
    Ok(ranges)
}

fn named_are_there(from: &Place, to: &Place, kept: &[Kept]) -> Result<(), Fatal> {
    for (flag, place) in [("--from", from), ("--to", to)] {
        let Place::Offsets(named) = place else { continue };
        if let Some(partition) =
            named.keys().find(|partition| usize::try_from(**partition).is_ok_and(|p| p >= kept.len()))
        {
            let what = format!("{flag} names partition {partition}, and the topic has {} partitions", kept.len());
            return Err(usage(what, "name partitions from 0 on"));
        }
    }
    if let (Place::Offsets(from), Place::Offsets(to)) = (from, to)
        && let Some(partition) = to.keys().find(|partition| !from.contains_key(partition))
    {
        let what = format!("--to names partition {partition}, which --from does not name and so leaves out");
        return Err(usage(what, "name it in both"));
    }
    Ok(())
}

pub fn offsets(place: &Place, kept: &[Kept], now_ms: i64, at_time: AtTime<'_>) -> Result<Vec<Option<i64>>, Fatal> {
    Ok(match place {
        Place::Earliest => kept.iter().map(|kept| Some(kept.first)).collect(),
        Place::Latest => kept.iter().map(|kept| Some(kept.end)).collect(),
        Place::Offsets(named) => (0..).zip(kept).map(|(partition, _)| named.get(&partition).copied()).collect(),
        Place::At(_) | Place::Ago(_) => {
            let found = at_time(place.time_ms(now_ms).unwrap_or_default())?;
            // None that is so late: where it ends. One behind the end is of a transaction that is open.
            let within =
                |(found, kept): (Option<i64>, &Kept)| Some(found.unwrap_or(kept.end).clamp(kept.first, kept.end));
            found.into_iter().zip(kept).map(within).collect()
        }
    })
}

fn check(partition: i32, (from, until): (i64, i64), kept: &Kept) -> Result<(), Fatal> {
    let Kept { first, end } = *kept;
    let is_kept = format!("offsets {first} to {end} (without the last) are kept of partition {partition}");
    if from < first {
        let what = format!("offset {from} of partition {partition} is gone by retention: {is_kept}");
        return Err(usage(what, format!("begin at {partition}:{first} or later, or say --from earliest")));
    }
    if from > end || until > end {
        let beyond = from.max(until);
        let what = format!("offset {beyond} of partition {partition} is not there yet: {is_kept}");
        return Err(usage(what, format!("end at {partition}:{end} or earlier, or say --to latest")));
    }
    if from > until {
        let what = format!("partition {partition} would be read from offset {from} to {until}: {is_kept}");
        return Err(usage(what, "--to names the offset behind the last one that is read"));
    }
    Ok(())
}

/// First and end offsets: `0: 5-90, 1: 0-88`.
pub fn in_words(kept: &[Kept]) -> String {
    let of = |(partition, kept): (i32, &Kept)| format!("{partition}: {}-{}", kept.first, kept.end);
    (0..).zip(kept).map(of).collect::<Vec<_>>().join(", ")
}

fn usage(what: impl Into<String>, fix: impl Into<String>) -> Fatal {
    Fatal::new(exit::USAGE, what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: [Kept; 3] = [Kept { first: 10, end: 100 }, Kept { first: 0, end: 0 }, Kept { first: 5, end: 50 }];
    const NOW_MS: i64 = 1_000_000;

    fn ranges(from: &str, to: &str) -> Result<Vec<(i32, i64, i64)>, Fatal> {
        // At 900,000 ms: in partition 0 offset 40, nothing in 1, an open transaction's in 2; later, nothing.
        let mut at_time = |ms| Ok(if ms <= 900_000 { vec![Some(40), None, Some(60)] } else { vec![None; 3] });
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let found = between((&from, &to), &KEPT, NOW_MS, &mut at_time)?;
        Ok(found.into_iter().map(|range| (range.partition, range.from, range.until)).collect())
    }

    #[test]
    fn everything_is_what_is_kept() {
        assert_eq!(ranges("earliest", "latest").unwrap(), [(0, 10, 100), (2, 5, 50)]);
    }

    #[test]
    fn times_are_the_first_records_that_late() {
        assert_eq!(ranges("100s", "latest").unwrap(), [(0, 40, 100)], "partition 2 has none that is committed");
        assert_eq!(ranges("earliest", "1970-01-01T00:15:00Z").unwrap(), [(0, 10, 40), (2, 5, 50)]);
    }

    #[test]
    fn partitions_without_a_beginning_are_left_out_and_those_without_an_end_are_read_to_it() {
        assert_eq!(ranges("0:20", "latest").unwrap(), [(0, 20, 100)]);
        assert_eq!(ranges("0:20,2:5", "2:6").unwrap(), [(0, 20, 100), (2, 5, 6)]);
        assert_eq!(ranges("earliest", "0:11").unwrap(), [(0, 10, 11), (2, 5, 50)]);
    }

    #[test]
    fn what_cannot_be_meant_is_said_with_what_is_kept() {
        for (from, to, part) in [
            ("0:9", "latest", "gone by retention: offsets 10 to 100"),
            ("0:20", "0:101", "offset 101 of partition 0 is not there yet"),
            ("2:30", "2:20", "from offset 30 to 20"),
            ("earliest", "0:9", "from offset 10 to 9"),
            ("3:0", "latest", "names partition 3, and the topic has 3 partitions"),
            ("0:20", "2:6", "--to names partition 2, which --from does not name"),
            ("10s", "100s", "--from is later than --to"),
        ] {
            let fatal = ranges(from, to).unwrap_err();
            assert!(fatal.code == exit::USAGE && fatal.what.contains(part), "{from} {to}: {fatal}");
        }
        for (from, to) in [("latest", "latest"), ("10s", "latest"), ("1:0", "latest")] {
            let fatal = ranges(from, to).unwrap_err();
            assert!(fatal.code == exit::FAILED && fatal.fix.contains("0: 10-100, 1: 0-0"), "{from} {to}: {fatal}");
        }
    }
}
