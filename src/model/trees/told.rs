//! What there is to tell of a model's tree ensembles, and the values that their splits compare with.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::columns::Origins;
use crate::model::trees::attributes::Attributes;
use crate::model::trees::file::File;
use crate::model::wire::Malformed;

/// Values of one column that are kept: rows are drawn from them.
const VALUES_MAX: usize = 64;

/// All tree ensembles of a graph together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Nodes of the graph.
    pub ensembles: usize,
    pub trees: usize,
    pub splits: usize,
    pub leaves: usize,
    /// Columns of the graph's own inputs that splits look at, counted over all inputs in their order.
    pub columns: BTreeSet<usize>,
    /// Those of which a split says that a missing value goes to its true side.
    pub tracked: BTreeSet<usize>,
    /// For each column some of the values that splits compare with.
    pub values: BTreeMap<usize, Vec<f32>>,
    /// What becomes of the sums: `NONE`, `LOGISTIC`, `SOFTMAX`.
    pub post_transforms: BTreeSet<String>,
}

impl Told {
    /// # Errors
    /// The bytes are no graph.
    pub fn of(file: &[u8], origins: &Origins) -> Result<Told, Malformed> {
        let (file, mut told) = (File::read(file)?, Told::default());
        for found in &file.found {
            told.ensembles += 1;
            // Of one input, what stands before the trees may be a multiplication by one too.
            let reads_rows = origins.are_of_one_input() && file.reads_input(found)?;
            told.add(&found.attributes, |at| origins.column(&found.input, at).or(reads_rows.then_some(at)));
        }
        Ok(told)
    }

    /// `column`: which of the inputs' columns an ensemble's is, where it is one.
    fn add(&mut self, attributes: &Attributes<'_>, column: impl Fn(usize) -> Option<usize>) {
        let trees: BTreeSet<i64> = attributes.ints("nodes_treeids").iter().copied().collect();
        self.trees += trees.len();
        let post = attributes.text("post_transform").filter(|post| !post.is_empty());
        self.post_transforms.insert(post.unwrap_or("NONE").to_owned());
        let (modes, columns) = (attributes.texts("nodes_modes"), attributes.ints("nodes_featureids"));
        let (values, tracks) = (attributes.floats("nodes_values"), attributes.ints("nodes_missing_value_tracks_true"));
        for (index, mode) in modes.iter().enumerate() {
            if *mode == "LEAF" {
                self.leaves += 1;
                continue;
            }
            self.splits += 1;
            let asked = columns.get(index).and_then(|column| usize::try_from(*column).ok());
            let Some(column) = asked.and_then(&column) else { continue };
            self.columns.insert(column);
            if tracks.get(index) == Some(&1) {
                self.tracked.insert(column);
            }
            let of_column = self.values.entry(column).or_default();
            if let Some(value) = values.get(index).filter(|value| value.is_finite())
                && of_column.len() < VALUES_MAX
                && !of_column.contains(value)
            {
                of_column.push(*value);
            }
        }
    }
}
