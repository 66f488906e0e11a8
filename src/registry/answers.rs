//! What an answer means. Only a registry's own "not found" says that there is nothing: whatever else is no schema leaves
//! the question open.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;

/// What came back of a request, from whichever URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub retry_after: Option<Duration>,
}

/// A registry's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    Is(T),
    /// It knows no such schema, subject or version.
    Unknown,
    /// It will not, and asking again changes nothing: what it says.
    Refused(String),
}

/// No answer, or none that counts: ask again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    pub why: String,
    pub fix: String,
    pub reach: Reach,
    /// What the registry asked for.
    pub retry_after: Option<Duration>,
}

/// How far it goes that there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whatever is asked, nothing comes.
    Registry,
    /// This question alone, as a right that is lacking.
    Question,
}

impl Away {
    pub fn registry(why: impl Into<String>, fix: impl Into<String>) -> Away {
        Away { why: why.into(), fix: fix.into(), reach: Reach::Registry, retry_after: None }
    }
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  fix: {}", self.why, self.fix)
    }
}

/// A schema as the registry has it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Registered {
    pub schema: String,
    #[serde(rename = "schemaType")]
    pub kind: Option<String>,
    #[serde(default)]
    pub references: Option<Vec<Reference>>,
    pub id: Option<u32>,
    pub version: Option<u64>,
    pub metadata: Option<Json>,
    #[serde(rename = "ruleSet")]
    pub rule_set: Option<Json>,
}

/// A schema that another one uses.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    pub subject: String,
    pub version: u64,
}

/// The answer of a successful registration.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct NewId {
    pub id: u32,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Compatibility {
    pub is_compatible: bool,
    #[serde(default)]
    pub messages: Vec<String>,
}

/// What the registry says with an error.
#[derive(Debug, Default, Deserialize)]
struct Complaint {
    error_code: Option<u32>,
    message: Option<String>,
}

/// Subject, version and schema that are not found. 404 alone is what a server says that knows no such path.
const NOT_FOUND: std::ops::RangeInclusive<u32> = 40_401..=40_499;
/// Characters of a registry's message that are told.
const WORDS_MAX: usize = 600;

/// What a reply means. `place` names where it came from.
///
/// # Errors
/// [`Away`] for a reply that is no word of the registry's on the question.
pub fn answer<T: for<'a> Deserialize<'a>>(reply: &Reply, place: &str) -> Result<Answer<T>, Away> {
    let status = reply.status;
    if (200..300).contains(&status) {
        return serde_json::from_str(&reply.body).map(Answer::Is).map_err(|error| {
            let why = format!("{place} answered HTTP {status} with something else than expected: {error}");
            Away::registry(why, "is this the registry's API, and not a page before it? See schemas.registry.urls")
        });
    }
    let said: Complaint = serde_json::from_str(&reply.body).unwrap_or_default();
    let message = said.message.as_deref().map(shortened).unwrap_or_default();
    let code = said.error_code.unwrap_or(0);
    let away = |reach, fix: &str| {
        let colon = if message.is_empty() { "" } else { ": " };
        Err(Away {
            why: format!("{place} answered HTTP {status}{colon}{message}"),
            fix: fix.to_owned(),
            reach,
            retry_after: reply.retry_after,
        })
    };
    match status {
        404 if NOT_FOUND.contains(&code) => Ok(Answer::Unknown),
        409 | 422 => Ok(Answer::Refused(message)),
        401 => {
            away(Reach::Registry, "see the login in schemas.registry (basic, bearer or oauth), and whether it expired")
        }
        403 => {
            away(Reach::Question, "give this login the right to read the schema or subject (to register: to write it)")
        }
        404 => {
            away(Reach::Registry, "no registry's API is there: does the path in schemas.registry.urls belong to it?")
        }
        408 | 429 | 500.. => away(Reach::Registry, "it is asked again by itself; look at the registry"),
        _ => away(Reach::Question, "see schemas.registry.urls, and the registry's own log"),
    }
}

/// One line of bounded length: a registry's messages may hold whole schemas.
fn shortened(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.to_owned(), retry_after: None }
    }

    fn of(status: u16, body: &str) -> Result<Answer<NewId>, Away> {
        answer(&reply(status, body), "http://r")
    }

    #[test]
    fn only_the_registrys_own_not_found_says_that_there_is_nothing() {
        assert_eq!(of(200, r#"{"id":7}"#), Ok(Answer::Is(NewId { id: 7 })));
        for code in [40_401, 40_402, 40_403] {
            let body = format!(r#"{{"error_code":{code},"message":"Schema not found"}}"#);
            assert_eq!(of(404, &body), Ok(Answer::Unknown));
        }
        for (status, body) in [
            (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
            (404, "<html>nothing here</html>"),
            (200, "<html>please log in</html>"),
            (200, r#"{"schema":"x"}"#),
            (302, ""),
            (401, r#"{"error_code":40101,"message":"no"}"#),
            (403, ""),
            (408, ""),
            (429, ""),
            (500, r#"{"error_code":50001,"message":"store"}"#),
            (502, ""),
            (503, ""),
        ] {
            let away = of(status, body).unwrap_err();
            assert!(away.why.contains(&format!("HTTP {status}")) && !away.fix.is_empty(), "{away:?}");
            assert_eq!(away.reach == Reach::Question, [302, 403].contains(&status), "{status}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_one_short_line() {
        let long = "x ".repeat(2_000);
        let body =
            serde_json::json!({ "error_code": 42201, "message": format!("Invalid\n schema {long}") }).to_string();
        let Ok(Answer::Refused(said)) = of(422, &body) else { panic!("refused") };
        assert!(said.starts_with("Invalid schema x x") && said.len() < 700 && said.ends_with("..."), "{said}");
        assert_eq!(of(409, ""), Ok(Answer::Refused(String::new())));
    }

    #[test]
    fn a_schema_is_read_with_whatever_else_stands_beside_it() {
        let body = r#"{"schema":"\"int\"","id":3,"guid":"x","references":[{"name":"a.B","subject":"b","version":2}],"ruleSet":{}}"#;
        let Ok(Answer::Is(read)) = answer::<Registered>(&reply(200, body), "r") else { panic!("read") };
        assert_eq!(read.references, Some(vec![Reference { subject: "b".into(), version: 2 }]));
        assert_eq!((read.schema.as_str(), read.kind, read.id), ("\"int\"", None, Some(3)));
    }
}
