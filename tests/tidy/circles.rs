//! No circles of imports: of files that import each other round a ring, none can be read, tested or moved without all
//! the others. Two files that know each other are a pair, and allowed; three are a knot.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::Source;

/// The most files that may import each other in a circle.
const CIRCLE_MAX: usize = 2;

/// What stands before the name of an item that a file defines itself.
const DEFINING: &[&str] = &["const", "enum", "fn", "macro_rules", "mod", "static", "struct", "trait", "type", "union"];

/// From a file to another, with the names that it takes from there.
type Arrows<'a> = BTreeMap<(&'a str, &'a str), BTreeSet<String>>;

/// Every circle of more than [`CIRCLE_MAX`] files, in words: the files, and each arrow between them.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let is_ours = |source: &&Source| {
        let is_test = source.lines.iter().all(|line| line.is_test);
        source.path.starts_with("src/") && !is_test
    };
    let tree = Tree { modules: sources.iter().filter(is_ours).map(Module::of).collect() };
    let arrows = tree.arrows();
    knots(&arrows).iter().map(|knot| words(knot, &arrows)).collect()
}

fn words(knot: &BTreeSet<&str>, arrows: &Arrows<'_>) -> String {
    let files: Vec<&str> = knot.iter().copied().collect();
    let mut text = format!("{} files import each other in a circle: {}", files.len(), files.join(", "));
    for ((from, to), names) in arrows.iter().filter(|((from, to), _)| knot.contains(from) && knot.contains(to)) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        text += &format!("\n    {from} -> {to}: {}", names.join(", "));
    }
    text
}

/// The files that reach each other, where there are more than may.
fn knots<'a>(arrows: &Arrows<'a>) -> BTreeSet<BTreeSet<&'a str>> {
    let mut next: BTreeMap<&str, Vec<&'a str>> = BTreeMap::new();
    arrows.keys().for_each(|&(from, to)| next.entry(from).or_default().push(to));
    let reached = |from: &'a str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            open.extend(next.get(file).into_iter().flatten().filter(|to| seen.insert(**to)));
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|&from| (from, reached(from))).collect();
    let knot_of = |(file, others): (&&'a str, &BTreeSet<&'a str>)| {
        let is_back = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
        others.iter().filter(is_back).copied().collect::<BTreeSet<&str>>()
    };
    reached.iter().map(knot_of).filter(|knot| knot.len() > CIRCLE_MAX).collect()
}

/// A file as a module of the crate.
struct Module<'a> {
    file: &'a str,
    place: Vec<String>,
    /// Paths that the code outside of tests names.
    paths: Vec<Vec<String>>,
    defined: BTreeSet<String>,
    /// The names of `use path as name`, with their paths.
    renamed: BTreeMap<String, Vec<String>>,
}

impl<'a> Module<'a> {
    /// The module with its place: from the crate's root, which has none; main.rs is a root beside it that nobody names.
    fn of(source: &'a Source) -> (Vec<String>, Module<'a>) {
        let named = source.paths().into_iter().filter(|(line, _)| !source.lines[*line].is_test);
        let mut paths: Vec<Vec<String>> = named.map(|(_, path)| path).collect();
        without_visibility(&mut paths);
        // `use path::{self, ..}` names the path.
        paths.iter_mut().filter(|path| path.len() > 1 && path.ends_with(&["self".to_owned()])).for_each(|path| {
            path.pop();
        });
        let follows = |word: &'static str| paths.windows(2).filter(move |pair| pair[0] == [word]);
        let defined = DEFINING.iter().flat_map(|word| follows(word)).map(|pair| pair[1][0].clone()).collect();
        let renamed = renamed(&mut paths);
        let inner = source.path.trim_start_matches("src/").trim_end_matches(".rs");
        let place: Vec<String> =
            inner.split('/').filter(|part| !["mod", "lib"].contains(part)).map(str::to_owned).collect();
        (place.clone(), Module { file: &source.path, place, paths, defined, renamed })
    }
}

/// The names of `path as name` with their paths. In a tree, `{path as name}`, the scan takes both words for names of the
/// tree: they go.
fn renamed(paths: &mut Vec<Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let is_as = |path: &[String]| path.last().is_some_and(|last| last == "as");
    let mut renamed = BTreeMap::new();
    while let Some(at) = paths.iter().skip(1).position(|path| is_as(path)).map(|at| at + 1) {
        let name = paths.get(at + 1).and_then(|path| path.last().cloned()).unwrap_or_default();
        renamed.insert(name, paths[at - 1].clone());
        let is_in_tree = paths[at].len() > 1;
        paths.drain(at..paths.len().min(at + 1 + usize::from(is_in_tree)));
    }
    renamed
}

/// Leaves out the places of `pub(super)` and `pub(in crate::here)`: who may look is nothing that is taken.
fn without_visibility(paths: &mut Vec<Vec<String>>) {
    let word = |at: usize, word: &str| paths.get(at).is_some_and(|path| *path == [word]);
    let is_place = |at: usize| {
        let is_after = |back: usize, what: &str| at.checked_sub(back).is_some_and(|at| word(at, what));
        let is_bare = ["super", "crate", "self"].iter().any(|name| word(at, name));
        (is_bare && is_after(1, "pub")) || (is_after(1, "in") && is_after(2, "pub"))
    };
    let places: Vec<bool> = (0..paths.len()).map(is_place).collect();
    let mut places = places.into_iter();
    paths.retain(|_| places.next() == Some(false));
}

struct Tree<'a> {
    modules: BTreeMap<Vec<String>, Module<'a>>,
}

impl<'a> Tree<'a> {
    fn arrows(&self) -> Arrows<'a> {
        let mut arrows = Arrows::new();
        for module in self.modules.values() {
            for path in &module.paths {
                let Some(target) = self.target(module, path, 0).filter(|target| target.file != module.file) else {
                    continue;
                };
                let name = path.last().expect("a path has a segment").clone();
                arrows.entry((module.file, target.file)).or_default().insert(name);
            }
        }
        arrows
    }

    /// The file that a path leads to from this one, through what the modules on the way pass on; `None` where it leads
    /// to no file of ours. `steps`: names that were passed on so far, since two modules may pass on each other's.
    fn target(&self, from: &Module<'a>, path: &[String], steps: usize) -> Option<&Module<'a>> {
        let (mut place, rest) = self.start(from, path)?;
        let deeper = rest.iter().take_while(|segment| {
            place.push((*segment).clone());
            let is_there = self.modules.contains_key(&place);
            if !is_there {
                place.pop();
            }
            is_there
        });
        let rest = &rest[deeper.count()..];
        let module = self.modules.get(&place)?;
        let Some(name) = rest.first().filter(|name| !module.defined.contains(*name) && steps < 8) else {
            return Some(module);
        };
        let is_passed = |path: &&Vec<String>| path.len() > 1 && path.last() == Some(name);
        let mut passed = module.renamed.get(name).into_iter().chain(module.paths.iter().filter(is_passed));
        Some(passed.find_map(|path| self.target(module, path, steps + 1)).unwrap_or(module))
    }

    /// The module at which a path begins, and what is left of the path.
    fn start<'p>(&self, from: &Module<'a>, path: &'p [String]) -> Option<(Vec<String>, &'p [String])> {
        match path.first()?.as_str() {
            "crate" | "scorewire" => Some((Vec::new(), &path[1..])),
            "self" => Some((from.place.clone(), &path[1..])),
            "super" => {
                let ups = path.iter().take_while(|segment| *segment == "super").count();
                Some((from.place[..from.place.len().checked_sub(ups)?].to_vec(), &path[ups..]))
            }
            child => {
                let place: Vec<String> = from.place.iter().cloned().chain([child.to_owned()]).collect();
                (path.len() > 1 && self.modules.contains_key(&place)).then(|| (from.place.clone(), path))
            }
        }
    }
}
