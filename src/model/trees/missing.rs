//! Features whose missing values no split sends anywhere on purpose.

use std::collections::BTreeSet;

use crate::model::trees::attributes::Attributes;
use crate::model::trees::file::File;
use crate::model::wire::Malformed;

/// Columns of the graph's input that trees read as they are, and of which no split says where a missing value goes: NaN
/// then fails each comparison. Exporters leave out that word (`nodes_missing_value_tracks_true`) where they do not know it.
/// None where the file cannot be read, which ONNX Runtime says better.
pub fn untracked(file: &[u8]) -> BTreeSet<usize> {
    columns(file).unwrap_or_default()
}

fn columns(file: &[u8]) -> Result<BTreeSet<usize>, Malformed> {
    let file = File::read(file)?;
    let (mut asked, mut tracked) = (BTreeSet::new(), BTreeSet::new());
    for found in &file.found {
        // What stands before other trees may have filled missing values in.
        if file.reads_input(found)? {
            for (column, tracks) in splits(&found.attributes) {
                asked.insert(column);
                tracked.extend(tracks.then_some(column));
            }
        }
    }
    Ok(asked.difference(&tracked).copied().collect())
}

/// The column that each split asks for, and whether it sends missing values to its true side.
fn splits(attributes: &Attributes<'_>) -> impl Iterator<Item = (usize, bool)> {
    let (modes, tracks) = (attributes.texts("nodes_modes"), attributes.ints("nodes_missing_value_tracks_true"));
    let columns = attributes.ints("nodes_featureids").iter().enumerate();
    let splits = columns.filter(|(index, _)| modes.get(*index).is_none_or(|mode| *mode != "LEAF"));
    splits.filter_map(|(index, column)| Some((usize::try_from(*column).ok()?, tracks.get(index) == Some(&1))))
}
