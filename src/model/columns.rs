//! Models that take one tensor per column, or another type than 32-bit floats: which features each of their inputs is made
//! of. Rows stay one matrix of floats on the way of a record; the graph takes the columns apart ([`join`]): a text is its
//! place in the feature's own list, and becomes a text in the graph alone.

mod codes;
mod input;
mod join;
mod node;
mod origins;

pub use input::Input;
pub use origins::{KnownTexts, Origins};

use join::{Texts, join};

use crate::avro::feature::{Feature, Missing, Transform};
use crate::model::fields::element;
use crate::model::outlets::Outlet;
use crate::model::problem::Problems;

/// Whole numbers beyond it have no place of their own in a 32-bit float.
pub const TEXTS_MAX: usize = 1 << 24;

/// A model whose inputs were joined.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The file without its joint, to be held against.
    pub original: Vec<u8>,
    pub inputs: Vec<Input>,
    /// The joined file that keeps its texts, where the other one has numbers in their place.
    pub with_texts: Option<Vec<u8>>,
}

/// The model with its inputs made of one matrix of floats, where it does not take one as it is. `None` where they cannot be,
/// and `problems` says why.
pub fn of_rows(
    bytes: Vec<u8>,
    inputs: &[Outlet],
    input_tensor: Option<&str>,
    features: &[Feature],
    problems: &mut Problems,
) -> Option<(Vec<u8>, Option<Columns>)> {
    // Without inputs it is no model of rows, which ONNX Runtime says better.
    if takes_rows(inputs) || inputs.is_empty() {
        return Some((bytes, None));
    }
    let inputs = assign(inputs, input_tensor, features, problems)?;
    let join = |texts: Texts| join(&bytes, &inputs, features.len(), texts).ok().flatten();
    let has_texts = inputs.iter().any(|input| !input.texts.is_empty());
    let by_numbers = if has_texts { join(Texts::Numbers) } else { None };
    match (by_numbers, join(Texts::Texts)) {
        (Some(joined), with_texts) => Some((joined, Some(Columns { original: bytes, inputs, with_texts }))),
        (None, Some(joined)) => Some((joined, Some(Columns { original: bytes, inputs, with_texts: None }))),
        (None, None) => {
            let fix = "export the model for opset 9 or later, or with one float32 input [N, features]";
            problems.add("input", "the model's operators are too old to make its inputs of one row of features", fix);
            None
        }
    }
}

/// Whether a model takes rows as they are: one tensor of 32-bit floats, or of what only ONNX Runtime knows.
pub fn takes_rows(inputs: &[Outlet]) -> bool {
    match inputs {
        [only] => only.element().is_none_or(|element| element == element::FLOAT) && has_two_dimensions(only),
        _ => false,
    }
}

fn has_two_dimensions(input: &Outlet) -> bool {
    input.sizes().is_none_or(|sizes| sizes.len() == 2)
}

/// Tells why the inputs cannot be made of these features.
pub fn check_features(inputs: &[Outlet], input_tensor: Option<&str>, features: &[Feature], problems: &mut Problems) {
    if !takes_rows(inputs) {
        assign(inputs, input_tensor, features, problems);
    }
}

/// The features of each input. `None` where they cannot be said, and `problems` says why.
fn assign(
    inputs: &[Outlet],
    input_tensor: Option<&str>,
    features: &[Feature],
    problems: &mut Problems,
) -> Option<Vec<Input>> {
    let before = problems.count();
    if let Some(wanted) = input_tensor.filter(|wanted| !inputs.iter().any(|input| input.name == **wanted)) {
        let names = inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ");
        let fix =
            format!("the model's inputs are {names}; leave input.tensor out: features find them by name or in order");
        problems.add("input.tensor", format!("the model has no input `{wanted}`"), fix);
    }
    check(inputs, problems);
    if problems.count() > before {
        return None;
    }
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let arranged = arrange(inputs, &names, problems)?;
    let joined = inputs.iter().zip(arranged).map(|(input, columns)| one(input, columns, features, problems)).collect();
    (problems.count() == before).then_some(joined)
}

/// What no row of features can be made into.
pub fn check(inputs: &[Outlet], problems: &mut Problems) {
    for input in inputs {
        if let Some(sizes) = input.sizes().filter(|sizes| ![1, 2].contains(&sizes.len())) {
            let what = format!("`{}` has {} dimensions, not two", input.name, sizes.len());
            let fix = "export the model with inputs of [N, 1] or [N, columns]: sequences are not kept, and what is made of one \
                       record is scored";
            problems.add("input", what, fix);
        }
        let is_taken =
            |element: u64| element::has_nan(element) || element::is_whole(element) || element == element::STRING;
        if let Some(element) = input.element().filter(|element| !is_taken(*element)) {
            let what = format!("`{}` takes {}", input.name, element::name(element));
            problems.add("input", what, "export the model with inputs of float32, int64 or texts");
        }
    }
}

/// How a contract calls a column of this name.
pub fn plain(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' }).collect()
}

/// The features of each input, by their places: by their names where every input has one feature's, otherwise in order.
/// `None` where neither can be, and `problems` says why.
pub fn arrange(inputs: &[Outlet], names: &[&str], problems: &mut Problems) -> Option<Vec<Vec<usize>>> {
    // One alone that says nothing takes all there are.
    let width = |input: &Outlet| input.width_among(inputs.len()).unwrap_or(names.len());
    let widths: Vec<usize> = inputs.iter().map(width).collect();
    let total: usize = widths.iter().sum();
    if total != names.len() {
        let describe = |(input, width): (&Outlet, &usize)| format!("{} ({width})", input.name);
        let described = inputs.iter().zip(&widths).map(describe).collect::<Vec<_>>().join(", ");
        let what = format!("the contract has {} features, the model's inputs take {total}: {described}", names.len());
        problems.add(
            "features",
            what,
            "list one [[features]] for each column of each input, with the input's name or in order",
        );
        return None;
    }
    let called: Vec<String> = inputs.iter().map(|input| plain(&input.name)).collect();
    // A name that two inputs have in a contract says nothing.
    let is_once = |name: &&String| called.iter().filter(|other| other == name).count() == 1;
    let place = |name: &String| Some(name).filter(is_once).and_then(|name| names.iter().position(|of| of == name));
    let found: Vec<Option<usize>> = called.iter().map(place).collect();
    if widths.iter().all(|width| *width == 1) && found.iter().all(Option::is_some) {
        return Some(found.into_iter().flatten().map(|column| vec![column]).collect());
    }
    let (mut next, mut arranged) = (0, Vec::with_capacity(inputs.len()));
    for ((input, width), found) in inputs.iter().zip(widths).zip(&found) {
        let columns = next..next + width;
        // A name that stands elsewhere is an order that was mixed up.
        if let Some(found) = found.filter(|found| !columns.contains(found)) {
            let what = format!("feature `{}` is column {found}, and the model's input of that name is not", input.name);
            let fix = "give every feature its input's name, or list the features in the order of the inputs";
            problems.add("features", what, fix);
            return None;
        }
        next += width;
        arranged.push(columns.collect());
    }
    Some(arranged)
}

/// An input with its features; what does not fit is told.
fn one(input: &Outlet, columns: Vec<usize>, features: &[Feature], problems: &mut Problems) -> Input {
    let (element, name) = (input.element().unwrap_or(element::FLOAT), &input.name);
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    for &column in &columns {
        let (feature, place) = (&features[column], format!("features[{column}]"));
        let can_be_nan = feature.missing == Some(Missing::Nan) && feature.transform.of_presence(false).is_none();
        match feature.transform.inner() {
            Transform::Index { symbols, otherwise } if element == element::STRING && symbols.len() < TEXTS_MAX => {
                texts.push(symbols.clone());
                let is_missing = !matches!(feature.missing, None | Some(Missing::Reject));
                others.push(otherwise.is_some() || is_missing);
            }
            _ if element == element::STRING => {
                let what = format!("feature `{}` is no text, and the model's input `{name}` takes texts", feature.name);
                let fix = "write transform = { index = [...], otherwise = -1.0 } with the texts that the training has seen: the \
                           graph is given the text of each place";
                problems.add(place, what, fix);
            }
            _ if element::is_whole(element) && can_be_nan => {
                let takes = element::name(element);
                let what =
                    format!("feature `{}` may be NaN, and the model's input `{name}` takes {takes}", feature.name);
                problems.add(place, what, "whole numbers have no NaN: write missing = \"reject\" or a constant");
            }
            _ => {}
        }
    }
    let sizes = input.sizes();
    let is_flat = sizes.as_ref().is_some_and(|sizes| sizes.len() == 1);
    let rows = sizes.and_then(|sizes| sizes.first().copied().flatten());
    Input { name: name.clone(), element, is_flat, rows, columns, texts, others }
}

#[cfg(test)]
mod tests {
    use super::input::UNKNOWN;
    use super::*;
    use crate::model::outlets::{Dimension, Shape};

    fn outlet(name: &str, element: u64, shape: &[Option<usize>]) -> Outlet {
        let dimensions = shape.iter().map(|size| size.map_or(Dimension::Any, Dimension::Size)).collect();
        Outlet { name: name.to_owned(), doc: String::new(), shape: Shape::Tensor(element, Some(dimensions)) }
    }

    fn feature(name: &str, transform: Transform) -> Feature {
        let (name, path) = (name.to_owned(), name.to_owned());
        Feature { name, path, transform, then: Vec::new(), missing: None, min: None, max: None }
    }

    fn country() -> Transform {
        Transform::Index { symbols: vec!["DE".into(), "FR".into()], otherwise: Some(-1.0) }
    }

    fn columns(inputs: &[Outlet], features: &[Feature]) -> Result<Vec<Vec<usize>>, String> {
        let mut problems = Problems::default();
        match assign(inputs, None, features, &mut problems) {
            Some(inputs) => Ok(inputs.into_iter().map(|input| input.columns).collect()),
            None => Err(problems.check(std::path::Path::new("p")).unwrap_err().to_string()),
        }
    }

    #[test]
    fn inputs_find_their_features_by_name_or_in_order() {
        let number = |name: &str| outlet(name, element::FLOAT, &[None, Some(1)]);
        let inputs = [number("b"), outlet("country code", element::STRING, &[None, Some(1)])];
        let features = [feature("country_code", country()), feature("b", Transform::Number)];
        assert_eq!(columns(&inputs, &features), Ok(vec![vec![1], vec![0]]));
        let features = [feature("x", Transform::Number), feature("y", country())];
        assert_eq!(columns(&inputs, &features), Ok(vec![vec![0], vec![1]]));
        let several = [outlet("numbers", element::DOUBLE, &[None, Some(2)]), outlet("one", element::INT64, &[None])];
        let features = ["p", "q", "r"].map(|name| feature(name, Transform::Number));
        assert_eq!(columns(&several, &features), Ok(vec![vec![0, 1], vec![2]]));
        // Names that are the same in a contract say nothing.
        let alike = [number("a b"), number("a_b")];
        let named = ["a_b", "a_b_2"].map(|name| feature(name, Transform::Number));
        assert_eq!(columns(&alike, &named), Ok(vec![vec![0], vec![1]]));
        // One input alone takes all there are.
        assert_eq!(columns(&[outlet("x", element::INT64, &[None, None])], &features), Ok(vec![vec![0, 1, 2]]));
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_to_write() {
        let inputs = [outlet("a", element::FLOAT, &[None, Some(1)]), outlet("c", element::STRING, &[None, Some(1)])];
        let number = |name: &str| feature(name, Transform::Number);
        let told = columns(&inputs, &[number("a"), number("c")]).unwrap_err();
        assert!(told.contains("`c` takes texts") && told.contains("index = [...]"), "{told}");
        let told = columns(&inputs, &[number("x"), number("a")]).unwrap_err();
        assert!(told.contains("feature `a` is column 1"), "{told}");
        let told = columns(&inputs, &[number("a")]).unwrap_err();
        assert!(told.contains("1 features, the model's inputs take 2: a (1), c (1)"), "{told}");
        let told = columns(&[outlet("s", element::FLOAT, &[None, Some(4), Some(2)])], &[number("a")]).unwrap_err();
        assert!(told.contains("3 dimensions"), "{told}");
        let missing = Feature { missing: Some(Missing::Nan), ..number("n") };
        let told = columns(&[outlet("n", element::INT64, &[None, Some(1)])], &[missing]).unwrap_err();
        assert!(told.contains("may be NaN"), "{told}");
    }

    #[test]
    fn a_number_means_the_text_of_its_place_or_an_unknown_one() {
        let texts = vec![vec!["DE".to_owned(), "FR".to_owned()]];
        let (name, element, columns, others) = ("c".to_owned(), element::STRING, vec![0], vec![true]);
        let input = Input { name, element, is_flat: false, rows: None, columns, texts, others };
        let text = |number: f32| input.text(0, number);
        assert_eq!([0.0, 1.0, 1.9].map(text), ["DE", "FR", "FR"]);
        assert_eq!([-1.0, 2.0, f32::NAN, -0.5].map(text), [UNKNOWN; 4]);
        // Where there is no other, what is none of the places is nobody's: the model may know no other.
        let closed = Input { others: vec![false], ..input.clone() };
        assert_eq!([1.0, 2.0, f32::NAN].map(|number| closed.text(0, number)), ["FR", "DE", "DE"]);
    }
}
