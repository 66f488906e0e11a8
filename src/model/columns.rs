//! Models that take one tensor per column, or another type than 32-bit floats: which features each of their inputs is made
//! of. Rows stay one matrix of floats on the way of a record; the graph takes the columns apart ([`join`]): a text is its
//! place in the feature's own list, and becomes a text in the graph alone.

mod codes;
mod input;
mod join;

pub use input::Input;
pub use join::{Texts, join};

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

/// The features of each input: by their names where every input has one feature's, otherwise in order. `None` where they
/// cannot be, and `problems` says why.
pub fn assign(
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
    let widths: Vec<usize> =
        inputs.iter().filter_map(|input| width(input, inputs.len(), features.len(), problems)).collect();
    if problems.count() > before || widths.len() < inputs.len() {
        return None;
    }
    let by_name = by_name(inputs, &widths, features, problems)?;
    let mut next = 0;
    let mut joined = Vec::with_capacity(inputs.len());
    for (at, (input, width)) in inputs.iter().zip(widths).enumerate() {
        let columns = match &by_name {
            Some(named) => vec![named[at]],
            None => (next..next + width).collect(),
        };
        next += width;
        joined.extend(one(input, columns, features, problems));
    }
    (problems.count() == before).then_some(joined)
}

/// How many columns an input has.
fn width(input: &Outlet, inputs: usize, features: usize, problems: &mut Problems) -> Option<usize> {
    let alone = (inputs == 1).then_some(features);
    match input.sizes().as_deref() {
        Some([_, Some(columns)]) => Some(*columns),
        Some([_, None]) | None => alone.or(Some(1)),
        Some([_]) => Some(1),
        Some(shape) => {
            let what = format!("`{}` has {} dimensions, not two", input.name, shape.len());
            let fix = "export the model with inputs of [N, 1] or [N, columns]: sequences are not kept, and what is made of one \
                       record is scored";
            problems.add("input", what, fix);
            None
        }
    }
}

/// By input, the feature of the same name; none where they go in order.
fn by_name(
    inputs: &[Outlet],
    widths: &[usize],
    features: &[Feature],
    problems: &mut Problems,
) -> Option<Option<Vec<usize>>> {
    let plain = |name: &str| -> String {
        name.chars().map(|char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' }).collect()
    };
    let found: Vec<Option<usize>> =
        inputs.iter().map(|input| features.iter().position(|feature| feature.name == plain(&input.name))).collect();
    let total: usize = widths.iter().sum();
    if total != features.len() {
        let describe = |(input, width): (&Outlet, &usize)| format!("{} ({width})", input.name);
        let names = inputs.iter().zip(widths).map(describe).collect::<Vec<_>>().join(", ");
        let what = format!("the contract has {} features, the model's inputs take {total}: {names}", features.len());
        problems.add(
            "features",
            what,
            "list one [[features]] for each column of each input, with the input's name or in order",
        );
        return None;
    }
    if widths.iter().all(|width| *width == 1) && found.iter().all(Option::is_some) {
        return Some(Some(found.into_iter().flatten().collect()));
    }
    // A name that stands elsewhere is an order that was mixed up.
    let mut first = 0;
    for ((input, width), found) in inputs.iter().zip(widths).zip(&found) {
        if let Some(found) = found.filter(|found| !(first..first + width).contains(found)) {
            let what = format!("feature `{}` is column {found}, and the model's input of that name is not", input.name);
            let fix = "give every feature its input's name, or list the features in the order of the inputs";
            problems.add("features", what, fix);
            return None;
        }
        first += width;
    }
    Some(None)
}

fn one(input: &Outlet, columns: Vec<usize>, features: &[Feature], problems: &mut Problems) -> Option<Input> {
    let element = input.element().unwrap_or(element::FLOAT);
    let place = |column: usize| format!("features[{column}]");
    let name = &input.name;
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    for &column in &columns {
        let feature = &features[column];
        match element {
            element::STRING => match feature.transform.inner() {
                Transform::Index { symbols, otherwise } if symbols.len() < TEXTS_MAX => {
                    texts.push(symbols.clone());
                    let is_missing = !matches!(feature.missing, None | Some(Missing::Reject));
                    others.push(otherwise.is_some() || is_missing);
                }
                _ => {
                    let what =
                        format!("feature `{}` is no text, and the model's input `{name}` takes texts", feature.name);
                    let fix = "write transform = { index = [...], otherwise = -1.0 } with the texts that the training has seen: \
                               the graph is given the text of each place";
                    problems.add(place(column), what, fix);
                }
            },
            element::FLOAT | element::DOUBLE | element::FLOAT16 => {}
            element::BOOL
            | element::INT8
            | element::INT16
            | element::INT32
            | element::INT64
            | element::UINT8
            | element::UINT16
            | element::UINT32
            | element::UINT64 => {
                if feature.missing == Some(Missing::Nan) && feature.transform.of_presence(false).is_none() {
                    let what = format!(
                        "feature `{}` may be NaN, and the model's input `{name}` takes {}",
                        feature.name,
                        element::name(element)
                    );
                    problems.add(
                        place(column),
                        what,
                        "whole numbers have no NaN: write missing = \"reject\" or a constant",
                    );
                }
            }
            other => {
                let what = format!("`{name}` takes numbers of type {other} of ONNX");
                problems.add("input", what, "export the model with inputs of float32, int64 or texts");
                return None;
            }
        }
    }
    let sizes = input.sizes();
    let is_flat = sizes.as_ref().is_some_and(|sizes| sizes.len() == 1);
    let rows = sizes.and_then(|sizes| sizes.first().copied().flatten());
    Some(Input { name: name.clone(), element, is_flat, rows, columns, texts, others })
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
