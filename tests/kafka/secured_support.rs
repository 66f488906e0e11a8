//! Mistakes in the connection to a secured cluster, and who may do what there.

use std::thread;

use scorewire::error::exit;

use crate::common::{Job, OwnKafka};

/// One, with where it is made, and what must be told of it.
#[derive(Clone)]
pub struct Mistake {
    pub name: &'static str,
    pub bootstrap: String,
    pub settings: Vec<String>,
    pub code: u8,
    pub says: &'static [&'static str],
}

/// Where listeners and files are.
pub struct World<'a> {
    pub own: &'a OwnKafka,
    pub job: &'a Job,
}

impl World<'_> {
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.own.said("tls"))
    }

    /// A mistake at one of the listeners, or at another address. Settings are those of `kafka.properties`, where they name no
    /// other section.
    fn mistake(
        &self,
        name: &'static str,
        listener: &str,
        settings: &[&[String]],
        code: u8,
        says: &'static [&'static str],
    ) -> Mistake {
        let bootstrap = if listener.contains(':') { listener.to_owned() } else { self.own.said(listener).to_owned() };
        let in_section = |setting: &String| match setting.split_once('/') {
            Some(("", key)) => key.to_owned(),
            _ => format!("kafka.properties.{setting}"),
        };
        Mistake { name, bootstrap, settings: settings.concat().iter().map(in_section).collect(), code, says }
    }

    fn tls(&self) -> Vec<String> {
        vec!["security.protocol=SSL".to_owned(), format!("ssl.ca.location={}", self.file("ca.pem"))]
    }

    fn certificate(&self, certificate: &str, key: &str) -> Vec<String> {
        vec![
            format!("ssl.certificate.location={}", self.file(certificate)),
            format!("ssl.key.location={}", self.file(key)),
        ]
    }

    fn sasl(&self, protocol: &str, mechanism: &str, user: &str, password: &str) -> Vec<String> {
        let file = self.job.folder().join(password);
        std::fs::write(&file, password).unwrap();
        let mut settings = vec![
            format!("security.protocol={protocol}"),
            format!("sasl.mechanism={mechanism}"),
            format!("sasl.username={user}"),
            format!("sasl.password_file={}", file.display()),
        ];
        if protocol == "SASL_SSL" {
            settings.push(format!("ssl.ca.location={}", self.file("ca.pem")));
        }
        settings
    }
}

fn one(setting: &str) -> Vec<String> {
    vec![setting.to_owned()]
}

/// Every one.
pub fn all(world: &World<'_>) -> Vec<Mistake> {
    [of_ports, of_protocols, of_users, of_files, of_rights].map(|of| of(world)).concat()
}

/// Whom the client speaks to, and by which way.
fn of_ports(world: &World<'_>) -> Vec<Mistake> {
    let tls = world.tls();
    let by_name = |listener: &str| world.own.said(listener).replace("localhost", "127.0.0.1");
    let (open, down) = (world.own.kafka().bootstrap(), exit::UNAVAILABLE);
    vec![
        world.mistake(
            "closed port",
            "localhost:1",
            &[],
            down,
            &["broker localhost:1: nothing listens there", "Connection refused"],
        ),
        world.mistake(
            "host that does not resolve",
            "nosuchhost.invalid:9092",
            &[],
            down,
            &["does not resolve", "nosuchhost.invalid"],
        ),
        world.mistake(
            "SSL to a plaintext port",
            open,
            &[&tls],
            down,
            &["does not speak TLS", "security.protocol is SSL:"],
        ),
        world.mistake(
            "plaintext to an SSL port",
            "ssl",
            &[],
            down,
            &["speaks TLS, and security.protocol is PLAINTEXT", "\"SSL\""],
        ),
        world.mistake(
            "unknown CA",
            "ssl",
            &[&one("security.protocol=SSL")],
            down,
            &["comes from an unknown CA", "ssl.ca.location"],
        ),
        world.mistake(
            "host name not in the certificate",
            &by_name("ssl"),
            &[&tls],
            down,
            &["not made out for the name 127.0.0.1"],
        ),
        world.mistake("expired certificate", "expired", &[&tls], down, &["the broker's certificate has expired"]),
    ]
}

/// The protocols of login.
fn of_protocols(world: &World<'_>) -> Vec<Mistake> {
    let (tls, scram) = (world.tls(), world.sasl("SASL_SSL", "SCRAM-SHA-256", "scorer", "secret"));
    let clear = world.sasl("SASL_PLAINTEXT", "SCRAM-SHA-256", "scorer", "secret");
    let down = exit::UNAVAILABLE;
    vec![
        world.mistake(
            "SASL_PLAINTEXT to a SASL_SSL port",
            "saslssl",
            &[&clear],
            down,
            &["speaks TLS, and security.protocol is SASL_PLAINTEXT"],
        ),
        world.mistake(
            "SASL_SSL to a SASL_PLAINTEXT port",
            "saslplain",
            &[&scram],
            down,
            &["does not speak TLS", "is SASL_SSL"],
        ),
        world.mistake(
            "SSL to a SASL_SSL port",
            "saslssl",
            &[&tls],
            down,
            &["wants a login (SASL), and security.protocol is SSL", "\"SASL_SSL\""],
        ),
        world.mistake("SASL_SSL to an SSL port", "ssl", &[&scram], down, &["the port has no login (SASL)", "\"SSL\""]),
        world.mistake(
            "plaintext to a SASL_PLAINTEXT port",
            "saslplain",
            &[],
            down,
            &["wants a login (SASL), and security.protocol is PLAINTEXT"],
        ),
    ]
}

/// Who the client says it is.
fn of_users(world: &World<'_>) -> Vec<Mistake> {
    let sasl = |mechanism, user, password| world.sasl("SASL_SSL", mechanism, user, password);
    let (down, config) = (exit::UNAVAILABLE, exit::CONFIG);
    let clear = world.sasl("SASL_PLAINTEXT", "PLAIN", "scorer", "secret");
    let nobody = ["sasl.mechanism=GSSAPI", "security.protocol=SASL_SSL", "sasl.username=u"].map(str::to_owned);
    vec![
        world.mistake(
            "wrong password, SCRAM",
            "saslssl",
            &[&sasl("SCRAM-SHA-256", "scorer", "wrong")],
            down,
            &["refuses the login of User:scorer by SCRAM-SHA-256", "sasl.password"],
        ),
        world.mistake(
            "wrong password, PLAIN",
            "saslssl",
            &[&sasl("PLAIN", "scorer", "wrong")],
            down,
            &["refuses the login of User:scorer by PLAIN", "sasl.jaas.config"],
        ),
        world.mistake(
            "unknown user",
            "saslssl",
            &[&sasl("SCRAM-SHA-256", "nobody", "secret")],
            down,
            &["refuses the login of User:nobody by SCRAM-SHA-256"],
        ),
        world.mistake(
            "mechanism not offered",
            "saslplain",
            &[&clear],
            down,
            &["does not offer the mechanism PLAIN; it offers SCRAM-SHA-256"],
        ),
        world.mistake(
            "mechanism not compiled in",
            "saslssl",
            &[&nobody],
            config,
            &["Kerberos (GSSAPI) is not compiled into", "SCRAM-SHA-512"],
        ),
        world.mistake(
            "no such protocol",
            "ssl",
            &[&one("security.protocol=SSLL")],
            config,
            &["\"SSLL\" is none of its values", "SASL_SSL"],
        ),
    ]
}

/// Files of certificates and keys.
fn of_files(world: &World<'_>) -> Vec<Mistake> {
    let (tls, down, config) = (world.tls(), exit::UNAVAILABLE, exit::CONFIG);
    let locked = world.certificate("client.pem", "client-locked.key");
    let password = world.job.folder().join("wrong");
    std::fs::write(&password, "wrong").unwrap();
    let wrong_lock = [one(&format!("ssl.key.password_file={}", password.display())), locked.clone()].concat();
    vec![
        world.mistake(
            "CA file that is not there",
            "ssl",
            &[&one("security.protocol=SSL"), &one("ssl.ca.location=/nowhere/ca.pem")],
            config,
            &["cannot read /nowhere/ca.pem"],
        ),
        world.mistake(
            "CA file that is no PEM",
            "ssl",
            &[&one("security.protocol=SSL"), &one("ssl.ca.location=/etc/hostname")],
            config,
            &["/etc/hostname holds no certificate in PEM form"],
        ),
        world.mistake(
            "no client certificate",
            "mtls",
            &[&tls],
            down,
            &["wants a client certificate (mTLS), and none is given"],
        ),
        world.mistake(
            "client certificate of another CA",
            "mtls",
            &[&tls, &world.certificate("other-client.pem", "other-client.key")],
            down,
            &["does not accept the client certificate", "other-client.pem"],
        ),
        world.mistake(
            "key of another certificate",
            "mtls",
            &[&tls, &world.certificate("client.pem", "other-client.key")],
            config,
            &["is not the one of the certificate"],
        ),
        world.mistake(
            "wrong password of the key",
            "mtls",
            &[&tls, &wrong_lock],
            config,
            &["ssl.key.password does not open the private key"],
        ),
        world.mistake(
            "key locked, no password",
            "mtls",
            &[&tls, &locked],
            config,
            &["is locked by a password, and ssl.key.password is not given"],
        ),
    ]
}

/// What the client may not do. Each has a user of its own that lacks one right.
fn of_rights(world: &World<'_>) -> Vec<Mistake> {
    let down = exit::UNAVAILABLE;
    let user = |name| world.sasl("SASL_SSL", "PLAIN", name, "secret");
    let absent = one("/topics.timeouts=no-such-topic");
    let transactions = one("/delivery=exactly_once");
    let mut mistakes = vec![
        world.mistake(
            "topic that is not there",
            world.own.kafka().bootstrap(),
            &[&absent],
            down,
            &["no-such-topic", "--create"],
        ),
        world.mistake(
            "topic that may not be described",
            "saslssl",
            &[&user("blind")],
            down,
            &["READ on topic", "is denied to User:blind: cannot even look at it"],
        ),
        world.mistake(
            "no Read on the input",
            "saslssl",
            &[&user("no-input")],
            down,
            &["READ on topic", "is denied to User:no-input", "--operation Read --topic"],
        ),
        world.mistake(
            "no Read on the group",
            "saslssl",
            &[&user("no-group")],
            down,
            &["READ on group", "is denied to User:no-group", "--operation Read --group"],
        ),
        world.mistake(
            "no right on the transactional id",
            "saslssl",
            &[&user("no-transactions"), &transactions],
            down,
            &["WRITE on transactional id", "is denied to User:no-transactions", "--transactional-id"],
        ),
    ];
    for (name, lacking) in [
        ("no Write on the outputs", "no-outputs"),
        ("no Write on the review topic", "no-review"),
        ("no Write on dead letters", "no-dead"),
        ("no Write on timeouts", "no-timeouts"),
    ] {
        mistakes.push(world.mistake(
            name,
            "saslssl",
            &[&user(lacking)],
            down,
            &["WRITE on topic", "--operation Write --topic"],
        ));
    }
    mistakes
}

/// Gives each user of PLAIN everything but what its name says.
pub fn grant(world: &World<'_>) {
    const USERS: [&str; 8] =
        ["no-input", "blind", "no-group", "no-outputs", "no-review", "no-dead", "no-timeouts", "no-transactions"];
    let job = world.job;
    let transactions = format!("{}/", job.group);
    let rights: [(&str, &[&str], &[&str]); 7] = [
        ("Read", &["no-input", "blind"], &["--topic", &job.input]),
        ("Read", &["no-group"], &["--group", &job.group]),
        ("Write", &["no-outputs"], &["--topic", &job.outputs]),
        ("Write", &["no-review"], &["--topic", &job.review]),
        ("Write", &["no-dead"], &["--topic", &job.dead_letters]),
        ("Write", &["no-timeouts"], &["--topic", &job.timeouts]),
        ("Write", &["no-transactions"], &["--transactional-id", &transactions, "--resource-pattern-type", "prefixed"]),
    ];
    let allow = |operation: &str, users: Vec<&str>, resource: &[&str]| {
        let mut args = vec!["--add".to_owned(), "--operation".to_owned(), operation.to_owned()];
        args.extend(users.iter().flat_map(|user| ["--allow-principal".to_owned(), format!("User:{user}")]));
        args.extend(resource.iter().map(|part| (*part).to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        world.own.tool("org.apache.kafka.tools.AclCommand", &args);
    };
    thread::scope(|scope| {
        for (operation, without, resource) in rights {
            let users = USERS.iter().copied().filter(|user| !without.contains(user)).collect();
            scope.spawn(move || allow(operation, users, resource));
        }
        scope.spawn(|| allow("Describe", vec!["no-input"], &["--topic", &job.input]));
    });
}
