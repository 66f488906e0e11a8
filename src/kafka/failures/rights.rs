//! Rights that the brokers deny: which one, on what, to whom, and how it is granted.

use std::ffi::CStr;

use rdkafka::types::RDKafkaRespErr as Err;

use crate::error::{Fatal, exit};

/// A group and its topic, as failures name them.
#[derive(Clone, Copy)]
pub struct GroupAndTopic<'a> {
    pub topic: &'a CStr,
    pub group: &'a str,
    /// Who the brokers know the client as, where it says a name.
    pub user: Option<&'a str>,
}

const DENIED: [Err; 3] = [
    Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    Err::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
];

/// Whether a code of the client says that a right is missing.
pub fn is_denied(code: i32) -> bool {
    DENIED.iter().any(|err| *err as i32 == code)
}

/// What ends a process that may not read its input or use its group; `None` for any other code.
pub fn denied(named: GroupAndTopic<'_>, code: i32, what: &str) -> Option<Fatal> {
    let err = DENIED.into_iter().find(|err| *err as i32 == code)?;
    let group = named.group;
    Some(match err {
        Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => {
            denied_topic(&named.topic.to_string_lossy(), named.user, "Read", what)
        }
        Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED => denied_group(group, named.user, what),
        _ => fatal("the cluster", named.user, "ClusterAction --cluster", what),
    })
}

/// What ends a process that may not do this with a topic.
pub fn denied_topic(topic: &str, user: Option<&str>, operation: &str, what: &str) -> Fatal {
    let denied = format!("{} on topic {topic}", operation.to_uppercase());
    fatal(&denied, user, &format!("{operation} --topic {topic}"), what)
}

/// What ends a process that may not use its group.
pub fn denied_group(group: &str, user: Option<&str>, what: &str) -> Fatal {
    fatal(&format!("READ on group {group}"), user, &format!("Read --group {group}"), what)
}

/// What ends a process that may not write transactions under names that begin so.
pub fn denied_transactions(prefix: &str, user: Option<&str>) -> Fatal {
    let denied = format!("WRITE on transactional id {prefix}/");
    let grant = format!("Write --transactional-id {prefix}/ --resource-pattern-type prefixed");
    fatal(&denied, user, &grant, "start transactions (each lane has a name of its own below it)")
}

/// Whether a code says that a transactional id may not be used.
pub fn is_transactional(code: i32) -> bool {
    code == Err::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED as i32
}

/// The same of an error's words, as `describe` makes them.
pub fn says_transactional(words: &str) -> bool {
    words.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED")
}

/// What ends a process to which the brokers do not say whether a topic is there.
pub fn hidden_topic(topic: &str, user: Option<&str>, operation: &str) -> Fatal {
    denied_topic(topic, user, operation, "even look at it, nor learn whether it exists")
}

/// A right may come back, so that starting again later makes sense.
fn fatal(denied: &str, user: Option<&str>, grant: &str, what: &str) -> Fatal {
    let principal = user.map(|user| format!("User:{user}"));
    let (user, principal) = match &principal {
        Some(principal) => (principal.as_str(), principal.as_str()),
        None => ("this client", "PRINCIPAL"),
    };
    Fatal::new(
        exit::UNAVAILABLE,
        format!("{denied} is denied to {user}: cannot {what}"),
        format!(
            "grant it: kafka-acls.sh --bootstrap-server BROKER --add --allow-principal {principal} --operation {grant}; \
             then start again: it goes on at the committed offsets"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_named_with_what_to_grant() {
        let named = GroupAndTopic { topic: c"payments", group: "fraud", user: Some("scorewire") };
        let of = |named, err: Err| denied(named, err as i32, "read the input topic");
        let topic = of(named, Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
        assert!(topic.what.starts_with("READ on topic payments is denied to User:scorewire"), "{topic}");
        assert!(topic.fix.contains("--allow-principal User:scorewire --operation Read --topic payments"), "{topic}");
        assert_eq!(topic.code, exit::UNAVAILABLE);
        let nobody = GroupAndTopic { user: None, ..named };
        let group = of(nobody, Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED).unwrap();
        assert!(group.what.starts_with("READ on group fraud is denied to this client"), "{group}");
        assert!(group.fix.contains("--operation Read --group fraud"), "{group}");
        assert!(of(named, Err::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED).is_some());
        assert_eq!(of(named, Err::RD_KAFKA_RESP_ERR__TRANSPORT), None);
    }
}
