//! Columns that moved: a retrained model whose file names them in another order than the contract would be fed wrong features,
//! and nothing that is made of its own answers would show it.

use crate::model::columns;
use crate::model::draft::{Named, names};
use crate::model::model_file::{ModelFile, Takes};

/// What the model's file says of its columns, where those are the contract's `features` in another order.
pub fn other_order(model: &ModelFile, features: &[&str], takes: &[Takes]) -> Option<Named> {
    let (named, _) = names(model, None).ok()?;
    let named = named?;
    let of_file: Vec<String> = named.names.iter().map(|name| columns::plain(name)).collect();
    let is_in_place = |(feature, takes): (&&str, &Takes)| of_file.get(takes.place).is_some_and(|name| name == feature);
    let are_the_same =
        of_file.len() == features.len() && features.iter().all(|name| of_file.iter().any(|of| of == name));
    (are_the_same && !features.iter().zip(takes).all(is_in_place)).then_some(named)
}
