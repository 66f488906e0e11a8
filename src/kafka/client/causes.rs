//! What stands behind the client's own words about a connection or a setting: the cause, and what mends it.

use std::ffi::c_int;

use crate::kafka::settings::identity::Identity;
use crate::kafka::settings::value_of;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `host:port` of the broker, as the client dials it.
    pub broker: String,
    pub what: String,
    pub fix: String,
    /// It does not pass by waiting: a refused login, a certificate, a protocol that the port does not speak.
    pub is_final: bool,
}

/// Reads a line of the client: `[thrd:NAME]: NAME: REASON (after 3ms in state CONNECT)`. `x509` is what the check of a
/// certificate found.
pub fn of(line: &str, identity: &Identity, x509: Option<c_int>) -> Cause {
    let words = line.split_once("]: ").map_or(line, |(_, words)| words);
    let (name, reason) = words.split_once(": ").unwrap_or(("", words));
    // A coordinator's name is followed by its address.
    let (name, reason) = match reason.split_once(": ") {
        Some((address, rest)) if !name.contains('/') && address.contains(':') => (address, rest),
        _ => (name, reason),
    };
    let name = name.split_once("://").map_or(name, |(_, name)| name);
    let broker = name.split('/').next().unwrap_or_default().to_owned();
    let (plain, moment) = reason.rsplit_once(" (after ").unwrap_or((reason, ""));
    let (what, fix, is_final) = closed(plain, moment, identity).unwrap_or_else(|| sort(plain, identity, x509, &broker));
    Cause { broker, what, fix, is_final }
}

type Sorted = (String, String, bool);

/// Younger than this, a connection that is closed at the first question was not closed for being idle.
const YOUNG_MS: u64 = 2_000;

/// A connection that the broker closed: at which moment says why.
fn closed(reason: &str, moment: &str, identity: &Identity) -> Option<Sorted> {
    let is_closed = ["Disconnected", "Broken pipe", "reset by peer"].iter().any(|words| reason.contains(words));
    if !is_closed || reason.contains("certificate verify failed") {
        return None;
    }
    let protocol = &identity.protocol;
    let with_tls = if identity.has_sasl() { "SASL_SSL" } else { "SSL" };
    let with_sasl = if identity.has_tls() { "SASL_SSL" } else { "SASL_PLAINTEXT" };
    let (ms, state) = moment.trim_end_matches(')').split_once("ms in state ").unwrap_or(("", ""));
    let is_young = ms.parse().is_ok_and(|ms: u64| ms < YOUNG_MS);
    match state.split(',').next().unwrap_or_default() {
        "SSL_HANDSHAKE" => Some(no_tls(reason, identity)),
        "APIVERSION_QUERY" if !identity.has_tls() => Some(last(
            format!(
                "the port closes the connection at the first request: it speaks TLS, and security.protocol is {protocol}"
            ),
            format!("set security.protocol = \"{with_tls}\", or name the port for {protocol} in kafka.bootstrap"),
        )),
        "UP" if is_young && !identity.has_sasl() => Some(last(
            format!(
                "the port closes the connection at the first question: it wants a login (SASL), and security.protocol is {protocol}"
            ),
            format!("set security.protocol = \"{with_sasl}\" with sasl.mechanism, sasl.username and sasl.password"),
        )),
        state if state.starts_with("AUTH") => Some(last(
            format!("the broker closes the connection while this client logs in: {reason}"),
            "compare sasl.mechanism, sasl.username and sasl.password with what the broker's listener has; its log says more",
        )),
        _ => None,
    }
}

fn sort(reason: &str, identity: &Identity, x509: Option<c_int>, broker: &str) -> Sorted {
    let has = |needle: &str| reason.contains(needle);
    if has("Failed to resolve") {
        return passing(
            format!("its host name does not resolve: {reason}"),
            "correct the name in kafka.bootstrap, or advertised.listeners of the brokers where they name it; the command \
             getent hosts NAME shows what this machine knows",
        );
    }
    if has("Connection refused") {
        return passing(
            format!("nothing listens there: {reason}"),
            "check that the broker runs, and the port in kafka.bootstrap, or in advertised.listeners of the brokers where \
             they name it",
        );
    }
    if has("timed out") || has("No route") || has("unreachable") {
        return passing(
            format!("no connection comes about: {reason}"),
            "check firewalls, routes and security groups between this machine and the broker, and advertised.listeners of the \
             brokers",
        );
    }
    if has("certificate verify failed") {
        return certificate(identity, x509, broker);
    }
    if has("wrong version number") || has("PLAINTEXT broker listener") || (has("handshake failed") && has("eof")) {
        return no_tls(reason, identity);
    }
    if has(" alert ") {
        return alert(reason, identity);
    }
    if identity.has_sasl() && (has("SASL") || has("Authentication failed")) {
        return login(reason, identity);
    }
    passing(reason.to_owned(), "check kafka.bootstrap, [kafka.properties] and the broker's own log at this moment")
}

fn no_tls(reason: &str, identity: &Identity) -> Sorted {
    let without_tls = if identity.has_sasl() { "SASL_PLAINTEXT" } else { "PLAINTEXT" };
    last(
        format!("the port does not speak TLS, and security.protocol is {}: {reason}", identity.protocol),
        format!("name the brokers' TLS port in kafka.bootstrap, or set security.protocol = \"{without_tls}\""),
    )
}

fn passing(what: String, fix: &str) -> Sorted {
    (what, fix.to_owned(), false)
}

fn last(what: String, fix: impl Into<String>) -> Sorted {
    (what, fix.into(), true)
}

/// By the numbers of OpenSSL (X509_V_ERR_*).
fn certificate(identity: &Identity, x509: Option<c_int>, broker: &str) -> Sorted {
    let (host, _) = broker.rsplit_once(':').unwrap_or((broker, ""));
    let show = format!("openssl s_client -connect {broker} -servername {host} </dev/null | openssl x509 -noout");
    match x509 {
        Some(10) => last(
            "the broker's certificate has expired".to_owned(),
            format!("have it renewed, and check this machine's clock; its dates: {show} -dates"),
        ),
        Some(9) => last(
            "the broker's certificate is not valid yet".to_owned(),
            format!("check this machine's clock and the broker's; the certificate's dates: {show} -dates"),
        ),
        Some(62 | 64) => last(
            format!("the broker's certificate is not made out for the name {host}"),
            format!(
                "name the broker as its certificate does, in kafka.bootstrap or in its advertised.listeners, or have the name \
                 put into the certificate; its names: {show} -ext subjectAltName"
            ),
        ),
        Some(23) => last("the broker's certificate is revoked".to_owned(), "have the broker given a new one"),
        Some(2 | 18..=21) | None => {
            let trusted = identity.ca.as_deref().map_or_else(
                || "no bundle of CA certificates was found on this machine".to_owned(),
                |ca| format!("the CA certificates of {ca} do not vouch for it"),
            );
            last(
                format!("the broker's certificate comes from an unknown CA: {trusted}"),
                format!(
                    "give the file of the brokers' CA (PEM) as ssl.ca.location in [kafka.properties]; who signed: {show} -issuer"
                ),
            )
        }
        Some(other) => last(
            format!("the broker's certificate does not hold (error {other} of OpenSSL's X509_V_ERR list)"),
            format!("look at it: {show} -text"),
        ),
    }
}

/// The broker ends the TLS handshake, or what follows it.
fn alert(reason: &str, identity: &Identity) -> Sorted {
    let of_certificate = ["certificate", "unknown ca"].iter().any(|words| reason.contains(words));
    match &identity.certificate {
        _ if !of_certificate => last(
            format!("the broker ends the TLS handshake: {reason}"),
            "compare ssl.cipher.suites, ssl.curves.list and ssl.sigalgs.list with what the broker allows (ssl.enabled.protocols, \
             ssl.cipher.suites)",
        ),
        None => last(
            format!("the broker wants a client certificate (mTLS), and none is given: {reason}"),
            "give ssl.certificate.location and ssl.key.location (or ssl.keystore.location) in [kafka.properties]",
        ),
        Some(file) => last(
            format!("the broker does not accept the client certificate {file}: {reason}"),
            format!(
                "give a certificate that is valid now and signed by a CA in the brokers' ssl.truststore.location; see: openssl \
                 x509 -in {file} -noout -subject -issuer -dates"
            ),
        ),
    }
}

fn login(reason: &str, identity: &Identity) -> Sorted {
    let mechanism = identity.mechanism.as_deref().unwrap_or("no mechanism");
    let plain = if identity.has_tls() { "SSL" } else { "PLAINTEXT" };
    if let Some((_, offered)) = reason.split_once("supported mechanisms: ") {
        let offered = offered.trim();
        if offered.is_empty() {
            return last(
                format!("the port has no login (SASL), and security.protocol is {}: {reason}", identity.protocol),
                format!("set security.protocol = \"{plain}\", or name the brokers' SASL port in kafka.bootstrap"),
            );
        }
        return last(
            format!("the broker does not offer the mechanism {mechanism}; it offers {offered}"),
            format!("set sasl.mechanism to one of these: {offered}"),
        );
    }
    if reason.contains("Handshake not supported") {
        return last(
            format!("the port has no login (SASL), and security.protocol is {}: {reason}", identity.protocol),
            format!("set security.protocol = \"{plain}\", or name the brokers' SASL port in kafka.bootstrap"),
        );
    }
    let user = identity.principal().unwrap_or_else(|| "this client".to_owned());
    let where_users_are = match identity.mechanism.as_deref() {
        Some("PLAIN") => "users of PLAIN stand in the listener's sasl.jaas.config of each broker",
        _ => "kafka-configs.sh --describe --entity-type users shows the users of SCRAM",
    };
    last(
        format!("the broker refuses the login of {user} by {mechanism}: {reason}"),
        format!(
            "the user is unknown there or the password is wrong, and brokers do not tell which: correct sasl.username and \
             sasl.password (or the file of sasl.password_file); {where_users_are}"
        ),
    )
}

/// Why the client does not start with its settings, from its own words.
pub fn of_settings(text: &str, settings: &[(String, String)]) -> (String, String) {
    let value = |name: &str| value_of(settings, name);
    for name in
        ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location"]
    {
        let Some(path) = value(name) else { continue };
        if let Err(error) = std::fs::metadata(path)
            .and_then(|found| if found.is_dir() { Ok(()) } else { std::fs::File::open(path).map(drop) })
        {
            return (
                format!("{name}: cannot read {path}: {error}"),
                format!("correct {name} in [kafka.properties], or let this process's user read the file"),
            );
        }
    }
    let file = |name: &str| value(name).unwrap_or(name).to_owned();
    let has = |needle: &str| text.contains(needle);
    if has("key values mismatch") || has("Private key check failed") || has("key type mismatch") {
        let (key, certificate) = (file("ssl.key.location"), file("ssl.certificate.location"));
        return (
            format!("the private key {key} is not the one of the certificate {certificate}"),
            "give the key that the certificate was made for as ssl.key.location; both print the same with: openssl pkey -in KEY \
             -pubout, and openssl x509 -in CERTIFICATE -noout -pubkey"
                .to_owned(),
        );
    }
    if has("ssl.key.location failed") || has("ssl.key.pem failed") {
        let key = file("ssl.key.location");
        let is_locked = std::fs::read_to_string(&key).is_ok_and(|pem| pem.contains("ENCRYPTED"));
        return match (is_locked, value("ssl.key.password")) {
            (true, Some(_)) => (
                format!("ssl.key.password does not open the private key {key}"),
                "correct ssl.key.password, or the file of ssl.key.password_file".to_owned(),
            ),
            (true, None) => (
                format!("the private key {key} is locked by a password, and ssl.key.password is not given"),
                "give ssl.key.password_file in [kafka.properties]".to_owned(),
            ),
            (false, _) => (
                format!("ssl.key.location: {key} holds no private key in PEM form: {text}"),
                "give a PEM file with one PRIVATE KEY; see: openssl pkey -in FILE -noout".to_owned(),
            ),
        };
    }
    for (needle, name) in [
        ("ssl.ca.location failed", "ssl.ca.location"),
        ("ssl.certificate.location failed", "ssl.certificate.location"),
        ("ssl.crl.location failed", "ssl.crl.location"),
    ] {
        if has(needle) {
            return (
                format!("{name}: {} holds no certificate in PEM form: {text}", file(name)),
                format!(
                    "give {name} a file that begins with -----BEGIN CERTIFICATE----- (a Java keystore is none: keytool \
                         -exportcert -rfc makes one of it)"
                ),
            );
        }
    }
    if has("ssl.keystore.location") {
        return (
            format!("ssl.keystore.location: {} is no PKCS#12 store, or ssl.keystore.password does not open it: {text}", file("ssl.keystore.location")),
            "correct ssl.keystore.password; a JKS store is made into one by: keytool -importkeystore -deststoretype PKCS12".to_owned(),
        );
    }
    (format!("the Kafka client does not start: {text}"), "correct [kafka] and [kafka.properties]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(protocol: &str, mechanism: Option<&str>, certificate: Option<&str>) -> Identity {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Identity {
            protocol: protocol.to_owned(),
            mechanism: owned(mechanism),
            user: mechanism.map(|_| "scorer".to_owned()),
            ca: Some("/ca.pem".to_owned()),
            certificate: owned(certificate),
        }
    }

    #[test]
    fn a_line_of_the_client_gives_broker_and_cause_without_thread_state_and_coordinator() {
        let plaintext = identity("PLAINTEXT", None, None);
        let refused = "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        for name in [
            "[thrd:h:1/bootstrap]: h:1/bootstrap",
            "[thrd:ssl://h:1/2]: ssl://h:1/2",
            "h:1/2",
            "[thrd:x]: GroupCoordinator: h:1",
        ] {
            let cause = of(&format!("{name}: {refused}"), &plaintext, None);
            assert_eq!((cause.broker.as_str(), cause.is_final), ("h:1", false), "{name}: {cause:?}");
            assert!(cause.what.starts_with("nothing listens there: Connect to ipv4#127.0.0.1:1"), "{name}: {cause:?}");
            assert!(!cause.what.contains("in state"), "{cause:?}");
        }
    }

    /// As the client wrote them for a broker of Kafka 4.3.
    #[test]
    fn no_two_causes_are_told_alike_and_what_does_not_pass_is_known() {
        let tls = identity("SSL", None, None);
        let sasl = identity("SASL_SSL", Some("SCRAM-SHA-256"), None);
        let mutual = identity("SSL", None, Some("/client.pem"));
        let plaintext = identity("PLAINTEXT", None, None);
        let closed = "Disconnected: connection closed by peer: receive 0 after POLLIN";
        let verify = "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified";
        let alert = "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42";
        let lines: [(&Identity, String, Option<c_int>, &str); 16] = [
            (&plaintext, format!("{closed} (after 3ms in state APIVERSION_QUERY)"), None, "it speaks TLS"),
            (&plaintext, "Send failed: Broken pipe (after 1ms in state UP)".to_owned(), None, "it wants a login (SASL)"),
            (&sasl, format!("{closed} (after 1ms in state AUTH_REQ)"), None, "while this client logs in"),
            (&tls, "Disconnected: SSL connection closed by peer (after 1ms in state SSL_HANDSHAKE)".to_owned(), None, "does not speak TLS"),
            (&tls, verify.to_owned(), Some(10), "has expired"),
            (&tls, verify.to_owned(), Some(9), "not valid yet"),
            (&tls, verify.to_owned(), Some(62), "not made out for the name h"),
            (&tls, verify.to_owned(), Some(20), "unknown CA: the CA certificates of /ca.pem"),
            (&tls, verify.to_owned(), Some(23), "revoked"),
            (&tls, verify.to_owned(), Some(26), "error 26"),
            (&tls, alert.to_owned(), None, "none is given"),
            (&mutual, alert.to_owned(), None, "does not accept the client certificate /client.pem"),
            (&tls, "SSL handshake failed: error:0A000410: alert handshake failure".to_owned(), None, "ends the TLS handshake"),
            (&sasl, "SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN".to_owned(), None, "it offers PLAIN"),
            (&sasl, "SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported mechanisms: ".to_owned(), None, "the port has no login"),
            (&sasl, "SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256".to_owned(), None, "refuses the login of User:scorer by SCRAM-SHA-256"),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (identity, reason, x509, says) in lines {
            let cause = of(&format!("[thrd:h:1/1]: h:1/1: {reason}"), identity, x509);
            assert!(cause.what.contains(says) && cause.is_final && !cause.fix.is_empty(), "no {says:?}: {cause:?}");
            assert!(seen.insert((cause.what.clone(), cause.fix.clone())), "twice: {cause:?}");
        }
    }

    #[test]
    fn a_connection_that_is_closed_after_a_while_may_come_back() {
        let identity = identity("PLAINTEXT", None, None);
        let cause = of("h:1/1: Disconnected: connection closed by peer (after 86000ms in state UP)", &identity, None);
        assert!(!cause.is_final, "{cause:?}");
    }

    #[test]
    fn settings_that_the_client_does_not_start_with_are_told_by_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (key, locked) = (file("key.pem", "PRIVATE KEY"), file("locked.pem", "ENCRYPTED PRIVATE KEY"));
        let said = |text: &str, settings: &[(&str, &str)]| {
            let settings: Vec<_> =
                settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            of_settings(text, &settings).0
        };
        let absent = folder.path().join("absent").display().to_string();
        assert!(said("ssl.ca.location failed: x", &[("ssl.ca.location", &absent)]).contains("cannot read"));
        assert!(said("ssl.ca.location failed: x", &[("ssl.ca.location", &key)]).contains("holds no certificate"));
        let with_password = [("ssl.key.location", locked.as_str()), ("ssl.key.password", "hunter2")];
        let wrong = said("ssl.key.location failed: x", &with_password);
        assert!(wrong.contains("does not open") && !wrong.contains("hunter2"), "{wrong}");
        assert!(said("ssl.key.location failed: x", &with_password[..1]).contains("is locked by a password"));
        assert!(said("ssl.key.location failed: x", &[("ssl.key.location", &key)]).contains("no private key"));
        assert!(said("Private key check failed: x", &[]).contains("is not the one of the certificate"));
        assert!(said("anything else", &[]).contains("anything else"));
    }
}
