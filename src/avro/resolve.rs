//! Avro's rules for reading what was written with another schema: which types fit, and which branch, field or symbol
//! of the reader belongs to one of the writer. Stricter than Avro where a number would silently mean something else.

use super::graph::{Field, Graph, Kind, Names, NodeId, unqualified};
use super::logical::Logical;

/// How well a writer's type fits a reader's, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The same type; a named one of the same full name.
    Same,
    /// The reader's alias is the writer's full name.
    ByAlias,
    /// The names without their namespaces are equal, or the reader's alias without its.
    ByShortName,
    /// Records at the top, whose names are not compared: tools name them as they like.
    Unnamed,
    /// Another type that the reader's may be made of: int to long, float or double, string to bytes, and so on.
    Promoted,
}

/// How a pair of types is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// Both stand at the top of their schemas.
    pub at_top: bool,
    /// The value is an event's time and nothing else: units of timestamps may differ, because both are known.
    pub time_only: bool,
}

/// Whether the writer's type may be read as the reader's; neither is a union.
///
/// # Errors
/// What does not fit, in a sentence.
pub(super) fn fit(writer: &Graph, w: NodeId, reader: &Graph, r: NodeId, terms: Terms) -> Result<Fit, String> {
    let (from, to) = (writer.node(w), reader.node(r));
    let differ = || format!("the writer's {} cannot be read as {}", writer.describe(w), reader.describe(r));
    let fit = match (&from.kind, &to.kind) {
        (Kind::String, Kind::Bytes) | (Kind::Bytes, Kind::String)
            if from.logical.is_decimal() || to.logical.is_decimal() =>
        {
            return Err(format!("{}: a text is not a decimal's bytes", differ()));
        }
        (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
        | (Kind::Long, Kind::Float | Kind::Double)
        | (Kind::Float, Kind::Double)
        | (Kind::String, Kind::Bytes)
        | (Kind::Bytes, Kind::String) => Fit::Promoted,
        (Kind::Fixed(written), Kind::Fixed(read)) if written != read => return Err(differ()),
        (Kind::Fixed(_), Kind::Fixed(_))
        | (Kind::Enum { .. }, Kind::Enum { .. })
        | (Kind::Record(_), Kind::Record(_)) => match names_fit(from.names.as_ref(), to.names.as_ref()) {
            Some(fit) => fit,
            None if terms.at_top && matches!(from.kind, Kind::Record(_)) => Fit::Unnamed,
            None => return Err(format!("{}: their names differ, and the reader's has no such alias", differ())),
        },
        (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => Fit::Same,
        _ => return Err(differ()),
    };
    if is_contradiction(&from.logical, &to.logical, terms) {
        return Err(format!("{}: the numbers would mean something else", differ()));
    }
    Ok(fit)
}

/// Both sides name a unit or a scale, and not the same one. A plain type on one side takes the other's meaning.
fn is_contradiction(written: &Logical, read: &Logical, terms: Terms) -> bool {
    let both_known = written.timestamp().is_some() && read.timestamp().is_some();
    written != read && *written != Logical::None && *read != Logical::None && !(terms.time_only && both_known)
}

/// Whether the records at the top have a name in common.
pub(super) fn same_name(writer: &Graph, reader: &Graph) -> bool {
    let names = |graph: &Graph| graph.branches(graph.root).into_iter().find_map(|id| graph.node(id).names.clone());
    names_fit(names(writer).as_ref(), names(reader).as_ref()).is_some()
}

/// By Avro's rules unqualified names must be equal, or one of the reader's aliases must name the writer's type; which
/// of several types fits best is told by the full name.
fn names_fit(writer: Option<&Names>, reader: Option<&Names>) -> Option<Fit> {
    let (Some(writer), Some(reader)) = (writer, reader) else { return None };
    if writer.full == reader.full {
        return Some(Fit::Same);
    }
    if reader.aliases.contains(&writer.full) {
        return Some(Fit::ByAlias);
    }
    let short = writer.short();
    let known = reader.short() == short || reader.aliases.iter().any(|alias| unqualified(alias) == short);
    known.then_some(Fit::ByShortName)
}

/// The reader's type for a writer's that is not a union: itself, or the branch of its union that fits best, the earlier
/// before the later.
///
/// # Errors
/// Why no branch fits, or why it cannot be known which, in a sentence.
pub(super) fn reader_branch(
    writer: &Graph,
    w: NodeId,
    reader: &Graph,
    r: NodeId,
    terms: Terms,
) -> Result<NodeId, String> {
    let branches = reader.branches(r);
    let fits: Vec<_> = branches.iter().map(|&branch| fit(writer, w, reader, branch, terms)).collect();
    let fitting = branches.iter().zip(&fits).filter_map(|(branch, fit)| Some((*branch, *fit.as_ref().ok()?)));
    // Of several that fit as well, the first.
    if let Some((branch, best)) = fitting.clone().min_by_key(|(_, fit)| *fit) {
        let is_ambiguous = fitting.filter(|(_, fit)| *fit == best).count() > 1;
        if is_ambiguous && matches!(best, Fit::ByShortName | Fit::Unnamed) {
            return Err(format!(
                "the writer's {} fits several branches of the {} by its name without namespace",
                writer.describe(w),
                reader.describe(r)
            ));
        }
        return Ok(branch);
    }
    match fits.into_iter().next() {
        Some(Err(why)) if branches.len() == 1 => Err(why),
        _ => Err(format!("the writer's {} fits no branch of the {}", writer.describe(w), reader.describe(r))),
    }
}

/// The writer's field that a reader's field is read from: of the same name, or else named by an alias.
pub(super) fn writer_field(field: &Field, writer: &[Field]) -> Option<usize> {
    let named = |name: &str| writer.iter().position(|written| written.name == name);
    named(&field.name).or_else(|| field.aliases.iter().find_map(|alias| named(alias)))
}

/// The reader's symbol for a writer's: itself where the reader knows it, otherwise the reader's default.
pub(super) fn reader_symbol<'r>(written: &str, symbols: &'r [String], default: Option<&'r str>) -> Option<&'r str> {
    symbols.iter().map(String::as_str).find(|symbol| *symbol == written).or(default)
}
