//! Texts that a retrained model knows and the contract does not list, or the other way round: records that have them are scored
//! as something that nobody has seen, and no golden row shows it.

use crate::avro::feature::{Feature, Transform};
use crate::model::columns::KnownTexts;
use crate::model::draft::texts_shown;

/// What is worth knowing of one feature that the model takes as a text: what the graphs know of it before and after.
pub fn warnings(feature: &Feature, before: Option<&KnownTexts>, after: Option<&KnownTexts>) -> Vec<String> {
    let (Transform::Index { symbols, .. }, Some(known)) = (feature.transform.inner(), after) else { return Vec::new() };
    // What was left out on purpose before is left out on purpose.
    let earlier = before.map_or(&[][..], |known| &known.texts);
    let is_new = |text: &&String| !symbols.contains(text) && !earlier.contains(text);
    let new: Vec<String> = known.texts.iter().filter(is_new).cloned().collect();
    let gone: Vec<String> = symbols.iter().filter(|text| !known.texts.contains(text)).cloned().collect();
    let (name, by) = (&feature.name, known.by);
    let mut told = Vec::new();
    if !new.is_empty() {
        told.push(format!(
            "the model's {by} knows texts that feature `{name}` does not list: {}. Add them to its transform's index, at the end, \
             so that golden rows keep their numbers",
            texts_shown(&new)
        ));
    }
    if !gone.is_empty() {
        let others = known.others.unwrap_or_else(|fails| fails);
        told.push(format!(
            "feature `{name}` lists texts that the model's {by} does not know any more: {} ({others})",
            texts_shown(&gone)
        ));
    }
    told
}
