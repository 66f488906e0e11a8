//! Graphs as exporters write them, and what is known of their columns.

use super::*;
use crate::model::nodes::{Values, constant, integer, node, value_info};
use crate::model::outlets::{Dimension, Shape};
use crate::model::wire::{put_bytes, put_number};

fn input(name: &str, element: u64, width: Option<usize>) -> Outlet {
    let columns = width.map_or(Dimension::Any, Dimension::Size);
    let shape = Shape::Tensor(element, Some(vec![Dimension::Any, columns]));
    Outlet { name: name.to_owned(), doc: String::new(), shape }
}

fn texts(name: &str, texts: &[&str]) -> Vec<u8> {
    let mut message = Vec::new();
    put_bytes(&mut message, attribute::NAME, name.as_bytes());
    texts.iter().for_each(|text| put_bytes(&mut message, attribute::STRINGS, text.as_bytes()));
    message
}

fn one_hot(input: &str, all: &[&str], zeros: u64) -> Vec<u8> {
    node("OneHotEncoder", &[input], &format!("{input} hot"), &[texts("cats_strings", all), integer("zeros", zeros)])
}

fn label(input: &str, all: &[&str], more: &[Vec<u8>]) -> Vec<u8> {
    let attributes = [&[texts("keys_strings", all)], more].concat();
    node("LabelEncoder", &[input], &format!("{input} place"), &attributes)
}

fn origins(inputs: &[Outlet], nodes: &[Vec<u8>], initializers: &[Vec<u8>]) -> Origins {
    let mut graph = Vec::new();
    nodes.iter().for_each(|node| put_bytes(&mut graph, graph::NODE, node));
    initializers.iter().for_each(|tensor| put_bytes(&mut graph, graph::INITIALIZER, tensor));
    put_bytes(&mut graph, graph::OUTPUT, &value_info("p", element::FLOAT, None, None));
    Origins::of(&graph, inputs).unwrap()
}

fn known(origins: &Origins, column: usize) -> Option<(Vec<&str>, bool)> {
    let known = origins.texts(column)?;
    Some((known.texts.iter().map(String::as_str).collect(), known.others.is_ok()))
}

#[test]
fn texts_are_those_of_the_encoders_behind_nodes_that_pass_columns_on() {
    let inputs = [
        input("amount", element::FLOAT, Some(1)),
        input("country", element::STRING, Some(1)),
        input("channel", element::STRING, Some(1)),
    ];
    // As skl2onnx writes a ColumnTransformer of two texts: joined, taken apart by their places, encoded.
    let nodes = [
        node("Concat", &["country", "channel"], "texts", &[integer("axis", 1)]),
        constant("second", &Values::Numbers(&[1]), true),
        node("ArrayFeatureExtractor", &["texts", "first"], "a", &[]),
        node("ArrayFeatureExtractor", &["texts", "second"], "b", &[]),
        node("Reshape", &["b", "any"], "c", &[]),
        one_hot("a", &["FR", "DE"], 1),
        label("c", &["POS"], &[]),
    ];
    let mut first = Vec::new();
    put_number(&mut first, tensor::DIMS, 1);
    put_number(&mut first, tensor::ELEMENT, element::INT64);
    put_number(&mut first, tensor::INT64S, 0);
    put_bytes(&mut first, tensor::NAME, b"first");
    let found = origins(&inputs, &nodes, &[first]);
    assert_eq!(known(&found, 0), None, "nothing lists texts of a number");
    assert_eq!(known(&found, 1), Some((vec!["FR", "DE"], true)));
    assert_eq!(known(&found, 2), Some((vec!["POS"], false)), "no default is written");
    assert_eq!((found.texts(1).unwrap().by, found.column("texts", 1)), ("OneHotEncoder", Some(2)));
}

#[test]
fn an_encoder_says_whether_it_takes_other_texts() {
    let inputs = [input("c", element::STRING, Some(1))];
    let of = |nodes: &[Vec<u8>]| {
        let found = origins(&inputs, nodes, &[]);
        found.texts(0).map(|known| (known.texts.join(" "), known.others.is_ok()))
    };
    assert_eq!(of(&[one_hot("c", &["A", "B"], 0)]), Some(("A B".to_owned(), false)));
    assert_eq!(of(&[label("c", &["A"], &[integer("default_int64", 7)])]), Some(("A".to_owned(), true)));
    // Two that read the same column: all texts, and others only where both take them.
    let both = [one_hot("c", &["A", "B"], 1), label("c", &["B", "C"], &[])];
    assert_eq!(of(&both), Some(("A B C".to_owned(), false)));
    // Keys as a tensor, which ONNX-ML has from version 4 on.
    let (mut keys, mut tensor) = (Vec::new(), Vec::new());
    put_bytes(&mut tensor, tensor::STRINGS, b"A");
    put_bytes(&mut keys, attribute::NAME, b"keys_tensor");
    put_bytes(&mut keys, attribute::TENSOR, &tensor);
    assert_eq!(of(&[node("LabelEncoder", &["c"], "place", &[keys])]), Some(("A".to_owned(), false)));
    // What else looks at a text may know others, or change it.
    assert_eq!(of(&[one_hot("c", &["A"], 1), node("StringNormalizer", &["c"], "lower", &[])]), None);
    assert_eq!(of(&[node("Identity", &["c"], "same", &[])]), None);
}

#[test]
fn numbers_are_followed_to_trees_and_imputers() {
    let inputs =
        [input("a", element::FLOAT, Some(1)), input("many", element::FLOAT, Some(3)), input("z", element::INT64, None)];
    let nodes = [
        constant("starts", &Values::Numbers(&[-2]), true),
        constant("ends", &Values::Numbers(&[i64::MAX]), true),
        constant("axes", &Values::Numbers(&[1]), true),
        node("Slice", &["many", "starts", "ends", "axes"], "last", &[]),
        node("Imputer", &["last"], "filled", &[]),
        node("Cast", &["z"], "number", &[integer("to", element::FLOAT)]),
        node("Concat", &["number", "last", "a"], "rows", &[integer("axis", (-1i64) as u64)]),
        node("Concat", &["filled", "a"], "others", &[integer("axis", 1)]),
        node("Concat", &["a", "a"], "below", &[integer("axis", 0)]),
    ];
    let found = origins(&inputs, &nodes, &[]);
    let rows: Vec<_> = (0..5).map(|at| found.column("rows", at)).collect();
    assert_eq!(rows, [Some(4), Some(2), Some(3), Some(0), None]);
    assert_eq!((found.column("others", 0), found.column("below", 0)), (None, None), "computed, or no columns");
    assert_eq!([0, 1, 2, 3, 4].map(|column| found.filled_by(column).is_some()), [false, false, true, true, false]);
    // One input of any width is taken as it is, and who fills what in is not known.
    let alone = origins(&[input("x", element::FLOAT, None)], &[node("Imputer", &["x"], "filled", &[])], &[]);
    assert_eq!((alone.column("x", 9), alone.filled_by(9)), (Some(9), Some("Imputer")));
}

#[test]
fn what_fills_a_computed_column_in_is_not_taken_for_all_columns() {
    let inputs = [input("a", element::FLOAT, Some(1)), input("b", element::FLOAT, Some(1))];
    let nodes = [node("Scaler", &["b"], "scaled", &[]), node("Imputer", &["scaled"], "filled", &[])];
    let found = origins(&inputs, &nodes, &[]);
    assert_eq!([0, 1].map(|column| found.filled_by(column)), [None, None]);
    assert_eq!(found.filled_somewhere(), Some("Imputer"));
    let followed = origins(&inputs, &[node("Imputer", &["b"], "filled", &[])], &[]);
    assert_eq!((followed.filled_by(0), followed.filled_by(1)), (None, Some("Imputer")));
    assert_eq!(followed.filled_somewhere(), None);
}
