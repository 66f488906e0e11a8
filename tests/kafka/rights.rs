//! Rights and passwords that change while the process runs. A right that was taken away hung a lane for a minute, with every
//! light green, and the process ended without the cause; a password that was changed locked the process out for good.

use std::path::Path;
use std::time::Duration;

use crate::common::{Job, Node, OwnKafka, STEP, TestRecord, Transactions, wait_until};
use scorewire::doors::{Group, Source, SourceEvent};
use scorewire::error::exit;
use scorewire::kafka::consumer::KafkaSource;
use scorewire::kafka::settings::{KafkaSettings, PasswordFiles};
use scorewire::load::simulate::payloads::Framing;

const USER: &str = "scorer";
const PASSWORD: &str = "newest";

/// As an operator or Kubernetes does: another file takes the place of the old one.
fn write_password(file: &Path, password: &str) {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, format!("{password}\n")).unwrap();
    std::fs::rename(fresh, file).unwrap();
}

/// How a client comes by the listener that asks.
fn properties() -> [(&'static str, &'static str); 3] {
    [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "SCRAM-SHA-256"), ("sasl.username", USER)]
}

/// A node of this user.
fn start(own: &OwnKafka, job: &Job, password: &Path, more: &[&str]) -> Node {
    let mut settings = vec![format!("kafka.bootstrap={}", own.guarded())];
    settings.extend(properties().map(|(name, value)| format!("kafka.properties.{name}={value}")));
    settings.push(format!("kafka.properties.sasl.password_file={}", password.display()));
    job.start(&settings.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
}

/// A node that may not write its outputs ends, says which right is missing, and leaves nothing half done: neither records that
/// wait for their schema nor an open transaction hold anybody up.
fn outputs_that_may_not_be_written_end_the_process_with_the_reason(own: &OwnKafka, job: &Job, file: &Path) {
    let (kafka, schemas) = (own.kafka(), job.folder().join("schemas"));
    std::fs::create_dir(&schemas).unwrap();
    let (before, seen) = (job.committed(), kafka.read(&job.outputs).len());
    kafka.produce(&job.input, &[Transactions::new(Framing::Registry(77)).next(1)]);
    // The dead letter of the same transaction is delivered, and must not be seen without the output.
    let mut transactions = Transactions::new(Framing::SingleObject);
    kafka.produce(&job.input, &[transactions.next(0), TestRecord::new(0).value("poison"), transactions.next(0)]);
    let directory = format!("schemas.directory={}", schemas.display());
    for delivery in ["at_least_once", "exactly_once"] {
        let delivery = format!("delivery={delivery}");
        let mut node = start(own, job, file, &[&directory, "schemas.on_unknown=wait", &delivery]);
        let finished = node.process.wait(STEP);
        assert_eq!(finished.code(), Some(exit::DELIVERY.into()), "{}", finished.stderr);
        let told = finished.stderr.lines().find(|line| line.contains("was not taken 9 times in a row")).unwrap();
        for part in ["fatal: partition 0: an output (topics.outputs)", "Broker: Topic authorization failed"] {
            assert!(told.contains(part), "no {part:?} in {told}");
        }
        assert!(!finished.stderr.contains("abandoned"), "its client was let go in order:\n{}", finished.stderr);
        assert_eq!((job.committed(), kafka.read(&job.outputs).len()), (before.clone(), seen), "nothing was finished");
    }
    // Written after the last abort: a transaction left open would hide it for half a minute.
    kafka.produce(&job.dead_letters, &[TestRecord::new(0).value("after")]);
    let last = kafka.read(&job.dead_letters).pop().expect("it is seen");
    assert_eq!(last.value.as_deref(), Some(b"after".as_slice()));
}

/// A client that was made with an old password joins once the file has the right one, and says why it could not.
fn a_client_that_is_locked_out_finds_the_next_password_in_its_file(own: &OwnKafka, job: &Job, file: &Path) {
    let mut known = properties().map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    known.push(("sasl.password".to_owned(), "old".to_owned()));
    let settings = KafkaSettings {
        bootstrap: own.guarded().to_owned(),
        group: job.group.clone(),
        node: "test".to_owned(),
        start_at: None,
        without_offsets: Default::default(),
        group_protocol: Default::default(),
        membership: Default::default(),
        properties: known.into_iter().collect(),
        consumer_properties: Default::default(),
        producer_properties: Default::default(),
        password_files: PasswordFiles { consumer: Some(file.to_owned()), producer: None },
    };
    let mut source = KafkaSource::subscribe(&settings, 0, &job.input, false, STEP).expect("nothing is asked yet");
    let mut records = Vec::new();
    wait_until("the client says why it cannot join", STEP, || {
        source.poll(Duration::from_millis(10), 1, &mut records).expect("a wrong password is no end");
        source.complaint().text().is_some_and(|words| words.contains("SASL authentication"))
    });
    assert!(source.next_event().is_none());
    write_password(file, PASSWORD);
    wait_until("the group hands partitions over", STEP, || {
        source.poll(Duration::from_millis(10), 1, &mut records).expect("the password is right");
        source.next_event().is_some_and(|event| event == SourceEvent::Assigned(vec![0, 1]))
    });
    assert_eq!(source.contact().no_input, None);
    assert!(source.close(STEP));
}

/// The commands of docs/secured-cluster.md, with this job's names in place of the defaults. They are all that is granted.
fn grant_what_the_guide_says(own: &OwnKafka, job: &Job) {
    let guide = include_str!("../../docs/secured-cluster.md");
    let commands: Vec<&str> = guide.lines().filter(|line| line.starts_with("kafka-acls.sh ")).collect();
    assert_eq!(commands.len(), 5, "two for at_least_once, one more for exactly_once, two for letters: {commands:?}");
    for command in &commands[..3] {
        let mut args = Vec::new();
        let mut words = command.split_whitespace().skip(1);
        while let Some(option) = words.next() {
            let value = |named: &str| match named {
                "User:scorewire" => format!("User:{USER}"),
                "enriched-context" => job.input.clone(),
                "model-outputs" => job.outputs.clone(),
                "human-review" => job.review.clone(),
                "model-dead-letters" => job.dead_letters.clone(),
                "model-timeouts" => job.timeouts.clone(),
                "scorewire" => job.group.clone(),
                "scorewire/" => format!("{}/", job.group),
                other => other.to_owned(),
            };
            match option {
                // The tool comes by the listener where everybody may do everything.
                "--bootstrap-server" | "--command-config" => drop(words.next()),
                "--add" => args.push(option.to_owned()),
                _ => args.extend([option.to_owned(), value(words.next().expect("an option has a value"))]),
            }
        }
        own.tool("org.apache.kafka.tools.AclCommand", &args.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// One broker for both: it takes longer to start than what it is asked.
#[test]
fn rights_and_passwords_change_while_it_runs() {
    let Some(own) = OwnKafka::with_rights("rights") else { return };
    let job = Job::new(own.kafka(), "rights", 2);
    let file = job.folder().join("password");
    own.set_password(USER, PASSWORD);
    write_password(&file, "old");
    let (acls, user) = ("org.apache.kafka.tools.AclCommand", format!("User:{USER}"));
    grant_what_the_guide_says(&own, &job);
    a_client_that_is_locked_out_finds_the_next_password_in_its_file(&own, &job, &file);

    own.kafka().produce(&job.input, &Transactions::new(Framing::SingleObject).spread(10, 2));
    let mut node = start(&own, &job, &file, &[]);
    wait_until("all is scored", STEP, || node.sum("records.scored") == 10);
    node.stop();
    let may_not_write = ["--deny-principal", &user, "--operation", "Write", "--topic", &job.outputs];
    own.tool(acls, &[&["--add"], &may_not_write[..]].concat());
    outputs_that_may_not_be_written_end_the_process_with_the_reason(&own, &job, &file);
    own.tool(acls, &[&["--remove", "--force"], &may_not_write[..]].concat());

    let mut node = start(&own, &job, &file, &[]);
    node.process.wait_until_ready(node.admin_port, STEP);
    wait_until("the rest is done", STEP, || node.sum("records.scored") + node.sum("records.rejected") == 4);
    own.tool(acls, &["--add", "--deny-principal", &user, "--operation", "Read", "--topic", &job.input]);
    let finished = node.process.wait(STEP);
    assert_eq!(finished.code(), Some(exit::UNAVAILABLE.into()), "{}", finished.stderr);
    let named = format!("fatal: READ on topic {} is denied to User:{USER}", job.input);
    assert!(finished.stderr.contains(&named), "no {named:?} in:\n{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("--operation Read --topic {}", job.input)), "{}", finished.stderr);
    assert!(!finished.stderr.contains("abandoned"), "its client was let go in order:\n{}", finished.stderr);
    job.assert_all_committed();
}
