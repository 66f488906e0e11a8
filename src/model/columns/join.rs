//! The graph that takes one matrix of floats and makes the model's own inputs of it.

use crate::model::columns::codes::{Codes, recode};
use crate::model::columns::input::{Input, UNKNOWN};
use crate::model::fields::{element, graph, model, opset, value_info};
use crate::model::nodes::{Values, constant, integer, node, value_info};
use crate::model::wire::{Fields, Malformed, put_bytes, put_number, text_of};

/// The name of the matrix.
const ROWS: &str = "scorewire_rows";

/// The oldest version of ONNX's operators that has what texts need.
const OPSET_MIN: i64 = 9;

/// What becomes of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// Numbers, up to the encoders that read them.
    Numbers,
    /// Themselves.
    Texts,
}

/// The file with `inputs` made of one matrix of `width` floats; `None` for one whose operators are too old, or where
/// something other than an encoder reads texts that were to become numbers.
///
/// # Errors
/// The file is no model.
pub fn join(file: &[u8], inputs: &[Input], width: usize, texts: Texts) -> Result<Option<Vec<u8>>, Malformed> {
    let (mut joined, mut version) = (Vec::with_capacity(file.len() + 4_096), None);
    for field in Fields::new(file) {
        let field = field?;
        match field.number {
            model::GRAPH => match joined_graph(field.bytes()?, inputs, width, texts)? {
                Some(graph) => put_bytes(&mut joined, model::GRAPH, &graph),
                None => return Ok(None),
            },
            _ => joined.extend_from_slice(&file[field.range.clone()]),
        }
        if field.number == model::OPSET_IMPORT {
            version = version.or(own_version(field.bytes()?)?);
        }
    }
    match version {
        Some(version) if version < OPSET_MIN => return Ok(None),
        Some(_) => {}
        // A model of other domains' operators alone.
        None => {
            let mut import = Vec::new();
            put_number(&mut import, opset::VERSION, 13);
            put_bytes(&mut joined, model::OPSET_IMPORT, &import);
        }
    }
    Ok(Some(joined))
}

/// The version of ONNX's own operators, where this import says it.
fn own_version(import: &[u8]) -> Result<Option<i64>, Malformed> {
    let mut version = 1;
    for field in Fields::new(import) {
        let field = field?;
        if field.number == opset::VERSION {
            version = field.varint()? as i64;
        }
    }
    let domain = text_of(import, opset::DOMAIN)?;
    Ok(["", "ai.onnx"].contains(&domain.as_str()).then_some(version))
}

fn joined_graph(own: &[u8], inputs: &[Input], width: usize, texts: Texts) -> Result<Option<Vec<u8>>, Malformed> {
    let (mut codes, mut changes) = (None, Vec::new());
    if texts == Texts::Numbers {
        let Some(recoded) = recode(own, inputs)? else { return Ok(None) };
        (codes, changes) = (Some(recoded.codes), recoded.changes);
    }
    let mut joined = Vec::with_capacity(own.len() + 4_096);
    for (at, input) in inputs.iter().enumerate() {
        for node in nodes(input, at, width, codes.as_mut()) {
            put_bytes(&mut joined, graph::NODE, &node);
        }
    }
    let rows_fixed = inputs.iter().find_map(|input| input.rows);
    put_bytes(&mut joined, graph::INPUT, &value_info(ROWS, element::FLOAT, rows_fixed, Some(width)));
    let mut changes = changes.into_iter().peekable();
    for field in Fields::new(own) {
        let field = field?;
        if let Some((_, change)) = changes.next_if(|(range, _)| *range == field.range) {
            change.iter().for_each(|change| put_bytes(&mut joined, field.number, change));
            continue;
        }
        let is_made = field.number == graph::INPUT && {
            let name = text_of(field.bytes()?, value_info::NAME)?;
            inputs.iter().any(|input| input.name == name)
        };
        if !is_made {
            joined.extend_from_slice(&own[field.range]);
        }
    }
    Ok(Some(joined))
}

/// The nodes that make one input.
fn nodes(input: &Input, at: usize, width: usize, codes: Option<&mut Codes>) -> Vec<Vec<u8>> {
    let part = |name: &str| format!("scorewire/{at}/{name}");
    if input.element == element::STRING {
        return text_nodes(input, at, codes);
    }
    let mut nodes = Vec::new();
    let is_whole = !input.is_flat && input.columns.iter().copied().eq(0..width);
    let gathered = match (is_whole, input.element) {
        (true, _) => ROWS.to_owned(),
        (false, element::FLOAT) => input.name.clone(),
        (false, _) => part("columns"),
    };
    if !is_whole {
        nodes.extend(gather(&input.columns, input.is_flat, &part("at"), &gathered));
    }
    match (is_whole, input.element) {
        (false, element::FLOAT) => {}
        (true, element::FLOAT) => nodes.push(node("Identity", &[ROWS], &input.name, &[])),
        (_, element) => nodes.push(node("Cast", &[&gathered], &input.name, &[integer("to", element)])),
    }
    nodes
}

/// Some columns of the matrix; of `is_flat`, the first one without its dimension.
fn gather(columns: &[usize], is_flat: bool, at: &str, output: &str) -> [Vec<u8>; 2] {
    let places: Vec<i64> = columns.iter().map(|column| *column as i64).collect();
    [constant(at, &Values::Numbers(&places), !is_flat), node("Gather", &[ROWS, at], output, &[integer("axis", 1)])]
}

/// Each column's numbers are held within its texts' places, all others becoming the place of the unknown one, and looked up.
fn text_nodes(input: &Input, at: usize, mut codes: Option<&mut Codes>) -> Vec<Vec<u8>> {
    let mut nodes = Vec::new();
    let is_single = input.columns.len() == 1;
    let outputs: Vec<String> = (0..input.columns.len())
        .map(|column| if is_single { input.name.clone() } else { format!("scorewire/{at}/{column}/texts") })
        .collect();
    for (place, (column, output)) in input.columns.iter().zip(&outputs).enumerate() {
        let (texts, others) = (&input.texts[place], input.others[place]);
        let part = |name: &str| format!("scorewire/{at}/{column}/{name}");
        let all: Vec<&str> = texts.iter().map(String::as_str).chain([UNKNOWN]).collect();
        let count = texts.len() as f32;
        nodes.extend(gather(&[*column], input.is_flat, &part("at"), &part("number")));
        nodes.push(constant(&part("none"), &Values::Floats(&[0.0]), false));
        nodes.push(constant(&part("count"), &Values::Floats(&[count]), false));
        nodes.push(constant(&part("other"), &Values::Floats(&[if others { count } else { 0.0 }]), false));
        nodes.push(node("Less", &[&part("number"), &part("none")], &part("below"), &[]));
        nodes.push(node("Not", &[&part("below")], &part("not_below"), &[]));
        // NaN is neither below 0 nor below the count.
        nodes.push(node("Less", &[&part("number"), &part("count")], &part("within"), &[]));
        nodes.push(node("And", &[&part("not_below"), &part("within")], &part("known"), &[]));
        nodes.push(node("Where", &[&part("known"), &part("number"), &part("other")], &part("held"), &[]));
        nodes.push(node("Cast", &[&part("held")], &part("place"), &[integer("to", element::INT64)]));
        nodes.push(match &mut codes {
            Some(codes) => {
                let numbers: Vec<i64> = all.iter().map(|text| codes.number(text)).collect();
                constant(&part("all"), &Values::Numbers(&numbers), true)
            }
            None => constant(&part("all"), &Values::Texts(all), true),
        });
        nodes.push(node("Gather", &[&part("all"), &part("place")], output, &[integer("axis", 0)]));
    }
    if !is_single {
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        nodes.push(node("Concat", &outputs, &input.name, &[integer("axis", 1)]));
    }
    nodes
}
