//! Rules that a registry keeps beside a schema: which of them change what a reader finds in the bytes. Ciphertext is never
//! taken for a value, and nothing here decrypts.

use serde_json::{Map, Value as Json};

use super::answers::Registered;

/// What the rules of a schema mean for whoever reads its records without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Fields with one of these tags hold ciphertext.
    pub encrypted_tags: Vec<String>,
    /// Worth telling.
    pub remarks: Vec<String>,
}

/// # Errors
/// The records cannot be read, and why.
pub fn judge(registered: &Registered) -> Result<Judgement, String> {
    let mut judgement = Judgement::default();
    let Some(rules) = registered.rule_set.as_ref().and_then(Json::as_object) else { return Ok(judgement) };
    let of = |list: &str| rules.get(list).and_then(Json::as_array).into_iter().flatten().filter(|rule| is_on(rule));
    for rule in of("encodingRules").chain(of("domainRules")) {
        let kind = text(rule, "type");
        match kind {
            "ENCRYPT_PAYLOAD" => return Err(format!("rule {} encrypts the whole record", name(rule))),
            "ENCRYPT" => judgement.encrypted_tags.extend(encrypted(rule, registered)?),
            _ if changes_writes(rule) => judgement.remarks.push(format!(
                "rule {} ({kind}) changes fields before they are written: they are scored as written",
                name(rule)
            )),
            _ => {}
        }
    }
    if of("migrationRules").next().is_some() {
        judgement.remarks.push("it has migration rules, which are not applied: fields are read as written".to_owned());
    }
    Ok(judgement)
}

/// Where a rule's ciphertext stands.
fn encrypted(rule: &Json, registered: &Registered) -> Result<Vec<String>, String> {
    let tags: Vec<String> = texts(rule.get("tags"));
    if tags.is_empty() {
        return Err(format!("rule {} encrypts fields, and names no tags of them", name(rule)));
    }
    let by_path = registered.metadata.as_ref().and_then(|metadata| metadata.get("tags")).and_then(Json::as_object);
    if by_path.is_some_and(|paths| paths.values().any(|of| texts(Some(of)).iter().any(|tag| tags.contains(tag)))) {
        return Err(format!("rule {} encrypts fields that the schema's metadata tags, by their paths", name(rule)));
    }
    Ok(tags)
}

/// The schema with its encrypted fields under names that nobody asks for, and the names that they had.
///
/// # Errors
/// A text that is no JSON.
pub fn without_encrypted(schema: &str, tags: &[String]) -> Result<(String, Vec<String>), String> {
    if tags.is_empty() {
        return Ok((schema.to_owned(), Vec::new()));
    }
    let mut json: Json = serde_json::from_str(schema).map_err(|error| format!("is no JSON: {error}"))?;
    let mut hidden = Vec::new();
    hide(&mut json, tags, &mut hidden);
    Ok((json.to_string(), hidden))
}

fn hide(json: &mut Json, tags: &[String], hidden: &mut Vec<String>) {
    match json {
        Json::Array(branches) => branches.iter_mut().for_each(|branch| hide(branch, tags, hidden)),
        Json::Object(attributes) => {
            for (name, inner) in attributes.iter_mut() {
                match (name.as_str(), inner) {
                    ("type" | "items" | "values", inner) => hide(inner, tags, hidden),
                    ("fields", Json::Array(fields)) => fields.iter_mut().for_each(|of| field(of, tags, hidden)),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn field(field: &mut Json, tags: &[String], hidden: &mut Vec<String>) {
    let Some(attributes) = field.as_object_mut() else { return };
    let is_tagged = |of: &Map<String, Json>| texts(of.get("confluent:tags")).iter().any(|tag| tags.contains(tag));
    let tagged_type = attributes.get("type").and_then(Json::as_object).is_some_and(is_tagged);
    if (tagged_type || is_tagged(attributes))
        && let Some(name) = attributes.get("name").and_then(Json::as_str).map(str::to_owned)
    {
        attributes.insert("name".into(), format!("{name} (encrypted)").into());
        attributes.remove("aliases");
        hidden.push(name);
    }
    if let Some(kind) = attributes.get_mut("type") {
        hide(kind, tags, hidden);
    }
}

fn is_on(rule: &Json) -> bool {
    rule.get("disabled").and_then(Json::as_bool) != Some(true)
}

fn changes_writes(rule: &Json) -> bool {
    text(rule, "kind") == "TRANSFORM" && ["WRITE", "WRITEREAD"].contains(&text(rule, "mode"))
}

fn name(rule: &Json) -> &str {
    text(rule, "name")
}

fn text<'a>(rule: &'a Json, name: &str) -> &'a str {
    rule.get(name).and_then(Json::as_str).unwrap_or("")
}

fn texts(list: Option<&Json>) -> Vec<String> {
    let items = list.and_then(Json::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(rules: Json, metadata: Json) -> Result<Judgement, String> {
        judge(&Registered { rule_set: Some(rules), metadata: Some(metadata), ..Registered::default() })
    }

    #[test]
    fn a_rule_is_named_by_what_it_does_to_a_reader() {
        let encrypt = json!({"domainRules": [{"name": "pii", "kind": "TRANSFORM", "type": "ENCRYPT", "mode": "WRITEREAD", "tags": ["PII"]}]});
        assert_eq!(judged(encrypt.clone(), json!(null)).unwrap().encrypted_tags, ["PII"]);
        assert!(judged(encrypt, json!({"tags": {"**.ssn": ["PII"]}})).unwrap_err().contains("metadata"));
        let whole = json!({"encodingRules": [{"name": "all", "type": "ENCRYPT_PAYLOAD"}]});
        assert!(judged(whole, json!(null)).unwrap_err().contains("whole record"));
        let untagged = json!({"domainRules": [{"name": "x", "type": "ENCRYPT"}]});
        assert!(judged(untagged, json!(null)).unwrap_err().contains("no tags"));
        let off = json!({"domainRules": [{"name": "x", "type": "ENCRYPT", "disabled": true}], "migrationRules": [{"name": "m"}]});
        let judgement = judged(off, json!(null)).unwrap();
        assert!(judgement.encrypted_tags.is_empty() && judgement.remarks[0].contains("migration"));
        let cel = json!({"domainRules": [{"name": "mask", "kind": "TRANSFORM", "type": "CEL_FIELD", "mode": "WRITE"},
            {"name": "check", "kind": "CONDITION", "type": "CEL", "mode": "WRITE"}]});
        assert_eq!(judged(cel, json!(null)).unwrap().remarks.len(), 1);
        assert_eq!(judge(&Registered::default()), Ok(Judgement::default()));
    }

    #[test]
    fn an_encrypted_field_keeps_its_place_and_loses_its_name() {
        let schema = json!({"type": "record", "name": "R", "fields": [
            {"name": "amount", "type": "double"},
            {"name": "pan", "aliases": ["number"], "type": "string", "confluent:tags": ["PII"]},
            {"name": "owner", "type": ["null", {"type": "record", "name": "O", "fields": [
                {"name": "ssn", "type": {"type": "string", "confluent:tags": ["PII", "X"]}}]}]}]});
        let (text, hidden) = without_encrypted(&schema.to_string(), &["PII".to_owned()]).unwrap();
        assert_eq!(hidden, ["pan", "ssn"]);
        let json: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(json["fields"][1]["name"], "pan (encrypted)");
        assert!(json["fields"][1].get("aliases").is_none());
        assert_eq!(json["fields"][2]["type"][1]["fields"][0]["name"], "ssn (encrypted)");
        assert_eq!(json["fields"][0], schema["fields"][0]);
    }
}
