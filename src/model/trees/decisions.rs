//! Rows that between them take every decision of some trees: they reach each leaf that any row can reach, and at each
//! split that any row can reach they bring its threshold, both neighbours of that, and a missing value.
//!
//! A decision asks for a value of its split's feature, and for spans of values of the features on the way there. A row
//! is begun with one decision; others, of the other trees, are added as long as their spans meet; what no decision asks
//! for stands on some threshold's edge. All that the row then takes is struck off, asked for or not.

use ndarray::Array2;

use crate::model::sequence::Sequence;
use crate::model::trees::ensemble::{Node, Tree};

/// Decisions of one tree that are tried before a row does without it.
const TRIES: usize = 8;

/// Values that no threshold suggests.
pub const ODD: [f32; 6] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MIN_POSITIVE / 2.0];

/// Rows, and what they do.
#[derive(Debug)]
pub struct Decisions {
    /// `[rows, width]`.
    pub rows: Array2<f32>,
    /// Leaves, and values brought to splits, that some row can take. These rows take all of them.
    pub count: usize,
    pub leaves_unreachable: usize,
}

/// `width`: values of a row, at least as many as the trees have features.
pub fn decisions(trees: &[Tree], width: usize) -> Decisions {
    let mut thresholds = vec![Vec::new(); width];
    for node in trees.iter().flatten() {
        if let Node::Split { feature, threshold, .. } = *node {
            thresholds[feature as usize].push(threshold);
        }
    }
    let mut row = Draft { spans: vec![Span::ALL; width], before: Vec::new() };
    let mut plans: Vec<Plan<'_>> = trees.iter().map(|tree| Plan::of(tree, &mut row)).collect();
    let count = plans.iter().map(|plan| plan.open.len()).sum();
    let leaves_unreachable = plans.iter().map(|plan| plan.leaves_unreachable).sum();
    let (mut sequence, mut values, mut rows) = (Sequence::default(), Vec::new(), 0);
    loop {
        row.spans.fill(Span::ALL);
        let mut wanted = false;
        // Each time another tree comes first: the first decision always finds room.
        let (later, first) = plans.split_at_mut(rows % trees.len().max(1));
        for plan in first.iter_mut().chain(later) {
            wanted |= plan.ask(&mut row, &mut sequence);
        }
        if !wanted {
            let rows = Array2::from_shape_vec((rows, width), values).unwrap_or_default();
            return Decisions { rows, count, leaves_unreachable };
        }
        let start = values.len();
        values.extend(row.spans.iter().zip(&thresholds).map(|(span, edges)| span.pick(edges, &mut sequence)));
        plans.iter_mut().for_each(|plan| plan.strike_off(&values[start..]));
        rows += 1;
    }
}

/// Values that a row may have in one feature. No number, where `low` is above `high`.
#[derive(Clone, Copy, Debug)]
struct Span {
    low: f32,
    high: f32,
    missing: bool,
}

impl Span {
    const ALL: Span = Span { low: f32::NEG_INFINITY, high: f32::INFINITY, missing: true };
    const MISSING: Span = Span { low: f32::INFINITY, high: f32::NEG_INFINITY, missing: true };

    fn only(value: f32) -> Span {
        if value.is_nan() { Span::MISSING } else { Span { low: value, high: value, missing: false } }
    }

    /// What a split sends to one side.
    fn side(threshold: f32, nan_left: bool, left: bool) -> Span {
        let missing = nan_left == left;
        match left {
            true => Span { high: threshold, missing, ..Span::ALL },
            // No number is above infinity.
            false if threshold == f32::INFINITY => Span { missing, ..Span::MISSING },
            false => Span { low: threshold.next_up(), missing, ..Span::ALL },
        }
    }

    fn meet(self, other: Span) -> Option<Span> {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        let met = Span { low, high, missing: self.missing && other.missing };
        (low <= high || met.missing).then_some(met)
    }

    /// A value within, on the span's own edges or on those of a split between them.
    fn pick(self, thresholds: &[f32], sequence: &mut Sequence) -> f32 {
        if self.low > self.high || self.missing && sequence.below(8) == 0 {
            return f32::NAN;
        }
        let value = match thresholds.len() {
            many if many > 0 && sequence.below(16) > 0 => {
                let threshold = thresholds[sequence.below(many)];
                SplitValue::ALL[sequence.below(3)].value(threshold)
            }
            _ => ODD[sequence.below(ODD.len())],
        };
        match value.is_nan() {
            true if self.missing => value,
            true => self.low,
            false => value.clamp(self.low, self.high),
        }
    }
}

/// What a row may bring to a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SplitValue {
    At,
    Below,
    Above,
    Missing,
}

impl SplitValue {
    const ALL: [SplitValue; 4] = [SplitValue::At, SplitValue::Below, SplitValue::Above, SplitValue::Missing];

    fn value(self, threshold: f32) -> f32 {
        match self {
            SplitValue::At => threshold,
            SplitValue::Below => threshold.next_down(),
            SplitValue::Above => threshold.next_up(),
            SplitValue::Missing => f32::NAN,
        }
    }
}

/// A row to be, and how to take back what was asked of it last.
struct Draft {
    spans: Vec<Span>,
    before: Vec<(usize, Span)>,
}

impl Draft {
    fn narrow(&mut self, feature: u32, to: Span) -> bool {
        let span = &mut self.spans[feature as usize];
        let met = span.meet(to);
        if let Some(met) = met {
            self.before.push((feature as usize, *span));
            *span = met;
        }
        met.is_some()
    }

    fn take_back(&mut self) {
        while let Some((feature, span)) = self.before.pop() {
            self.spans[feature] = span;
        }
    }
}

/// A decision: a leaf to reach (with [`SplitValue::At`]), or what to bring to a split.
type Decision = (u32, SplitValue);

/// One tree, and which of its decisions no row has taken so far.
struct Plan<'a> {
    tree: &'a Tree,
    /// Of each node but the root: its split, and whether it hangs on the left.
    parents: Vec<Option<(u32, bool)>>,
    open: Vec<Decision>,
    /// By node and way.
    taken: Vec<[bool; 4]>,
    leaves_unreachable: usize,
}

impl<'a> Plan<'a> {
    /// `row`: an empty one.
    fn of(tree: &'a Tree, row: &mut Draft) -> Plan<'a> {
        let mut parents = vec![None; tree.len()];
        for (at, node) in (0..).zip(tree) {
            if let Node::Split { left, right, .. } = *node {
                parents[left as usize] = Some((at, true));
                parents[right as usize] = Some((at, false));
            }
        }
        let taken = vec![[false; 4]; tree.len()];
        let mut plan = Plan { tree, parents, open: Vec::new(), taken, leaves_unreachable: 0 };
        for (at, node) in (0..).zip(tree) {
            let ways = match *node {
                Node::Leaf(_) => &SplitValue::ALL[..1],
                Node::Split { .. } => &SplitValue::ALL[..],
            };
            for &way in ways.iter().filter(|way| differs(*node, **way)) {
                let can_be = plan.meets((at, way), row);
                row.take_back();
                match node {
                    _ if can_be => plan.open.push((at, way)),
                    Node::Leaf(_) => plan.leaves_unreachable += 1,
                    Node::Split { .. } => {}
                }
            }
        }
        plan
    }

    /// Asks the row for this decision; [`Draft::take_back`] undoes it.
    fn meets(&self, (node, way): Decision, row: &mut Draft) -> bool {
        row.before.clear();
        let here = match self.tree[node as usize] {
            Node::Split { feature, threshold, .. } => row.narrow(feature, Span::only(way.value(threshold))),
            Node::Leaf(_) => true,
        };
        let (mut fits, mut at) = (here, node);
        while fits && let Some((parent, left)) = self.parents[at as usize] {
            if let Node::Split { feature, threshold, nan_left, .. } = self.tree[parent as usize] {
                fits = row.narrow(feature, Span::side(threshold, nan_left, left));
            }
            at = parent;
        }
        fits
    }

    /// Adds one open decision to the row if one of a few has room there. Says whether one has.
    fn ask(&mut self, row: &mut Draft, sequence: &mut Sequence) -> bool {
        for _ in 0..TRIES {
            let chosen = loop {
                if self.open.is_empty() {
                    return false;
                }
                let at = sequence.below(self.open.len());
                let (node, way) = self.open[at];
                match self.taken[node as usize][way as usize] {
                    true => self.open.swap_remove(at),
                    false => break (node, way),
                };
            };
            if self.meets(chosen, row) {
                return true;
            }
            row.take_back();
        }
        false
    }

    /// Notes what a row takes.
    fn strike_off(&mut self, row: &[f32]) {
        let mut at = 0;
        while let Node::Split { feature, threshold, nan_left, left, right } = self.tree[at] {
            let value = row[feature as usize];
            for way in SplitValue::ALL {
                let brought = way.value(threshold);
                self.taken[at][way as usize] |= value == brought || value.is_nan() && brought.is_nan();
            }
            let goes_left = value <= threshold || value.is_nan() && nan_left;
            at = if goes_left { left as usize } else { right as usize };
        }
        self.taken[at][SplitValue::At as usize] = true;
    }
}

/// Whether a way brings another value than the threshold itself: infinity has no neighbour on the far side.
fn differs(node: Node, way: SplitValue) -> bool {
    match node {
        Node::Split { threshold, .. } => way == SplitValue::At || way.value(threshold) != threshold,
        Node::Leaf(_) => true,
    }
}
