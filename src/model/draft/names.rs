//! What the columns of a model are called: as whoever trained it said, or as its file says somewhere.

use crate::error::{Fatal, exit};
use crate::model::columns;
use crate::model::features::FEATURES_MAX;
use crate::model::model_file::ModelFile;
use crate::model::outlets::Outlet;
use crate::model::problem::Problems;

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
    check_inputs(model)?;
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
    let found = of_inputs(&model.facts.inputs).or_else(|| {
        places(model).into_iter().find_map(|(by, text)| {
            let names = listed(text).filter(fits).filter(|names| are_names(names))?;
            Some(Named { names, by })
        })
    });
    let width = found.as_ref().map(|found| found.names.len()).or(declared);
    Ok((found, width))
}

/// Texts of the file that may be a list of names. Keys that speak of features come first: another list of the same length is
/// likely something else.
fn places(model: &ModelFile) -> Vec<(String, &str)> {
    let facts = &model.facts;
    let mut places: Vec<(String, &str)> =
        facts.metadata.iter().map(|(key, value)| (format!("the file's metadata (`{key}`)"), value.as_str())).collect();
    places.sort_by_key(|(place, _)| {
        !["feature", "column", "input"].iter().any(|word| place.to_lowercase().contains(word))
    });
    let of_input = |input: &Outlet| format!("the documentation of its input `{}`", input.name);
    places.extend(facts.inputs.iter().map(|input| (of_input(input), input.doc.as_str())));
    places.extend([
        ("the graph's documentation".to_owned(), facts.graph_doc.as_str()),
        ("the model's documentation".to_owned(), facts.doc.as_str()),
    ]);
    places
}

/// The names of inputs that are columns of their own, and of those of several columns what their documentation lists; `None`
/// where one of them says nothing. One matrix of floats says nothing by its name.
fn of_inputs(inputs: &[Outlet]) -> Option<Named> {
    if columns::takes_rows(inputs) {
        return None;
    }
    let of_input = |input: &Outlet| match input.width_among(inputs.len()) {
        Some(1) => Some(vec![input.name.clone()]),
        Some(width) => listed(&input.doc).filter(|names| names.len() == width && are_names(names)),
        None => None,
    };
    let names = inputs.iter().map(of_input).collect::<Option<Vec<_>>>()?.concat();
    Some(Named { names, by: "the model's inputs".to_owned() })
}

/// Refuses what no contract can feed.
fn check_inputs(model: &ModelFile) -> Result<(), Fatal> {
    let mut problems = Problems::default();
    columns::check(&model.facts.inputs, &mut problems);
    match model.width() {
        _ if model.facts.inputs.is_empty() => {
            problems.add("input", "there is none", "export the model with its inputs")
        }
        Some(width) if width > FEATURES_MAX => {
            problems.add("input", format!("there are {width} columns"), "a contract has at most 65535 features");
        }
        _ => {}
    }
    let problems = problems.into_all();
    let Some(first) = problems.first() else { return Ok(()) };
    let told: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
    Err(Fatal::new(exit::MODEL, format!("the model's inputs: {}", told.join("; ")), first.fix.clone()))
}

fn check_said(said: &Named, model: &ModelFile, declared: Option<usize>) -> Result<(), Fatal> {
    let (count, least) = (said.names.len(), model.trees.columns.last().map_or(1, |column| column + 1));
    let usage = |what: String| Fatal::new(exit::USAGE, what, "name each column of the training once, in its order");
    let given = if count == 1 { "1 name was given".to_owned() } else { format!("{count} names were given") };
    match declared {
        Some(width) if width != count => {
            return Err(usage(format!("{given} ({}), and the model takes {width} columns", said.by)));
        }
        None if count < least => {
            return Err(usage(format!("{given} ({}), and the model's trees ask for {least}", said.by)));
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
