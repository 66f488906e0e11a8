//! The way of each of the two clients to the brokers: what both share, and what a client's own section says of its login.

use std::collections::BTreeMap;

use super::{KafkaSettings, connection_settings, extend, trust};

/// A client's properties that decide where it is let in.
const OF_LOGIN: [&str; 6] = ["sasl.", "ssl.", "security.", "enable.ssl.", "broker.address.", "client.dns."];

/// Of questions about the input, its group, and records that are read.
pub fn reader_settings(settings: &KafkaSettings) -> Vec<(String, String)> {
    with_login(settings, &settings.consumer_properties)
}

/// Of questions about the topics of outcomes.
pub fn writer_settings(settings: &KafkaSettings) -> Vec<(String, String)> {
    with_login(settings, &settings.producer_properties)
}

/// Of a client that is no lane's: what its properties say of its login, and the certificates of CAs where they say nothing.
pub fn of_properties(bootstrap: &str, properties: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let login = properties.iter().filter(|(name, _)| is_of_login(name));
    let mut list: Vec<_> = login.map(|(name, value)| (name.clone(), value.clone())).collect();
    list.push(("bootstrap.servers".to_owned(), bootstrap.to_owned()));
    list.extend(trust::missing(&list).map(|bundle| (trust::LOCATION.to_owned(), bundle)));
    list
}

fn is_of_login(name: &str) -> bool {
    OF_LOGIN.iter().any(|start| name.starts_with(start))
}

fn with_login(settings: &KafkaSettings, own: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut list = connection_settings(settings);
    extend(
        &mut list,
        &own.iter().filter(|(name, _)| is_of_login(name)).map(|(name, value)| (name.clone(), value.clone())).collect(),
    );
    list.extend(trust::missing(&list).map(|bundle| (trust::LOCATION.to_owned(), bundle)));
    list
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn a_client_s_own_login_goes_with_its_questions_and_nothing_else_of_its_section() {
        let mut said = settings();
        said.properties.insert("sasl.username".into(), "both".into());
        said.producer_properties.insert("sasl.username".into(), "writer".into());
        let user = |list: Vec<(String, String)>| {
            let found: Vec<_> = list.into_iter().filter(|(name, _)| name == "sasl.username").collect();
            assert_eq!(found.len(), 1);
            found[0].1.clone()
        };
        assert_eq!((user(reader_settings(&said)), user(writer_settings(&said))), ("both".into(), "writer".into()));
        assert!(writer_settings(&said).iter().all(|(name, _)| name != "linger.ms"));
    }
}
