//! Whether ONNX Runtime survives a tree node. It plants trees by recursion, a call for each split on the way down and 670
//! bytes of stack for each call: a chain of 3,100 splits ends the process on a thread of 2 MiB, one of 12,400 on the main
//! thread. A `TreeEnsemble` (`ai.onnx.ml` 5) it first copies out without a look at its numbers: a ring takes all memory,
//! and a number beyond its list ends the process. So this is looked at before the file is opened, in every node of every
//! graph and function, whether the kernel could score it or not. Nothing here recurses.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};

use crate::model::fields::{attribute, element, node, tensor};
use crate::model::wire::{Fields, Malformed};

/// Splits from a root down to a leaf, at most; a third of what fits a thread of 2 MiB.
pub const SPLITS_DEEP_MAX: u32 = 1_024;

/// Splits and leaves that the trees of a `TreeEnsemble` may grow to where several splits lead to one: ONNX Runtime copies
/// what is below for each of them.
const COPIED_MAX: u64 = 1 << 24;

/// ONNX Runtime takes a set with fewer members than this apart, a split for each.
const SET_MEMBERS: usize = 31;

/// `BRANCH_MEMBER`, the last of the modes.
const MEMBER: f64 = 6.0;

/// What is wrong with a tree node, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostile {
    pub what: String,
    pub fix: &'static str,
}

const EXPORT_ANEW: &str = "export the model anew: no training makes such a tree";
const TRAIN_FLATTER: &str = "limit the depth in training (max_depth, num_leaves); where a category was split into one \
                             question for each of its values, give each value a number that orders them (the rate of fraud), \
                             or merge the rare ones";

fn hostile(what: impl Into<String>) -> Option<Hostile> {
    Some(Hostile { what: what.into(), fix: EXPORT_ANEW })
}

/// Looks at a node of `ai.onnx.ml` whose operator's name begins with `TreeEnsemble`.
///
/// # Errors
/// The bytes are no node.
pub fn check(op_type: &str, message: &[u8]) -> Result<Option<Hostile>, Malformed> {
    let lists = Lists::read(message)?;
    if let Some(name) = lists.referred {
        return Ok(hostile(format!("takes `{name}` from the call of the function it stands in, where nobody looks")));
    }
    Ok(match op_type {
        "TreeEnsemble" => lists.check_copied()?,
        _ => lists.check_listed(),
    })
}

/// The lists that say how trees hang together. Of an attribute that stands there twice, ONNX Runtime takes the last.
#[derive(Default)]
struct Lists<'a> {
    ints: BTreeMap<&'a str, Vec<i64>>,
    texts: BTreeMap<&'a str, Vec<&'a [u8]>>,
    tensors: BTreeMap<&'a str, &'a [u8]>,
    /// A list that a function's caller gives.
    referred: Option<&'a str>,
}

impl<'a> Lists<'a> {
    fn read(message: &'a [u8]) -> Result<Lists<'a>, Malformed> {
        let mut lists = Lists::default();
        for field in Fields::new(message) {
            let field = field?;
            if field.number == node::ATTRIBUTE {
                lists.add(field.bytes()?)?;
            }
        }
        Ok(lists)
    }

    fn add(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let (mut name, mut ints, mut texts, mut tensor, mut referred) = ("", Vec::new(), Vec::new(), None, false);
        for part in Fields::new(message) {
            let part = part?;
            match part.number {
                attribute::NAME => name = part.text()?,
                attribute::INTS => part.ints(&mut ints)?,
                attribute::STRINGS => texts.push(part.bytes()?),
                attribute::TENSOR => tensor = Some(part.bytes()?),
                attribute::REFERENCE => referred = !part.bytes()?.is_empty(),
                _ => {}
            }
        }
        if referred && (name.starts_with("nodes_") || name == "tree_roots") {
            self.referred = Some(name);
        }
        self.ints.insert(name, ints);
        self.texts.insert(name, texts);
        self.tensors.extend(tensor.map(|tensor| (name, tensor)));
        Ok(())
    }

    fn ints(&self, name: &str) -> &[i64] {
        self.ints.get(name).map_or(&[], Vec::as_slice)
    }

    /// A `TreeEnsembleClassifier` or `TreeEnsembleRegressor`. ONNX Runtime itself refuses lists of different lengths,
    /// numbers that stand there twice, and children that are not there, before it goes down.
    fn check_listed(&self) -> Option<Hostile> {
        let (trees, nodes) = (self.ints("nodes_treeids"), self.ints("nodes_nodeids"));
        let modes = self.texts.get("nodes_modes").map_or(&[][..], Vec::as_slice);
        let sides = ["nodes_falsenodeids", "nodes_truenodeids"].map(|name| self.ints(name));
        if [nodes.len(), modes.len(), sides[0].len(), sides[1].len()] != [trees.len(); 4] {
            return None;
        }
        let ids = || trees.iter().copied().zip(nodes.iter().copied());
        let mut starts: Vec<usize> = (0..trees.len()).collect();
        (1..trees.len()).filter(|at| trees[at - 1] == trees[*at]).for_each(|at| starts[at] = starts[at - 1]);
        let places = LazyCell::new(|| ids().zip(0..).collect::<HashMap<(i64, i64), usize>>());
        let place = |at: usize, id: i64| {
            // Most number a tree's nodes as they stand.
            let usual = usize::try_from(id).ok().and_then(|id| starts[at].checked_add(id));
            let usual = usual.filter(|place| trees.get(*place) == Some(&trees[at]) && nodes.get(*place) == Some(&id));
            usual.or_else(|| places.get(&(trees[at], id)).copied())
        };
        let children = |at: usize| {
            let split = modes[at] != b"LEAF";
            sides.map(|side| split.then(|| place(at, side[at])).flatten())
        };
        let mut measured = Measured::new(trees.len());
        for root in (0..trees.len()).filter(|at| *at == 0 || trees[at - 1] != trees[*at]) {
            if let Some(found) = measured.descend(root, children, |at| u32::from(modes[at] != b"LEAF")) {
                return told(found, &|at| format!("tree {}, node {}", trees[at], nodes[at]));
            }
        }
        None
    }

    /// A `TreeEnsemble`, of which ONNX Runtime checks nothing.
    fn check_copied(&self) -> Result<Option<Hostile>, Malformed> {
        let tensors = ["nodes_modes", "nodes_splits", "leaf_weights", "nodes_hitrates", "membership_values"];
        let [Some(modes), Some(thresholds), Some(weights), Some(hitrates), Some(members)] =
            self.all_numbers(tensors)?
        else {
            // ONNX Runtime refuses elements of another type before it reads one.
            return Ok(None);
        };
        let sides = ["nodes_falsenodeids", "nodes_truenodeids"].map(|name| self.ints(name));
        let leafs = ["nodes_falseleafs", "nodes_trueleafs"].map(|name| self.ints(name));
        let leaves = self.ints("leaf_targetids");
        let splits = modes.len();
        let lists = [sides[0], sides[1], leafs[0], leafs[1], self.ints("nodes_featureids")].map(<[i64]>::len);
        let optional = [self.ints("nodes_missing_value_tracks_true").len(), hitrates.len()];
        if lists != [splits; 5]
            || thresholds.len() != splits
            || weights.len() != leaves.len()
            || optional.iter().any(|len| ![0, splits].contains(len))
        {
            return Ok(hostile("has lists of splits or of leaves of different lengths"));
        }
        let is_in = |id: i64, len: usize| usize::try_from(id).is_ok_and(|id| id < len);
        let beyond = (0..splits).find(|at| {
            (0..2).any(|side| !is_in(sides[side][*at], if leafs[side][*at] != 0 { leaves.len() } else { splits }))
        });
        if let Some(at) = beyond {
            return Ok(hostile(format!("leads from split {at} to one that is not there")));
        }
        let Some(levels) = levels(&modes, &members) else { return Ok(hostile("has a split by a set without members")) };
        let children = |at: usize| {
            let child = |side: usize| (leafs[side][at] == 0).then_some(sides[side][at] as usize);
            [child(0), child(1)]
        };
        let (mut measured, mut grown) = (Measured::new(splits), 0u64);
        for root in self.ints("tree_roots") {
            let Some(root) = usize::try_from(*root).ok().filter(|root| *root < splits) else {
                return Ok(hostile(format!("has a root at split {root}, and {splits} splits")));
            };
            if let Some(found) = measured.descend(root, children, |at| levels[at]) {
                return Ok(told(found, &|at| format!("split {at}")));
            }
            grown = grown.saturating_add(measured.copies[root]);
        }
        match grown > COPIED_MAX && grown > (2 * splits + 1) as u64 {
            true => Ok(hostile(format!(
                "grows from {splits} splits to {grown} splits and leaves, because several lead to one: at most \
                 {COPIED_MAX} are accepted"
            ))),
            false => Ok(None),
        }
    }

    /// Elements of tensors; `None` of one that is of another type than trees have.
    fn all_numbers<const N: usize>(&self, names: [&str; N]) -> Result<[Option<Vec<f64>>; N], Malformed> {
        let mut all = [const { None }; N];
        for (found, name) in all.iter_mut().zip(names) {
            *found = self.tensors.get(name).map_or(Ok(Some(Vec::new())), |message| numbers(message))?;
        }
        Ok(all)
    }
}

/// Levels that each split of a `TreeEnsemble` becomes; `None` where a set has no members. `members`: of all sets, with NaN
/// behind each.
fn levels(modes: &[f64], members: &[f64]) -> Option<Vec<u32>> {
    let mut sets = members.split(|member| member.is_nan());
    let levels = modes.iter().map(|mode| match *mode == MEMBER {
        false => Some(1),
        true => match sets.next().map_or(0, <[f64]>::len) {
            0 => None,
            members @ 1..SET_MEMBERS => Some(members as u32),
            _ => Some(1),
        },
    });
    levels.collect()
}

fn numbers(message: &[u8]) -> Result<Option<Vec<f64>>, Malformed> {
    let (mut kind, mut raw, mut floats, mut ints, mut listed) = (0, &[][..], Vec::new(), Vec::new(), Vec::new());
    for part in Fields::new(message) {
        let part = part?;
        match part.number {
            tensor::ELEMENT => kind = part.varint()?,
            tensor::RAW => raw = part.bytes()?,
            tensor::FLOATS => part.floats(&mut floats)?,
            tensor::INT32S => part.ints(&mut ints)?,
            tensor::DOUBLES => part.doubles(&mut listed)?,
            _ => {}
        }
    }
    listed.extend(floats.into_iter().map(f64::from));
    listed.extend(ints.into_iter().map(|value| value as f64));
    match kind {
        element::UINT8 => listed.extend(raw.iter().map(|byte| f64::from(*byte))),
        element::FLOAT => listed.extend(raw.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)))),
        element::DOUBLE => listed.extend(raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes))),
        _ => return Ok(None),
    }
    Ok(Some(listed))
}

/// What stops a way down.
enum Found {
    /// At this node.
    Ring(usize),
    /// From this node down, this many levels.
    Deep(usize, u32),
}

fn told(found: Found, place: &dyn Fn(usize) -> String) -> Option<Hostile> {
    match found {
        Found::Ring(at) => hostile(format!("has a ring of splits ({})", place(at))),
        Found::Deep(at, levels) => Some(Hostile {
            what: format!(
                "goes {levels} splits down from {}: ONNX Runtime, which plants trees by recursion, would end the process; at \
                 most {SPLITS_DEEP_MAX} are accepted",
                place(at)
            ),
            fix: TRAIN_FLATTER,
        }),
    }
}

/// Levels below each node, measured once.
struct Measured {
    /// 0: not yet; a node on the way down is on [`Measured::way`].
    state: Vec<State>,
    levels: Vec<u32>,
    /// Splits and leaves that come of each when everything below is copied for it.
    copies: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the way down.
    Entered,
    Done,
}

impl Measured {
    fn new(nodes: usize) -> Measured {
        Measured { state: vec![State::New; nodes], levels: vec![0; nodes], copies: vec![0; nodes] }
    }

    /// Measures what is below `root`. `children`: those that are nodes; `own`: levels of a node itself.
    fn descend(
        &mut self,
        root: usize,
        children: impl Fn(usize) -> [Option<usize>; 2],
        own: impl Fn(usize) -> u32,
    ) -> Option<Found> {
        let mut open = vec![root];
        while let Some(&at) = open.last() {
            match self.state[at] {
                State::New => {
                    self.state[at] = State::Entered;
                    for child in children(at).into_iter().flatten() {
                        match self.state[child] {
                            State::New => open.push(child),
                            State::Entered => return Some(Found::Ring(child)),
                            State::Done => {}
                        }
                    }
                }
                State::Entered => {
                    open.pop();
                    self.state[at] = State::Done;
                    let below = children(at);
                    let deepest = below.iter().flatten().map(|child| self.levels[*child]).max().unwrap_or(0);
                    // What is no node is a leaf.
                    let copies = below.map(|child| child.map_or(1, |child| self.copies[child]));
                    self.levels[at] = own(at).saturating_add(deepest);
                    self.copies[at] = copies.iter().fold(1, |sum: u64, copies| sum.saturating_add(*copies));
                }
                State::Done => {
                    open.pop();
                }
            }
        }
        let levels = self.levels[root];
        (levels > SPLITS_DEEP_MAX).then_some(Found::Deep(root, levels))
    }
}
