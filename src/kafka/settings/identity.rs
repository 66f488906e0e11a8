//! Who a client says it is, and by which way it comes: what messages name of its settings. Never a secret.

use super::{trust, value_of};

/// Of one client, read from the list of its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `security.protocol` in capitals.
    pub protocol: String,
    /// With SASL only.
    pub mechanism: Option<String>,
    pub user: Option<String>,
    /// Where certificates of CAs are read.
    pub ca: Option<String>,
    /// The client's own certificate, where it has one.
    pub certificate: Option<String>,
}

impl Identity {
    pub fn of(settings: &[(String, String)]) -> Identity {
        let value = |name: &str| value_of(settings, name);
        let protocol = value("security.protocol").unwrap_or("PLAINTEXT").trim().to_ascii_uppercase();
        let (has_sasl, has_tls) = (protocol.starts_with("SASL"), protocol.ends_with("SSL"));
        let in_memory = |name: &str| value(name).map(|_| name.to_owned());
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let ca = owned(value(trust::LOCATION)).or_else(|| in_memory("ssl.ca.pem")).or_else(|| trust::missing(settings));
        let certificate = owned(value("ssl.certificate.location").or(value("ssl.keystore.location")))
            .or_else(|| in_memory("ssl.certificate.pem"));
        Identity {
            mechanism: owned(value("sasl.mechanism")).filter(|_| has_sasl),
            user: owned(value("sasl.username")).filter(|_| has_sasl),
            ca: ca.filter(|_| has_tls),
            certificate: certificate.filter(|_| has_tls),
            protocol,
        }
    }

    pub fn has_sasl(&self) -> bool {
        self.protocol.starts_with("SASL")
    }

    pub fn has_tls(&self) -> bool {
        self.protocol.ends_with("SSL")
    }

    /// As ACLs name it, where that is known.
    pub fn principal(&self) -> Option<String> {
        self.user.as_ref().map(|user| format!("User:{user}"))
    }

    /// `SASL_SSL, SCRAM-SHA-256 as User:scorer`.
    pub fn words(&self) -> String {
        let mut words = self.protocol.clone();
        if let Some(mechanism) = &self.mechanism {
            words += &format!(", {mechanism}");
        }
        if let Some(principal) = self.principal() {
            words += &format!(" as {principal}");
        } else if let Some(certificate) = &self.certificate {
            words += &format!(" with the certificate {certificate}");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(settings: &[(&str, &str)]) -> Identity {
        let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Identity::of(&settings)
    }

    #[test]
    fn a_login_is_named_by_what_counts_for_its_protocol_and_without_its_password() {
        let login = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "scorer"),
            ("sasl.password", "hunter2"),
        ];
        let said = identity(&login);
        assert_eq!(said.words(), "SASL_SSL, PLAIN as User:scorer");
        assert!(!format!("{said:?}").contains("hunter2"));
        let by_certificate = identity(&[("security.protocol", "SSL"), ("ssl.certificate.location", "/c.pem")]);
        assert_eq!(by_certificate.words(), "SSL with the certificate /c.pem");
        assert_eq!(identity(&[("sasl.username", "unused")]).words(), "PLAINTEXT");
        assert_eq!(identity(&[("sasl.username", "unused")]).principal(), None);
    }
}
