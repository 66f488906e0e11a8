//! Our own schemas in the registry: looked up, held against what is registered, and registered.

use serde_json::json;

use super::answers::{Answer, Away, Compatibility, NewId, Registered};
use super::client::{Client, escaped};

/// A schema of ours and the subject it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Whose values: `topics.outputs`.
    pub topic_key: &'static str,
    pub subject: String,
    pub text: String,
}

/// How a schema of ours stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Registered {
        id: u32,
        version: Option<u64>,
    },
    /// Not there, and readers of what is there would read it.
    Compatible {
        is_first: bool,
    },
    /// Not there, and the registry would not take it: what it says.
    Incompatible(Vec<String>),
}

/// A request that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDone {
    Away(Away),
    /// What the registry says.
    Refused(String),
}

impl From<Away> for NotDone {
    fn from(away: Away) -> NotDone {
        NotDone::Away(away)
    }
}

/// The full name of a schema's record.
pub fn record_name(text: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let of = |name: &str| json.get(name).and_then(serde_json::Value::as_str).unwrap_or("");
    match of("namespace") {
        space if !space.is_empty() && !of("name").contains('.') => format!("{space}.{}", of("name")),
        _ => of("name").to_owned(),
    }
}

/// The id under which the subject has this schema; `None` where it has not.
///
/// # Errors
/// No answer; or a refusal, as of a text that the registry does not take for a schema.
pub fn id_of(client: &Client, subject: &str, text: &str) -> Result<Option<(u32, Option<u64>)>, NotDone> {
    let answer = client.post::<Registered>(&format!("/subjects/{}", escaped(subject)), &json!({ "schema": text }))?;
    match answer {
        Answer::Is(found) => Ok(found.id.map(|id| (id, found.version))),
        Answer::Unknown => Ok(None),
        Answer::Refused(said) => Err(NotDone::Refused(said)),
    }
}

/// # Errors
/// Those of [`id_of`].
pub fn standing(client: &Client, own: &Own) -> Result<Standing, NotDone> {
    if let Some((id, version)) = id_of(client, &own.subject, &own.text)? {
        return Ok(Standing::Registered { id, version });
    }
    let subject = escaped(&own.subject);
    // Some registries find everything compatible with a subject that is not there.
    if client.get::<Registered>(&format!("/subjects/{subject}/versions/latest"))? == Answer::Unknown {
        return Ok(Standing::Compatible { is_first: true });
    }
    let path = format!("/compatibility/subjects/{subject}/versions/latest?verbose=true");
    match client.post::<Compatibility>(&path, &json!({ "schema": own.text }))? {
        Answer::Unknown => Ok(Standing::Compatible { is_first: true }),
        Answer::Is(answer) if answer.is_compatible => Ok(Standing::Compatible { is_first: false }),
        Answer::Is(answer) => Ok(Standing::Incompatible(answer.messages)),
        Answer::Refused(said) => Ok(Standing::Incompatible(vec![said])),
    }
}

/// Registers a schema of ours, or finds it registered. Returns its id.
///
/// # Errors
/// No answer; or a refusal, as of a schema that is not compatible.
pub fn register(client: &Client, own: &Own) -> Result<u32, NotDone> {
    let path = format!("/subjects/{}/versions", escaped(&own.subject));
    match client.post::<NewId>(&path, &json!({ "schema": own.text }))? {
        Answer::Is(NewId { id }) => Ok(id),
        Answer::Unknown => Err(NotDone::Refused("it knows no such subject".to_owned())),
        Answer::Refused(said) => Err(NotDone::Refused(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_in_full() {
        assert_eq!(record_name(r#"{"type":"record","name":"R","namespace":"a.b"}"#), "a.b.R");
        assert_eq!(record_name(r#"{"type":"record","name":"x.R","namespace":"a.b"}"#), "x.R");
        assert_eq!(record_name(r#"{"type":"record","name":"R"}"#), "R");
    }
}
