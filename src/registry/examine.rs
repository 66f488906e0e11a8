//! What the registry says of a configuration, point by point: `config check --connect`.

use std::sync::Arc;

use super::answers::{Answer, Away};
use super::client::Client;
use super::fetch::{Fetched, Fetcher};
use super::settings::OwnForm;
use super::subjects::{self, NotDone, Own, Standing};
use crate::avro::schemas::{AvroSchema, key_text};
use crate::values::finding::Finding;
use crate::values::record::SchemaKey;

/// What the input's newest schema is, for whoever can say whether it fits the model.
#[derive(Clone, Debug)]
pub struct Newest {
    pub key: SchemaKey,
    pub subject: String,
    pub schema: Arc<AvroSchema>,
}

/// Each URL, the input's newest schema, and our own schemas.
pub fn examine(client: &Arc<Client>, topic: &str, own: &[Own]) -> (Vec<Finding>, Option<Newest>) {
    let settings = client.settings();
    let mut findings: Vec<Finding> = settings.urls.iter().map(|url| answers(client, url)).collect();
    let (of_input, newest) = of_input(&Fetcher::new(Arc::clone(client), topic), topic);
    findings.push(of_input);
    if settings.outputs == OwnForm::SingleObject {
        let what = "the registry is only read: outputs and copies for review are in single-object encoding";
        findings.push(Finding::note(format!("{what} (schemas.registry.outputs)")));
        return (findings, newest);
    }
    let register = settings.auto_register;
    findings.extend(own.iter().map(|own| of_own(client, own, register)));
    (findings, newest)
}

fn answers(client: &Client, url: &str) -> Finding {
    match client.get_at::<Vec<String>>(url, "/schemas/types") {
        Ok(Answer::Is(types)) if types.iter().any(|kind| kind == "AVRO") => Finding::ok(format!("{url} answers")),
        Ok(_) => Finding::note(format!("{url} answers, and does not say which kinds of schemas it takes")),
        Err(away) => unanswered(away),
    }
}

fn unanswered(Away { why, fix, .. }: Away) -> Finding {
    Finding::problem(why, fix)
}

fn of_input(fetcher: &Fetcher, topic: &str) -> (Finding, Option<Newest>) {
    let subject = fetcher.subject().to_owned();
    match fetcher.latest() {
        Err(away) => (unanswered(away), None),
        Ok(None) => {
            let what = format!("subject {subject} is not there: is {topic} registered under other names?");
            (Finding::note(format!("{what} Records are read by the ids they name")), None)
        }
        Ok(Some((key, Fetched::Schema(found)))) => {
            let mut what = format!("subject {subject}: its newest schema is {}", key_text(key));
            found.remarks.iter().for_each(|remark| what += &format!("; {remark}"));
            (Finding::ok(what), Some(Newest { key, subject, schema: found.schema }))
        }
        Ok(Some((key, Fetched::Unknown))) => (Finding::note(format!("subject {subject}: {}", key_text(key))), None),
        Ok(Some((key, Fetched::Refused(why)))) => {
            let what =
                format!("subject {subject}: records of its newest schema, {}, are dead letters: {why}", key_text(key));
            (Finding::problem(what, "let producers write with a schema that can be read"), None)
        }
    }
}

fn of_own(client: &Client, own: &Own, auto_register: bool) -> Finding {
    let Own { topic_key, subject, .. } = own;
    match subjects::standing(client, own) {
        Ok(Standing::Registered { id, .. }) => {
            Finding::ok(format!("subject {subject} ({topic_key}): registered, id {id}"))
        }
        Ok(Standing::Compatible { .. }) if auto_register => {
            Finding::note(format!("subject {subject} ({topic_key}): not registered; the next start does it"))
        }
        Ok(Standing::Compatible { .. }) => Finding::problem(
            format!("subject {subject} ({topic_key}): the schema that is written is not registered"),
            "scorewire schema register, or schemas.registry.auto_register = true",
        ),
        Ok(Standing::Incompatible(said)) => Finding::problem(
            format!(
                "subject {subject} ({topic_key}): the schema that is written is not compatible: {}",
                said.join("; ")
            ),
            "is the subject another program's? Choose another topic or subject_strategy, or its compatibility",
        ),
        Err(NotDone::Refused(said)) => {
            Finding::problem(format!("subject {subject} ({topic_key}): the registry refuses: {said}"), "see its log")
        }
        Err(NotDone::Away(away)) => unanswered(away),
    }
}
