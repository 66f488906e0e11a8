//! What the columns of a model are called: as whoever trained it said, or as its file says somewhere.

use crate::error::{Fatal, exit};
use crate::model::features::FEATURES_MAX;
use crate::model::fields::element;
use crate::model::model_file::ModelFile;
use crate::model::outlets::Outlet;

/// Names of the columns in their order, and where they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub names: Vec<String>,
    /// In words that follow "named by".
    pub by: String,
}

/// The names in the file, where there are some; `said` are those of whoever trained it.
///
/// # Errors
/// [`exit::MODEL`] for a form that no contract can feed, and [`exit::USAGE`] where the number of names said is not the
/// model's.
pub fn names(model: &ModelFile, said: Option<Named>) -> Result<(Option<Named>, Option<usize>), Fatal> {
    let input = only_input(model)?;
    let declared = model.width();
    if let Some(said) = said {
        check_said(&said, model, declared)?;
        let width = said.names.len();
        return Ok((Some(said), Some(width)));
    }
    let least = model.trees.columns.last().map_or(1, |column| column + 1);
    let fits = |names: &Vec<String>| match declared {
        Some(width) => names.len() == width,
        None => names.len() >= least,
    };
    let facts = &model.facts;
    // Keys that speak of features first: another list of the same length is likely something else.
    let mut places: Vec<(String, &str)> =
        facts.metadata.iter().map(|(key, value)| (format!("the file's metadata (`{key}`)"), value.as_str())).collect();
    places.sort_by_key(|(place, _)| {
        !["feature", "column", "input"].iter().any(|word| place.to_lowercase().contains(word))
    });
    places.extend([
        (format!("the documentation of its input `{}`", input.name), input.doc.as_str()),
        ("the graph's documentation".to_owned(), facts.graph_doc.as_str()),
        ("the model's documentation".to_owned(), facts.doc.as_str()),
    ]);
    let found = places.into_iter().find_map(|(by, text)| {
        let names = listed(text).filter(fits).filter(|names| are_names(names))?;
        Some(Named { names, by })
    });
    let width = found.as_ref().map(|found| found.names.len()).or(declared);
    Ok((found, width))
}

fn only_input(model: &ModelFile) -> Result<&Outlet, Fatal> {
    let unfit = |what: String, fix: &str| Err(Fatal::new(exit::MODEL, format!("the model {what}"), fix));
    let [input] = &model.facts.inputs[..] else {
        let names: Vec<&str> = model.facts.inputs.iter().map(|input| input.name.as_str()).take(12).collect();
        let what = format!("has {} inputs: {}", model.facts.inputs.len(), names.join(", "));
        return unfit(
            what,
            "export the model with one float32 input [N, features]: join the columns in the graph (Concat), or export what \
             stands behind the column transformer and let the contract do its work (docs/model-package.md)",
        );
    };
    if input.element() != Some(element::FLOAT) {
        let what = format!("takes `{}` as {}, not as float32 [N, features]", input.name, input.describe());
        return unfit(
            what,
            "export it with one float32 input, and a Cast node behind it where it computes in another type",
        );
    }
    match input.sizes().as_deref() {
        None | Some([_, _]) => {}
        Some(other) => {
            let what = format!("takes `{}` of {} dimensions, not two: {}", input.name, other.len(), input.describe());
            return unfit(what, "export it with one input [N, features]; what is made of several records is not kept");
        }
    }
    match model.width() {
        Some(width) if width > FEATURES_MAX => {
            unfit(format!("takes {width} columns"), "a contract has at most 65535 features")
        }
        _ => Ok(input),
    }
}

fn check_said(said: &Named, model: &ModelFile, declared: Option<usize>) -> Result<(), Fatal> {
    let (count, least) = (said.names.len(), model.trees.columns.last().map_or(1, |column| column + 1));
    let usage = |what: String| Fatal::new(exit::USAGE, what, "name each column of the training once, in its order");
    match declared {
        Some(width) if width != count => {
            return Err(usage(format!("{count} names were given ({}), and the model takes {width} columns", said.by)));
        }
        None if count < least => {
            return Err(usage(format!(
                "{count} names were given ({}), and the model's trees ask for {least}",
                said.by
            )));
        }
        _ => {}
    }
    let mut sorted: Vec<&String> = said.names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(usage(format!("the name {:?} was given twice ({})", pair[0], said.by))),
        None => Ok(()),
    }
}

/// Names in a text: a JSON list, or names between commas or line ends.
pub fn split_names(text: &str) -> Vec<String> {
    let of_json = serde_json::from_str::<Vec<String>>(text.trim()).ok();
    let parts = || text.split([',', '\n']).map(|name| name.trim().trim_matches(['"', '\'']).to_owned());
    of_json.unwrap_or_else(|| parts().filter(|name| !name.is_empty()).collect())
}

/// A list of names that a file's text holds: as JSON, as Python prints one, or between commas or line ends. A JSON object
/// may hold it too, as `{"feature_names": [...]}`.
fn listed(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) {
        let texts = |value: &serde_json::Value| {
            let list = value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
            list.collect::<Option<Vec<String>>>()
        };
        return object.values().find_map(texts);
    }
    let inner = text.trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    let names = if inner.len() < text.len() && !text.contains('"') { split_names(inner) } else { split_names(text) };
    // Prose has commas too: names of several words are quoted.
    let is_prose = !text.contains(['"', '\'']) && names.iter().any(|name| name.contains(char::is_whitespace));
    (!names.is_empty() && !is_prose).then_some(names)
}

/// Short words, each once; prose between commas is none.
fn are_names(names: &[String]) -> bool {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    let is_name = |name: &String| name.len() <= 200 && name.split_whitespace().count() <= 4 && !name.starts_with('{');
    names.iter().all(is_name) && sorted.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_read_however_it_is_written() {
        let expected = ["amount", "card age"].map(str::to_owned);
        for text in [
            r#"["amount", "card age"]"#,
            r#"{"kind": "x", "feature_names": ["amount", "card age"]}"#,
            "['amount', 'card age']",
        ] {
            assert_eq!(listed(text).as_deref(), Some(&expected[..]), "{text}");
        }
        let expected = ["amount", "card_age"].map(str::to_owned);
        for text in ["amount, card_age", "amount\ncard_age\n", "(amount,card_age)"] {
            assert_eq!(listed(text).as_deref(), Some(&expected[..]), "{text}");
        }
        assert_eq!(listed("Trained in 2026, by the risk team"), None);
        assert_eq!(listed("  "), None);
        assert_eq!(listed("{\"a\": 1}"), None);
        assert!(!are_names(&["a".to_owned(), "a".to_owned()]));
        assert!(!are_names(&["this is a sentence of words".to_owned()]));
    }
}
