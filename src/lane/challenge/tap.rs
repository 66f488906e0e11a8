//! The lane's side: which records are sampled, and their copies. It never waits, and allocates only until blocks have grown.

use std::sync::Arc;

use super::queue::{Emptying, Filling, queue};
use super::sampled::Sampled;
use crate::doors::SourceRecord;
use crate::lane::score::{Batch, Decided, Verdict};
use crate::observe::challengers::ChallengerStats;
use crate::values::limits::{CHALLENGE_LINGER, nanoseconds};
use crate::values::record::Position;
use crate::values::scatter::{mixed, share_below};

/// What one challenger gets of a lane.
pub struct Tap {
    filling: Filling,
    open: Option<Box<Sampled>>,
    /// Hashes below this are sampled.
    sample_below: u64,
    needs_header: bool,
    stats: Arc<ChallengerStats>,
}

/// A tap, and the challenger's end of it.
pub fn tap(sample_per_million: u32, needs_header: bool, stats: Arc<ChallengerStats>) -> (Tap, Emptied) {
    let (filling, emptying) = queue();
    let sample_below = share_below(sample_per_million);
    (Tap { filling, open: None, sample_below, needs_header, stats }, Emptied(emptying))
}

/// The challenger's end of a [`Tap`].
pub struct Emptied(pub(super) Emptying);

/// Those of a lane.
#[derive(Default)]
pub struct Taps(Vec<Tap>);

impl Taps {
    pub fn new(taps: Vec<Tap>) -> Taps {
        Taps(taps)
    }

    /// Copies what is sampled of a batch that was handed over.
    pub(in crate::lane) fn offer<R: SourceRecord>(&mut self, batch: &Batch<R>) {
        for tap in &mut self.0 {
            tap.offer(batch);
        }
    }

    /// Hands over what has waited for long enough.
    pub(in crate::lane) fn turn(&mut self, now_ns: u64) {
        for tap in &mut self.0 {
            let is_due = |block: &Sampled| now_ns.saturating_sub(block.since_ns) >= nanoseconds(CHALLENGE_LINGER);
            if tap.open.as_deref().is_some_and(is_due) {
                tap.hand_over();
            }
        }
    }
}

impl Tap {
    fn offer<R: SourceRecord>(&mut self, batch: &Batch<R>) {
        let (mut sampled, mut shed) = (0, 0);
        // Once for a batch: where the challenger has all blocks, a lane that looks for each record pays for each.
        let mut is_behind = false;
        let needs_header = self.needs_header;
        for item in &batch.items {
            // What the fallback decides is no answer to compare with.
            let Verdict::Decided(decided @ Decided { step: 0, .. }) = item.verdict else { continue };
            if self.sample_below != u64::MAX && sample_hash(item.record.position()) >= self.sample_below {
                continue;
            }
            sampled += 1;
            let block = if is_behind { None } else { self.block(batch.rows.scored_ns) };
            match block {
                Some(block) => {
                    block.push(item, &decided, batch.rows.scored_us, needs_header);
                    if block.is_full() {
                        self.hand_over();
                    }
                }
                None => {
                    is_behind = true;
                    shed += 1;
                }
            }
        }
        self.stats.sampled.add(sampled);
        self.stats.shed.add(shed);
    }

    fn block(&mut self, now_ns: u64) -> Option<&mut Sampled> {
        if self.open.is_none() && !self.filling.is_left() {
            self.open = self.filling.free();
            if let Some(block) = &mut self.open {
                block.since_ns = now_ns;
            }
        }
        self.open.as_deref_mut()
    }

    fn hand_over(&mut self) {
        if let Some(block) = self.open.take() {
            self.filling.hand_over(block);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// By the position alone, so that every challenger with the same share sees the same records, and a replay samples them again.
pub fn sample_hash(at: Position) -> u64 {
    mixed((at.offset as u64).wrapping_add((at.partition as u64) << 48))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_its_size_in_each_partition_and_never_changes() {
        for partition in 0..4 {
            let hashes = (0..100_000).map(|offset| sample_hash(Position { partition, offset }));
            let sampled = hashes.filter(|hash| *hash < share_below(10_000)).count();
            assert!((900..1_100).contains(&sampled), "{sampled}");
        }
        assert_eq!(
            sample_hash(Position { partition: 1, offset: 2 }),
            sample_hash(Position { partition: 1, offset: 2 })
        );
    }
}
