//! The pairs that differ most, in an order that nothing but the pairs decides.

use std::cmp::Ordering;

use crate::compare::pair::{Answer, Inputs, Pair};
use crate::values::record::Position;

/// Pairs that are kept.
pub const WORST_MAX: usize = 20;
/// Bytes of an id that are kept: longer ones are no ids, and a report is no place for them.
const ID_BYTES_MAX: usize = 128;

/// A pair that owns its id.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstPair {
    pub at: Position,
    /// As text, cut after 128 bytes.
    pub id: Option<String>,
    pub before: Answer,
    pub after: Answer,
    pub inputs: Inputs,
}

impl WorstPair {
    fn of(pair: &Pair<'_>) -> WorstPair {
        let text = |id: &[u8]| String::from_utf8_lossy(&id[..id.len().min(ID_BYTES_MAX)]).into_owned();
        WorstPair { at: pair.at, id: pair.id.map(text), before: pair.before, after: pair.after, inputs: pair.inputs }
    }

    /// After minus before; what is no probability differs by infinity.
    pub fn difference(&self) -> f64 {
        difference(&self.before, &self.after)
    }

    /// The largest difference first, then by position. Two pairs of one position (a record that was answered twice) are told
    /// apart by all that they say, so that the order in which parts are merged decides nothing.
    fn order(&self, other: &WorstPair) -> Ordering {
        let bits = |pair: &WorstPair| {
            let scores = (pair.before.score.to_bits(), pair.after.score.to_bits());
            (scores, pair.before.decision.index(), pair.after.decision.index(), pair.inputs)
        };
        let by_size = other.difference().abs().total_cmp(&self.difference().abs());
        let by_words = || bits(self).cmp(&bits(other)).then_with(|| self.id.cmp(&other.id));
        by_size.then_with(|| self.at.cmp(&other.at)).then_with(by_words)
    }
}

fn difference(before: &Answer, after: &Answer) -> f64 {
    if before.is_probability() && after.is_probability() { after.score - before.score } else { f64::INFINITY }
}

/// In order, at most [`WORST_MAX`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worst {
    pairs: Vec<WorstPair>,
}

impl Worst {
    /// Takes a pair in where it belongs. Only then its id is copied.
    pub fn add(&mut self, pair: &Pair<'_>) {
        if self.is_full() {
            let last = &self.pairs[WORST_MAX - 1];
            let by_size = last.difference().abs().total_cmp(&difference(&pair.before, &pair.after).abs());
            if by_size.then_with(|| pair.at.cmp(&last.at)) == Ordering::Greater {
                return;
            }
        }
        self.insert(WorstPair::of(pair));
    }

    pub fn merge(&mut self, other: Worst) {
        other.pairs.into_iter().for_each(|pair| self.insert(pair));
    }

    pub fn pairs(&self) -> &[WorstPair] {
        &self.pairs
    }

    fn is_full(&self) -> bool {
        self.pairs.len() == WORST_MAX
    }

    fn insert(&mut self, pair: WorstPair) {
        let place = self.pairs.partition_point(|known| known.order(&pair) != Ordering::Greater);
        if place == WORST_MAX {
            return;
        }
        if self.is_full() {
            self.pairs.pop();
        }
        self.pairs.insert(place, pair);
    }
}
