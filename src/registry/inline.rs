//! One schema out of several: the types that a schema only names are put where they are named first. What is kept and
//! compiled then needs nothing else.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

/// Bytes of the result at most: a few references may hold each other many times.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// `schema` with the types of `references` in it. What neither has stays a name, which the reader of the schema then says.
///
/// # Errors
/// A text that is no JSON, or a result too large to be a schema.
pub fn inlined(schema: &str, references: &[String]) -> Result<String, String> {
    if references.is_empty() {
        return Ok(schema.to_owned());
    }
    let json = |text: &str| serde_json::from_str::<Json>(text).map_err(|error| format!("is no JSON: {error}"));
    let mut types = HashMap::new();
    for reference in references {
        collect(&json(reference)?, "", &mut types);
    }
    let text = Inliner { types: &types, defined: HashSet::new() }.walk(&json(schema)?, "").to_string();
    match text.len() > TEXT_BYTES_MAX {
        false => Ok(text),
        true => Err(format!("is larger than {TEXT_BYTES_MAX} bytes with its references")),
    }
}

/// Each named type that stands in `json`, by its full name, the namespace around written into it.
fn collect(json: &Json, space: &str, types: &mut HashMap<String, Json>) {
    match json {
        Json::Array(branches) => branches.iter().for_each(|branch| collect(branch, space, types)),
        Json::Object(attributes) => {
            let own = full_name(attributes, space);
            let space = own.as_deref().map_or(space, space_of);
            if let Some(full) = &own {
                let mut definition = attributes.clone();
                definition.insert("name".into(), rooted(full).into());
                types.entry(full.clone()).or_insert(Json::Object(definition));
            }
            for inner in inner_types(attributes) {
                collect(inner, space, types);
            }
        }
        _ => {}
    }
}

/// The types that stand directly in one.
fn inner_types(attributes: &Map<String, Json>) -> impl Iterator<Item = &Json> {
    let fields = attributes.get("fields").and_then(Json::as_array).into_iter().flatten();
    let of_fields = fields.filter_map(|field| field.get("type"));
    ["type", "items", "values"].into_iter().filter_map(|name| attributes.get(name)).chain(of_fields)
}

struct Inliner<'a> {
    types: &'a HashMap<String, Json>,
    defined: HashSet<String>,
}

impl Inliner<'_> {
    fn walk(&mut self, json: &Json, space: &str) -> Json {
        match json {
            Json::String(name) => self.name(name, space),
            Json::Array(branches) => branches.iter().map(|branch| self.walk(branch, space)).collect(),
            Json::Object(attributes) => self.object(attributes, space),
            other => other.clone(),
        }
    }

    fn name(&mut self, name: &str, space: &str) -> Json {
        let types = self.types;
        // Java looks without the namespace too.
        for full in [qualified(name, space), name.trim_start_matches('.').to_owned()] {
            if self.defined.contains(&full) {
                return rooted(&full).into();
            }
            if let Some(definition) = types.get(&full) {
                return self.walk(definition, "");
            }
        }
        name.into()
    }

    fn object(&mut self, attributes: &Map<String, Json>, space: &str) -> Json {
        let own = full_name(attributes, space);
        let space = own.as_deref().map_or(space, space_of).to_owned();
        if let Some(full) = own {
            if self.defined.contains(&full) {
                return rooted(&full).into();
            }
            self.defined.insert(full);
        }
        let mut walked = attributes.clone();
        for name in ["type", "items", "values"] {
            if let Some(inner) = attributes.get(name) {
                walked.insert(name.into(), self.walk(inner, &space));
            }
        }
        if let Some(Json::Array(fields)) = attributes.get("fields") {
            let fields = fields.iter().map(|field| self.field(field, &space)).collect();
            walked.insert("fields".into(), fields);
        }
        walked.into()
    }

    fn field(&mut self, field: &Json, space: &str) -> Json {
        let mut walked = field.clone();
        if let (Some(walked), Some(kind)) = (walked.as_object_mut(), field.get("type")) {
            walked.insert("type".into(), self.walk(kind, space));
        }
        walked
    }
}

/// Of a record, an enum or a fixed.
fn full_name(attributes: &Map<String, Json>, space: &str) -> Option<String> {
    let kind = attributes.get("type")?.as_str()?;
    if !["record", "error", "enum", "fixed"].contains(&kind) {
        return None;
    }
    let space = attributes.get("namespace").and_then(Json::as_str).unwrap_or(space);
    Some(qualified(attributes.get("name")?.as_str()?, space))
}

fn qualified(name: &str, space: &str) -> String {
    match name.strip_prefix('.') {
        Some(bare) if !bare.contains('.') => bare.to_owned(),
        _ if name.contains('.') || space.is_empty() => name.to_owned(),
        _ => format!("{space}.{name}"),
    }
}

fn space_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(space, _)| space)
}

/// A name that means the same in every namespace.
fn rooted(full: &str) -> String {
    if full.contains('.') { full.to_owned() } else { format!(".{full}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::schemas::AvroSchema;

    const CARD: &str = r#"{"type":"record","name":"Card","namespace":"a","fields":[
        {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["X"]}},{"name":"pan","type":"string"}]}"#;
    const MERCHANT: &str = r#"{"type":"record","name":"b.Merchant","fields":[{"name":"card","type":["null","a.Card"]},
        {"name":"next","type":["null","Merchant"]}]}"#;

    fn form(schema: &str, references: &[&str]) -> String {
        let references: Vec<String> = references.iter().map(|text| (*text).to_owned()).collect();
        let text = inlined(schema, &references).unwrap();
        AvroSchema::parse(&text, "test").unwrap_or_else(|error| panic!("{error}: {text}")).canonical_form()
    }

    #[test]
    fn what_is_named_stands_where_it_is_named_first() {
        let schema = r#"{"type":"record","name":"Payment","namespace":"c","fields":[{"name":"merchant","type":"b.Merchant"},
            {"name":"card","type":"a.Card"},{"name":"kinds","type":{"type":"array","items":"a.Kind"}}]}"#;
        let whole = r#"{"name":"c.Payment","type":"record","fields":[{"name":"merchant","type":{"name":"b.Merchant","type":"record","fields":[{"name":"card","type":["null",{"name":"a.Card","type":"record","fields":[{"name":"kind","type":{"name":"a.Kind","type":"enum","symbols":["X"]}},{"name":"pan","type":"string"}]}]},{"name":"next","type":["null","b.Merchant"]}]}},{"name":"card","type":"a.Card"},{"name":"kinds","type":{"type":"array","items":"a.Kind"}}]}"#;
        assert_eq!(form(schema, &[CARD, MERCHANT]), whole);
    }

    #[test]
    fn a_type_inside_a_reference_may_be_named_before_the_one_around_it() {
        let schema = r#"["a.Kind", "a.Card"]"#;
        assert!(form(schema, &[CARD]).starts_with(r#"[{"name":"a.Kind""#));
    }

    #[test]
    fn names_without_a_namespace_keep_theirs() {
        let reference = r#"{"type":"fixed","name":"Hash","size":4}"#;
        let schema = r#"{"type":"record","name":"R","namespace":"x","fields":[{"name":"a","type":"Hash"},{"name":"b","type":"Hash"}]}"#;
        assert!(form(schema, &[reference]).contains(r#"{"name":"Hash","type":"fixed","size":4}"#));
    }

    #[test]
    fn what_nobody_defines_stays_a_name_and_without_references_nothing_changes() {
        assert_eq!(inlined("\"a.Gone\"", &[CARD.to_owned()]).unwrap(), "\"a.Gone\"");
        assert_eq!(inlined("// as it is\n\"int\"", &[]).unwrap(), "// as it is\n\"int\"");
        assert!(inlined("{", &[CARD.to_owned()]).is_err());
    }
}
