//! What trees ask of the rows that a graph is given.

use std::collections::BTreeSet;

use crate::model::trees::attributes::Attributes;
use crate::model::trees::file::File;
use crate::model::wire::Malformed;

/// Columns of the graph's input that trees read as they are: what stands before other trees may have filled missing values
/// in.
#[derive(Debug, Default)]
pub struct Asked {
    pub columns: BTreeSet<usize>,
    /// Those of which a split says where a missing value goes. NaN in others fails each comparison: exporters leave out
    /// that word (`nodes_missing_value_tracks_true`) where they do not know it.
    pub tracked: BTreeSet<usize>,
}

impl Asked {
    pub fn of(file: &[u8]) -> Result<Asked, Malformed> {
        let (file, mut asked) = (File::read(file)?, Asked::default());
        for found in &file.found {
            if file.reads_input(found)? {
                for (column, tracks) in splits(&found.attributes) {
                    asked.columns.insert(column);
                    asked.tracked.extend(tracks.then_some(column));
                }
            }
        }
        Ok(asked)
    }
}

/// The column that each split asks for, and whether it sends missing values to its true side.
fn splits(attributes: &Attributes<'_>) -> impl Iterator<Item = (usize, bool)> {
    let (modes, tracks) = (attributes.texts("nodes_modes"), attributes.ints("nodes_missing_value_tracks_true"));
    let columns = attributes.ints("nodes_featureids").iter().enumerate();
    let splits = columns.filter(|(index, _)| modes.get(*index).is_none_or(|mode| *mode != "LEAF"));
    splits.filter_map(|(index, column)| Some((usize::try_from(*column).ok()?, tracks.get(index) == Some(&1))))
}
