//! Outcomes that the broker refuses for good: a timestamp that it does not take, a value above the topic's limit, a record
//! without key on a compacted topic. Sent again they are refused again, so the next try is another outcome: a dead letter
//! instead of the output, a stub instead of the dead letter, no copy for review. When the stub is refused too, the
//! partition stops with an alarm.
//!
//! The broker refuses a request as a whole, so that whole outcomes go down with the one that it means, and it does not
//! always say which that is. Those that it may be come again in groups of a quarter of them, one group under way at a
//! time, until one is refused that was alone.
//!
//! Invariant: each refusal either blames a record, which happens three times at most, or leaves fewer to suspect.

use std::fmt;

use crate::values::record::Position;

/// What is left to try for a record, beside its copy for review. In this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resort {
    /// What its verdict says.
    #[default]
    None,
    /// A dead letter: the output was refused.
    DeadLetter,
    /// A dead letter that holds only why, and where the record is found.
    Stub,
    /// Nothing: the stub was refused as well.
    Nothing,
}

/// What the broker refuses of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blamed {
    at: Position,
    resort: Resort,
    no_copy: bool,
}

/// Offsets `from..=to` of a partition, among which one may be that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suspects {
    partition: i32,
    from: i64,
    to: i64,
}

/// An outcome that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub at: Position,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Output,
    /// One that is scored again later.
    Letter,
    DeadLetter,
    Copy,
}

impl fmt::Display for What {
    /// With the setting that names its topic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Output => "an output (topics.outputs)",
            What::Letter => "a letter (topics.retry_later)",
            What::DeadLetter => "a dead letter (topics.dead_letters; topics.timeouts where it came too late)",
            What::Copy => "a copy for review (topics.review)",
        })
    }
}

/// What a lane knows of refusals. Empty on a good day.
#[derive(Debug)]
pub struct Refusals {
    blamed: Vec<Blamed>,
    suspects: Vec<Suspects>,
    /// Records under way at most while suspects are.
    group: usize,
    /// Groups that arrive make the next one larger: what came before the record that was blamed is known to be whole.
    grows: bool,
    /// Suspects under way.
    under_way: usize,
}

impl Default for Refusals {
    fn default() -> Refusals {
        Refusals { blamed: Vec::new(), suspects: Vec::new(), group: 1, grows: false, under_way: 0 }
    }
}

impl Refusals {
    /// Whether anything is known or suspected.
    pub fn is_active(&self) -> bool {
        !self.blamed.is_empty() || !self.suspects.is_empty()
    }

    /// What is left to try for a record, beside its copy for review.
    pub fn resort(&self, at: Position) -> Resort {
        self.of(at).map_or(Resort::None, |blamed| blamed.resort)
    }

    /// Whether its copy for review was refused.
    pub fn refuses_copy(&self, at: Position) -> bool {
        self.of(at).is_some_and(|blamed| blamed.no_copy)
    }

    /// Whether the partition stops before this record: of it, or of one before it, nothing is taken.
    pub fn stops_before(&self, at: Position) -> bool {
        let is_before = |offset: i64| offset <= at.offset;
        self.blamed.iter().any(|blamed| {
            blamed.resort == Resort::Nothing && blamed.at.partition == at.partition && is_before(blamed.at.offset)
        })
    }

    /// Whether the partition stops somewhere.
    pub fn stops(&self, partition: i32) -> bool {
        self.stops_before(Position { partition, offset: i64::MAX })
    }

    fn of(&self, at: Position) -> Option<&Blamed> {
        self.blamed.iter().find(|blamed| blamed.at == at)
    }

    /// Whether a record's outcomes may be handed over now, with `in_flight` outcomes under way. Asked in source order.
    pub fn admit(&mut self, at: Position, in_flight: usize) -> bool {
        if in_flight == 0 && self.under_way > 0 {
            self.under_way = 0;
            self.group = if self.grows { self.group.saturating_mul(2) } else { self.group };
        }
        let of_partition = |suspects: &Suspects| suspects.partition == at.partition;
        let suspected = self.suspects.iter().filter(|suspects| of_partition(suspects));
        if suspected.clone().any(|suspects| (suspects.from..=suspects.to).contains(&at.offset)) {
            let has_room = if self.under_way == 0 { in_flight == 0 } else { self.under_way < self.group };
            self.under_way += usize::from(has_room);
            return has_room;
        }
        // Nothing joins a group. What is behind suspects tells, when they have arrived, that none is left.
        if self.under_way > 0 {
            return false;
        }
        self.suspects.retain(|suspects| !of_partition(suspects) || at.offset < suspects.from);
        true
    }

    /// Learns from what was refused since the last look. Returns what the broker refuses for good by itself.
    pub fn learn(&mut self, refused: &[Refused]) -> Vec<Refused> {
        let records = count_records(refused);
        let under_way = std::mem::take(&mut self.under_way);
        if under_way == 1 && records == 1 {
            refused.iter().for_each(|refused| self.blame(*refused));
            // The others go on, soon in larger groups.
            (self.group, self.grows) = (1, true);
            return refused.to_vec();
        }
        if under_way > 0 {
            // A group, and nothing else: what else of their partitions was suspected has arrived, or is looked at afresh.
            self.suspects.retain(|known| refused.iter().all(|refused| refused.at.partition != known.partition));
        }
        let largest = if self.suspects.is_empty() { usize::MAX } else { self.group };
        (self.group, self.grows) = ((records / 4).clamp(1, largest), false);
        refused.iter().for_each(|refused| self.suspect(refused.at));
        Vec::new()
    }

    fn suspect(&mut self, at: Position) {
        match self.suspects.iter_mut().find(|suspects| suspects.partition == at.partition) {
            Some(known) => (known.from, known.to) = (known.from.min(at.offset), known.to.max(at.offset)),
            None => self.suspects.push(Suspects { partition: at.partition, from: at.offset, to: at.offset }),
        }
    }

    fn blame(&mut self, refused: Refused) {
        let index = self.blamed.iter().position(|blamed| blamed.at == refused.at).unwrap_or_else(|| {
            self.blamed.push(Blamed { at: refused.at, resort: Resort::None, no_copy: false });
            self.blamed.len() - 1
        });
        let blamed = &mut self.blamed[index];
        match (refused.what, blamed.resort) {
            (What::Copy, _) => blamed.no_copy = true,
            (What::Output | What::Letter, _) => blamed.resort = blamed.resort.max(Resort::DeadLetter),
            (What::DeadLetter, Resort::None | Resort::DeadLetter) => blamed.resort = Resort::Stub,
            (What::DeadLetter, Resort::Stub | Resort::Nothing) => blamed.resort = Resort::Nothing,
        }
    }

    /// The group has this partition at `committed`: what was learned of records before it is of no use any more.
    pub fn forget_before(&mut self, partition: i32, committed: i64) {
        self.blamed.retain(|blamed| blamed.at.partition != partition || blamed.at.offset >= committed);
        self.suspects.retain(|suspects| suspects.partition != partition || suspects.to >= committed);
    }
}

fn count_records(refused: &[Refused]) -> usize {
    let mut records: Vec<Position> = refused.iter().map(|refused| refused.at).collect();
    records.sort_unstable();
    records.dedup();
    records.len()
}
