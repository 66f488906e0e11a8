//! Avro's rules for reading what was written with another schema: which types fit, and which branch, field or symbol
//! of the reader belongs to one of the writer.

use super::graph::{Field, Graph, Kind, Logical, Names, NodeId, unqualified};

/// How well a writer's type fits a reader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The same type.
    Same,
    /// Another type that the reader's may be made of: int to long, float or double, string to bytes, and so on.
    Promoted,
}

/// Whether the writer's type may be read as the reader's; neither is a union.
///
/// # Errors
/// What does not fit, in a sentence.
pub(super) fn fit(writer: &Graph, w: NodeId, reader: &Graph, r: NodeId) -> Result<Fit, String> {
    let (from, to) = (writer.node(w), reader.node(r));
    let differ = || format!("the writer's {} cannot be read as {}", writer.describe(w), reader.describe(r));
    let fit = match (&from.kind, &to.kind) {
        (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
        | (Kind::Long, Kind::Float | Kind::Double)
        | (Kind::Float, Kind::Double)
        | (Kind::String, Kind::Bytes)
        | (Kind::Bytes, Kind::String) => Fit::Promoted,
        (Kind::Fixed(written), Kind::Fixed(read)) if written != read => return Err(differ()),
        (Kind::Fixed(_), Kind::Fixed(_))
        | (Kind::Enum { .. }, Kind::Enum { .. })
        | (Kind::Record(_), Kind::Record(_)) => {
            if !same_name(from.names.as_ref(), to.names.as_ref()) {
                return Err(format!("{}: their names differ, and the reader's has no such alias", differ()));
            }
            Fit::Same
        }
        (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => Fit::Same,
        _ => return Err(differ()),
    };
    if is_contradiction(from.logical, to.logical) {
        return Err(format!("{}: the numbers would mean something else", differ()));
    }
    Ok(fit)
}

/// Both sides name a unit or a scale, and not the same one. A plain type on one side takes the other's meaning.
fn is_contradiction(written: Logical, read: Logical) -> bool {
    written != read && written != Logical::None && read != Logical::None
}

/// Unqualified names must be equal, or one of the reader's aliases must name the writer's type.
fn same_name(writer: Option<&Names>, reader: Option<&Names>) -> bool {
    match (writer, reader) {
        (Some(writer), Some(reader)) => {
            writer.short() == reader.short()
                || reader.aliases.iter().any(|alias| *alias == writer.full || unqualified(alias) == writer.short())
        }
        (None, None) => true,
        _ => false,
    }
}

/// The reader's type for a writer's that is not a union: itself, or the branch of its union that fits, the same type
/// before a promotion, the earlier before the later.
///
/// # Errors
/// Why no branch fits, in a sentence.
pub(super) fn reader_branch(writer: &Graph, w: NodeId, reader: &Graph, r: NodeId) -> Result<NodeId, String> {
    let branches = reader.branches(r);
    let fits: Vec<_> = branches.iter().map(|&branch| fit(writer, w, reader, branch)).collect();
    let first = |wanted: Fit| fits.iter().position(|fit| *fit == Ok(wanted));
    if let Some(place) = first(Fit::Same).or_else(|| first(Fit::Promoted)) {
        return Ok(branches[place]);
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
