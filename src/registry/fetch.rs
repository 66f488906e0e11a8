//! A writer's schema out of the registry's answers: the schema itself, those it refers to, and its rules.

use std::collections::HashSet;
use std::sync::Arc;

use super::answers::{Answer, Away, Reference, Registered};
use super::client::{Client, escaped};
use super::inline::inlined;
use super::rules;
use crate::avro::schemas::AvroSchema;
use crate::values::record::SchemaKey;

/// References within each other, and all together, at most: real schemas have a handful.
const DEPTH_MAX: usize = 16;
const REFERENCES_MAX: usize = 256;

/// What the registry has for a key.
#[derive(Clone, Debug)]
pub enum Fetched {
    Schema(Found),
    /// It says that it has nothing.
    Unknown,
    /// There is something, and records must not be read by it: why.
    Refused(String),
}

/// A schema that is whole.
#[derive(Clone, Debug)]
pub struct Found {
    pub schema: Arc<AvroSchema>,
    /// Worth telling.
    pub remarks: Vec<String>,
}

/// Asks for what records of one topic name.
#[derive(Debug)]
pub struct Fetcher {
    client: Arc<Client>,
    /// Of the topic's values, in the configured context.
    subject: String,
}

impl Fetcher {
    pub fn new(client: Arc<Client>, topic: &str) -> Fetcher {
        Fetcher::of_subject(client, &format!("{topic}-value"))
    }

    pub fn of_subject(client: Arc<Client>, subject: &str) -> Fetcher {
        let subject = client.settings().qualified(subject);
        Fetcher { client, subject }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// # Errors
    /// No answer, or none that counts.
    pub fn fetch(&self, key: SchemaKey) -> Result<Fetched, Away> {
        let path = match key {
            SchemaKey::Id(id) => match self.client.settings().context {
                // Without a subject, ids are looked for in the default context.
                Some(_) => format!("/schemas/ids/{id}?subject={}", escaped(&self.subject)),
                None => format!("/schemas/ids/{id}"),
            },
            SchemaKey::Guid(_) => format!("/schemas/guids/{key}"),
            SchemaKey::Fingerprint(_) | SchemaKey::Raw => return Ok(Fetched::Unknown),
        };
        match self.client.get::<Registered>(&path)? {
            Answer::Is(registered) => self.whole(&registered),
            Answer::Unknown => Ok(Fetched::Unknown),
            Answer::Refused(said) => Ok(Fetched::Refused(format!("the registry refuses it: {said}"))),
        }
    }

    /// The schema that the topic's producers registered last, with its id; `None` where there is none under that subject.
    ///
    /// # Errors
    /// No answer, or none that counts.
    pub fn latest(&self) -> Result<Option<(SchemaKey, Fetched)>, Away> {
        let path = format!("/subjects/{}/versions/latest", escaped(&self.subject));
        let Answer::Is(registered) = self.client.get::<Registered>(&path)? else { return Ok(None) };
        let Some(id) = registered.id else { return Ok(None) };
        Ok(Some((SchemaKey::Id(id), self.whole(&registered)?)))
    }

    pub fn subject(&self) -> &str {
        &self.subject
    }

    fn whole(&self, registered: &Registered) -> Result<Fetched, Away> {
        if let Some(kind) = registered.kind.as_deref().filter(|kind| *kind != "AVRO") {
            return Ok(Fetched::Refused(format!("it is a schema of type {kind}: only Avro is read")));
        }
        let judgement = match rules::judge(registered) {
            Ok(judgement) => judgement,
            Err(why) => return Ok(Fetched::Refused(format!("{why}: its records cannot be read"))),
        };
        let mut texts = Vec::new();
        let mut walk = Walk { seen: HashSet::new(), texts: &mut texts };
        if let Err(why) = self.references(registered, &mut walk, 0)? {
            return Ok(Fetched::Refused(why));
        }
        let mut remarks = judgement.remarks;
        let text = inlined(&registered.schema, &texts).and_then(|text| {
            let (text, hidden) = rules::without_encrypted(&text, &judgement.encrypted_tags)?;
            if !hidden.is_empty() {
                let fields = hidden.join(", ");
                remarks.push(format!("{fields} are encrypted: as good as absent, since ciphertext is never scored"));
            }
            Ok(text)
        });
        Ok(match text.map(|text| AvroSchema::parse(&text, "the registry's schema")) {
            Ok(Ok(schema)) => Fetched::Schema(Found { schema: Arc::new(schema), remarks }),
            Ok(Err(error)) => Fetched::Refused(error.to_string()),
            Err(what) => Fetched::Refused(format!("the registry's schema {what}")),
        })
    }

    /// The texts of all that a schema refers to. The inner result says what is wrong with the schema itself.
    fn references(&self, of: &Registered, walk: &mut Walk<'_>, depth: usize) -> Result<Result<(), String>, Away> {
        for reference in of.references.iter().flatten() {
            if !walk.seen.insert(reference.clone()) {
                continue;
            }
            if depth == DEPTH_MAX || walk.seen.len() > REFERENCES_MAX {
                let bounds = format!("{DEPTH_MAX} levels or {REFERENCES_MAX} schemas");
                return Ok(Err(format!("it refers to other schemas over more than {bounds}")));
            }
            let Reference { subject, version } = reference;
            let path = format!("/subjects/{}/versions/{version}", escaped(&self.client.settings().qualified(subject)));
            // What others refer to may be deleted in the meantime, and counts all the same.
            let found = match self.client.get::<Registered>(&format!("{path}?deleted=true"))? {
                Answer::Is(found) => found,
                _ => {
                    let what = format!("it refers to version {version} of subject {subject}");
                    return Ok(Err(format!("{what}, which the registry does not have")));
                }
            };
            if let wrong @ Err(_) = self.references(&found, walk, depth + 1)? {
                return Ok(wrong);
            }
            walk.texts.push(found.schema);
        }
        Ok(Ok(()))
    }
}

struct Walk<'a> {
    seen: HashSet<Reference>,
    texts: &'a mut Vec<String>,
}
