//! What a process was at when it died, and the records that are suspected of having killed it.

use serde::{Deserialize, Serialize};

use crate::values::record::Position;

/// Records of one partition in work: being decoded, scored, or made into outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub partition: i32,
    /// Offset of the first of them.
    pub first: i64,
    /// Offset behind the last of them.
    pub end: i64,
    /// The process had nothing else in work.
    pub alone: bool,
}

/// Records at which processes of this node died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    pub partition: i32,
    /// Offset of the first of them.
    pub first: i64,
    /// Offset behind the last of them.
    pub end: i64,
    /// How often it died with all of these in work.
    pub crashes: u32,
    /// The last time it had nothing else in work.
    pub alone: bool,
}

/// What is done with records that are suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are scored as all others.
    Watched,
    /// Each is decoded and scored by itself, with nothing else in work, so that one more crash names it.
    Alone,
    /// A dead letter, neither decoded nor scored.
    Killer,
}

impl Standing {
    /// The word in `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Watched => "watched",
            Standing::Alone => "scored_alone",
            Standing::Killer => "dead_letter",
        }
    }
}

impl Suspect {
    /// `crashes_max`: so many crashes at one record are enough.
    pub fn standing(&self, crashes_max: u32) -> Standing {
        if self.alone && self.crashes >= crashes_max {
            Standing::Killer
        } else if self.crashes.saturating_add(1) >= crashes_max {
            Standing::Alone
        } else {
            Standing::Watched
        }
    }

    pub fn holds(&self, at: Position) -> bool {
        self.partition == at.partition && (self.first..self.end).contains(&at.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_crash_alone_condemns() {
        let suspect = |crashes, alone| Suspect { partition: 0, first: 5, end: 9, crashes, alone };
        let standings = [1, 2, 3, 4].map(|crashes| suspect(crashes, false).standing(3));
        assert_eq!(standings, [Standing::Watched, Standing::Alone, Standing::Alone, Standing::Alone]);
        assert_eq!(suspect(2, true).standing(3), Standing::Alone, "the limit was raised");
        assert_eq!(suspect(3, true).standing(3), Standing::Killer);
        let held = [(0, 4), (0, 5), (0, 8), (0, 9), (1, 5)];
        let held = held.map(|(partition, offset)| suspect(1, false).holds(Position { partition, offset }));
        assert_eq!(held, [false, true, true, false, false]);
    }
}
