//! A node with a real Kafka and a real registry: schemas that come while it runs, an outage, a restart in the middle of one,
//! and what it writes.

use scorewire::load::simulate::payloads::Framing;
use serde_json::{Value as Json, json};

use crate::common::registry::RealRegistry;
use crate::common::{
    Job, Node, Outcome, RealKafka, STEP, TestRecord, Transactions, http_get, scorewire, unique_name, wait_until,
};

pub fn transaction_schema() -> Json {
    let path = crate::common::job::package().join("transaction.avsc");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The package's schema, in words of its own: another text, and so another id.
fn variant(words: &str) -> String {
    let mut schema = transaction_schema();
    schema["doc"] = words.into();
    schema.to_string()
}

/// Both, and a job of the test's own.
pub fn parts(purpose: &str, partitions: i32) -> Option<(RealRegistry, Job)> {
    let (kafka, registry) = (RealKafka::connect()?, RealRegistry::connect()?);
    Some((registry, Job::new(&kafka, purpose, partitions)))
}

pub fn settings(url: &str, job: &Job) -> Vec<String> {
    vec![
        format!("schemas.registry.urls={url}"),
        format!("schemas.registry.cache_dir={}", job.folder().join("kept").display()),
        "schemas.registry.auto_register=true".to_owned(),
        "schemas.registry.request_timeout_ms=2000".to_owned(),
        "limits.schema_retry_ms=100".to_owned(),
    ]
}

pub fn start(job: &Job, settings: &[String]) -> Node {
    job.start(&settings.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a command says with the job's configuration and these settings: its exit code, stdout and stderr.
fn said_by(job: &Job, args: &[&str], settings: &[impl AsRef<str>]) -> (Option<i32>, String, String) {
    let mut command = scorewire();
    command.args(args).arg("--config").arg(job.config());
    for setting in settings {
        command.args(["--set", setting.as_ref()]);
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Records of one schema id, in this partition.
fn records(id: u32, count: usize, partition: i32) -> Vec<TestRecord> {
    let mut transactions = Transactions::new(Framing::Registry(id));
    (0..count).map(|_| transactions.next(partition)).collect()
}

fn reasons(job: &Job) -> Vec<String> {
    let letters = job.kafka.read(&job.dead_letters);
    letters.iter().map(|record| record.header_text("__scorewire.errors.reason").unwrap().to_owned()).collect()
}

#[test]
fn schemas_that_are_registered_while_it_runs_are_read_and_outcomes_carry_ids_of_ours() {
    let Some((registry, job)) = parts("registry", 2) else { return };
    let mut node = start(&job, &settings(&registry.url(), &job));
    node.wait_until_assigned(2);
    let subject = format!("{}-value", job.input);
    let first = registry.register(&subject, &variant("first"), &[]);
    job.kafka.produce(&job.input, &records(first, 20, 0));
    wait_until("the first schema's records", STEP, || node.sum("records.scored") == 20);
    let second = registry.register(&subject, &variant("second"), &[]);
    assert_ne!(first, second);
    job.kafka.produce(&job.input, &records(second, 20, 1));
    wait_until("the second schema's records", STEP, || node.sum("records.scored") == 40);
    let status = node.status();
    assert_eq!(status["schema_registry"]["reachable"], true);
    assert!(status["schema_registry"]["schemas"].as_u64() >= Some(2), "{}", status["schema_registry"]);
    node.stop();
    assert!(reasons(&job).is_empty());
    for (topic, file) in [(&job.outputs, "outputs"), (&job.review, "review")] {
        let texts: Vec<u32> =
            job.kafka.read(topic).iter().map(|record| id_of(record.value.as_ref().unwrap())).collect();
        let Some(&id) = texts.first() else { continue };
        assert!(texts.iter().all(|other| *other == id), "{texts:?}");
        let ours = scorewire().args(["schema", file]).output().unwrap().stdout;
        let ours: Json = serde_json::from_slice(&ours).unwrap();
        assert_eq!(serde_json::from_str::<Json>(&registry.schema(id)).unwrap()["name"], ours["name"]);
        assert_eq!(registry.versions(&format!("{topic}-value")), 1);
    }
}

fn id_of(value: &[u8]) -> u32 {
    assert_eq!(value[0], 0, "00 + id");
    u32::from_be_bytes(value[1..5].try_into().unwrap())
}

#[test]
fn an_outage_holds_only_what_needs_a_new_schema_and_a_restart_in_it_scores_on() {
    let Some((registry, job)) = parts("registry-away", 2) else { return };
    let subject = format!("{}-value", job.input);
    let known = registry.register(&subject, &variant("known"), &[]);
    let mut door = registry.behind_a_door();
    let settings = settings(&door.url(), &job);
    let mut node = start(&job, &settings);
    job.kafka.produce(&job.input, &records(known, 10, 0));
    wait_until("what is known is scored", STEP, || node.sum("records.scored") == 10);

    door.close();
    let new = registry.register(&subject, &variant("new"), &[]);
    let mixed: Vec<TestRecord> = [records(known, 5, 1), records(new, 5, 1), records(known, 5, 1)].concat();
    job.kafka.produce(&job.input, &[records(known, 10, 0), mixed.clone()].concat());
    wait_until("the others go on", STEP, || node.sum("records.scored") == 25);
    wait_until("one partition waits", STEP, || node.sum("partitions.paused") == 1);
    let status = node.status();
    assert_eq!(status["schema_registry"]["reachable"], false);
    assert!(
        status["alarms"].to_string().contains("the schema registry has given no answer for"),
        "{}",
        status["alarms"]
    );
    assert_eq!(http_get(node.admin_port, "/readyz").unwrap().0, 200, "it is the same wherever the partition goes");

    node.stop();
    let mut node = start(&job, &settings);
    job.kafka.produce(&job.input, &records(known, 10, 0));
    wait_until("a restart in the outage scores on", STEP, || node.sum("records.scored") == 10);
    assert!(reasons(&job).is_empty(), "nothing is a dead letter for want of an answer");

    door.open();
    wait_until("what waited flows", STEP, || node.sum("records.scored") == 20);
    wait_until("the registry is there again", STEP, || node.status()["schema_registry"]["reachable"] == true);
    node.stop();
    job.assert_all_committed();
    assert!(reasons(&job).is_empty());
    assert_eq!(job.kafka.read(&job.outputs).len(), 45, "each once");
}

/// The package's schema with the type of one field in another subject. Returns its id.
pub fn with_reference(registry: &RealRegistry, subject: &str) -> u32 {
    let mut schema = transaction_schema();
    let fields = schema["fields"].as_array_mut().unwrap();
    let channel = fields.iter_mut().find(|field| field["name"] == "channel").unwrap();
    let mut definition = channel["type"].take();
    definition["namespace"] = "scorewire.payments".into();
    channel["type"] = "scorewire.payments.Channel".into();
    let of_type = unique_name("channel");
    registry.register(&of_type, &definition.to_string(), &[]);
    registry.register(subject, &schema.to_string(), &[("scorewire.payments.Channel", of_type.as_str(), 1)])
}

#[test]
fn types_of_other_subjects_are_fetched_with_the_schema() {
    let Some((registry, job)) = parts("registry-refs", 1) else { return };
    let id = with_reference(&registry, &format!("{}-value", job.input));
    job.kafka.produce(&job.input, &records(id, 10, 0));
    let settings = settings(&registry.url(), &job);
    let finished = job.run_until_end(&settings.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(reasons(&job).is_empty(), "{}", finished.stderr);
    assert_eq!(job.kafka.read(&job.outputs).len(), 10);
}

#[test]
fn many_ids_are_read_and_a_flood_of_unknown_ones_slows_only_its_own_partition() {
    let Some((registry, job)) = parts("registry-flood", 2) else { return };
    let subject = format!("{}-value", job.input);
    let ids: Vec<u32> = (0..60).map(|at| registry.register(&subject, &variant(&format!("v{at}")), &[])).collect();
    let good: Vec<TestRecord> = ids.iter().flat_map(|id| records(*id, 1, 0)).collect();
    let flood: Vec<TestRecord> = (0..300).flat_map(|at| records(4_000_000_000 + at, 1, 1)).collect();
    job.kafka.produce(&job.input, &flood);
    let mut node = start(&job, &settings(&registry.url(), &job));
    job.kafka.produce(&job.input, &good);
    wait_until("all good ones", STEP, || node.sum("records.scored") == 60);
    wait_until("the flood ends", STEP, || node.sum("records.rejected") == 300);
    node.stop();
    job.assert_all_committed();
    assert!(reasons(&job).iter().all(|reason| reason == "unknown_schema"));
}

#[test]
fn a_writer_that_does_not_fit_is_refused_by_its_id_and_the_others_are_scored() {
    let Some((registry, job)) = parts("registry-misfit", 1) else { return };
    let mut schema = transaction_schema();
    let fields = schema["fields"].as_array_mut().unwrap();
    fields.iter_mut().find(|field| field["name"] == "amount").unwrap()["type"] = "string".into();
    let (misfit, good) = (unique_name("misfit"), format!("{}-value", job.input));
    let misfit = registry.register(&misfit, &schema.to_string(), &[]);
    let good = registry.register(&good, &variant("good"), &[]);
    job.kafka.produce(&job.input, &[records(misfit, 3, 0), records(good, 3, 0)].concat());
    let mut node = start(&job, &settings(&registry.url(), &job));
    wait_until("all of them", STEP, || node.sum("records.scored") + node.sum("records.rejected") == 6);
    // A lane tells of schemas a moment after it has used them.
    wait_until("the alarm", STEP, || {
        let alarms = node.status()["alarms"].to_string();
        alarms.contains(&format!("schema id {misfit}")) && alarms.contains("amount")
    });
    node.stop();
    assert_eq!(reasons(&job), ["incompatible_schema"; 3]);
}

#[test]
fn registering_is_an_act_of_its_own_and_a_start_without_it_is_refused() {
    let Some((registry, job)) = parts("registry-register", 1) else { return };
    let all = settings(&registry.url(), &job);
    let without: Vec<&str> =
        all.iter().map(String::as_str).filter(|setting| !setting.contains("auto_register")).collect();
    let refused = job.run_until_end(&without);
    assert_eq!(refused.code(), Some(78), "{}", refused.stderr);
    let outputs = format!("{}-value", job.outputs);
    assert!(
        refused.stderr.contains(&outputs) && refused.stderr.contains("scorewire schema register"),
        "{}",
        refused.stderr
    );

    let run = |args: &[&str]| said_by(&job, args, &without);
    let (code, said, _) = run(&["schema", "register", "--dry-run"]);
    assert_eq!((code, registry.versions(&outputs)), (Some(0), 0));
    assert!(said.contains(&format!("{outputs}: the schema of topics.outputs: the subject is new")), "{said}");
    let (code, _, said) = run(&["config", "check", "--connect"]);
    assert!(code == Some(69) && said.contains("problem"), "{said}");
    let (code, said, _) = run(&["schema", "register"]);
    assert!(code == Some(0) && said.contains("registered, id "), "{said}");
    let (code, said, _) = run(&["schema", "register"]);
    assert!(code == Some(0) && said.matches("is registered, id ").count() == 2, "{said}");
    let (code, said, wrong) = run(&["config", "check", "--connect"]);
    assert_eq!(code, Some(0), "{said}{wrong}");
    assert!(said.contains(&format!("{} answers", registry.url())) && said.contains(&outputs), "{said}");
    let finished = job.run_until_end(&without);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}

#[test]
fn a_subject_of_another_program_is_left_alone() {
    let Some((registry, job)) = parts("registry-others", 1) else { return };
    let outputs = format!("{}-value", job.outputs);
    let others = json!({ "type": "record", "name": "Others", "fields": [{ "name": "x", "type": "long" }] });
    registry.register(&outputs, &others.to_string(), &[]);
    let (status, answer) =
        registry.ask("PUT", &format!("/config/{outputs}"), Some(&json!({ "compatibility": "BACKWARD" })));
    assert_eq!(status, 200, "{answer}");
    let all = settings(&registry.url(), &job);
    let (code, said, wrong) = said_by(&job, &["schema", "register"], &all);
    assert_eq!(code, Some(78), "{said}{wrong}");
    assert!(said.contains("is not compatible") && wrong.contains("nothing was registered"), "{said}{wrong}");
    assert_eq!((registry.versions(&outputs), registry.versions(&format!("{}-value", job.review))), (1, 0));
    let refused = job.run_until_end(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused.code(), Some(78), "{}", refused.stderr);
}

#[test]
fn the_very_first_start_needs_the_registry_and_says_so() {
    let Some((registry, job)) = parts("registry-first", 1) else { return };
    let mut door = registry.behind_a_door();
    door.close();
    let all = settings(&door.url(), &job);
    let refused = job.run_until_end(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused.code(), Some(69), "{}", refused.stderr);
    let outputs = format!("subject {}-value", job.outputs);
    assert!(refused.stderr.contains(&outputs) && refused.stderr.contains("refused"), "{}", refused.stderr);
}

#[test]
fn a_registry_that_is_only_read_is_never_asked_for_schemas_of_ours() {
    let Some((registry, job)) = parts("registry-read-only", 1) else { return };
    let mut all: Vec<String> =
        settings(&registry.url(), &job).into_iter().filter(|set| !set.contains("auto_register")).collect();
    all.push("schemas.registry.outputs=single_object".to_owned());
    let id = registry.register(&format!("{}-value", job.input), &variant("read only"), &[]);
    job.kafka.produce(&job.input, &records(id, 10, 0));
    let mut node = start(&job, &all);
    wait_until("all of them", STEP, || node.sum("records.scored") == 10);
    let shown = node.status()["schema_registry"].clone();
    assert_eq!((&shown["outputs"], &shown["review"]), (&"single_object".into(), &"single_object".into()));
    node.stop();
    let outputs = job.kafka.read(&job.outputs);
    let read: Vec<(i32, i64)> = outputs.into_iter().map(|output| Outcome::of_output(output).source()).collect();
    assert_eq!(read, (0..10).map(|offset| (0, offset)).collect::<Vec<_>>());
    for topic in [&job.outputs, &job.review] {
        assert_eq!(registry.versions(&format!("{topic}-value")), 0);
    }

    let run = |args: &[&str]| {
        let (code, said, wrong) = said_by(&job, args, &all);
        (code, said + &wrong)
    };
    let (code, said) = run(&["schema", "register"]);
    assert!(code == Some(78) && said.contains("nothing was registered") && said.contains("outputs"), "{said}");
    let (code, said) = run(&["config", "check", "--connect"]);
    assert!(code == Some(0) && said.contains("the registry is only read"), "{said}");
    assert!(!said.contains(&format!("{}-value", job.outputs)), "{said}");
}
