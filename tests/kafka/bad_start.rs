//! A process that cannot do its job says so before it takes a record: what is wrong, how to mend it, and an exit code
//! that a supervisor can tell apart.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::job::package;
use crate::common::process::Finished;
use crate::common::{Job, RealKafka, Running, STEP, Transactions, free_port};
use scorewire::error::exit;
use scorewire::load::simulate::payloads::Framing;

/// A job with one record waiting that nobody may touch.
fn job(kafka: &RealKafka, purpose: &str) -> Job {
    let job = Job::new(kafka, purpose, 1);
    kafka.produce(&job.input, &[Transactions::new(Framing::SingleObject).next(0)]);
    job
}

/// Asserts that the run failed with the code, said all of this, and left the job as it was.
#[track_caller]
fn assert_refused(job: &Job, finished: &Finished, code: u8, says: &[&str]) {
    assert_eq!((finished.code(), finished.stdout.as_str()), (Some(code.into()), ""), "{}", finished.stderr);
    for part in says {
        assert!(finished.stderr.contains(part), "no {part:?} in:\n{}", finished.stderr);
    }
    assert!(finished.stderr.contains("fix: "), "no fix in:\n{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(job.committed().is_empty(), "nothing was committed");
    assert!(job.kafka.read(&job.outputs).is_empty(), "nothing was scored");
}

#[test]
fn missing_topics_are_named_all_at_once() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::without_topics(&kafka, "no-topics");
    kafka.create_topic(&job.input, 1, &[]);
    kafka.create_topic(&job.outputs, 1, &[]);
    let finished = job.run_until_end(&[]);
    assert_refused(&job, &finished, exit::UNAVAILABLE, &[&job.review, &job.dead_letters, &job.timeouts, "--create"]);
    assert!(!finished.stderr.contains(&format!("topic {}", job.outputs)), "{}", finished.stderr);
}

#[test]
fn a_broker_that_does_not_answer_is_told_apart() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-broker");
    let nobody = format!("127.0.0.1:{}", free_port());
    let finished = job.run_until_end(&[&format!("kafka.bootstrap={nobody}")]);
    assert_refused(&job, &finished, exit::UNAVAILABLE, &["no answer from Kafka", &nobody, "kafka.bootstrap"]);
}

#[test]
fn a_new_group_must_be_told_where_to_start() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-start");
    let text = fs::read_to_string(job.config()).unwrap().replace("start_at = \"earliest\"\n", "");
    fs::write(job.config(), text).unwrap();
    let finished = job.run_until_end(&[]);
    assert_refused(&job, &finished, exit::CONFIG, &["kafka.start_at", "earliest", "latest", &job.group]);

    // "latest" takes what comes after the start, and commits that start before the first record.
    let finished = job.run_until_end(&["kafka.start_at=latest"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(job.committed(), [(0, 1)]);
    assert!(kafka.read(&job.outputs).is_empty());
}

#[test]
fn a_core_outside_the_cpuset_is_refused() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-core");
    let finished = job.run_until_end(&["lanes.cores=1023"]);
    assert_refused(&job, &finished, exit::CONFIG, &["lanes.cores", "1023"]);
}

#[test]
fn a_key_that_nobody_knows_is_refused_with_the_nearest_one() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-key");
    let mut text = fs::read_to_string(job.config()).unwrap();
    text.push_str("\n[limits]\nbatch_rows_maxx = 5\n\n[revue]\npayload = \"raw\"\n");
    fs::write(job.config(), text).unwrap();
    let finished = job.run_until_end(&[]);
    let says = ["batch_rows_maxx", "limits.batch_rows_max", "revue", "2 problems"];
    assert_refused(&job, &finished, exit::CONFIG, &says);
}

#[test]
fn a_missing_or_wrong_onnxruntime_is_refused() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-runtime");
    let absent = job.folder().join("absent.so");
    let finished = job.run_until_end(&[&format!("model.onnxruntime={}", absent.display())]);
    assert_refused(&job, &finished, exit::SYSTEM, &["absent.so", "scripts/onnxruntime"]);

    let text = job.folder().join("text.so");
    fs::write(&text, "not a library").unwrap();
    let finished = job.run_until_end(&[&format!("model.onnxruntime={}", text.display())]);
    assert_refused(&job, &finished, exit::SYSTEM, &["text.so", "is not a shared library"]);

    let finished = job.run_until_end(&[&format!("model.onnxruntime={}", some_other_library().display())]);
    assert_refused(&job, &finished, exit::SYSTEM, &["not ONNX Runtime"]);
}

/// A shared library that every process has: the one with the C library in it.
fn some_other_library() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").expect("the maps are readable");
    let is_libc = |path: &&str| path.contains("/libc.so") || path.contains("/libc-");
    maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(is_libc).expect("linked to it").into()
}

/// A copy of the example package that a test may spoil.
fn copied_package(job: &Job) -> PathBuf {
    let copy = job.folder().join("package");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(package()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_model_that_is_not_the_one_that_was_verified_is_refused() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "wrong-hash");
    let copy = copied_package(&job);
    let mut model = fs::read(copy.join("model.onnx")).unwrap();
    *model.last_mut().unwrap() ^= 1;
    fs::write(copy.join("model.onnx"), model).unwrap();
    let finished = job.run_until_end(&[&format!("model.package={}", copy.display())]);
    assert_refused(&job, &finished, exit::MODEL, &["sha256", "model.onnx"]);
}

#[test]
fn a_schema_without_a_needed_feature_is_refused() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-feature");
    let copy = copied_package(&job);
    edit(&copy.join("transaction.avsc"), "\"is_weekend\"", "\"is_holiday\"");
    let finished = job.run_until_end(&[&format!("model.package={}", copy.display())]);
    assert_refused(&job, &finished, exit::MODEL, &["is_weekend"]);
}

#[test]
fn a_folder_of_schemas_none_of_which_can_be_used_is_refused() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-schema");
    let schemas = job.folder().join("schemas");
    fs::create_dir(&schemas).unwrap();
    let text = fs::read_to_string(package().join("transaction.avsc")).unwrap();
    fs::write(schemas.join("17.avsc"), text.replacen("\"scale\": 2", "\"scale\": 4", 1)).unwrap();
    fs::write(schemas.join("18.avsc"), "[").unwrap();
    let directory = format!("schemas.directory={}", schemas.display());
    let finished = job.run_until_end(&[&directory]);
    assert_refused(&job, &finished, exit::CONFIG, &["schema id 17", "scale 4", "18.avsc", "is no JSON"]);
}

#[test]
fn golden_rows_that_do_not_hold_are_refused() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = job(&kafka, "no-gold");
    let copy = copied_package(&job);
    let text = fs::read_to_string(copy.join("golden.csv")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (row, _) = lines[1].rsplit_once(',').unwrap();
    lines[1] = format!("{row},0.987654");
    fs::write(copy.join("golden.csv"), lines.join("\n") + "\n").unwrap();
    let finished = job.run_until_end(&[&format!("model.package={}", copy.display())]);
    assert_refused(&job, &finished, exit::MODEL, &["golden"]);
}

#[test]
fn load_refuses_what_run_refuses() {
    let Some(kafka) = RealKafka::connect() else { return };
    let job = Job::without_topics(&kafka, "load-no-topics");
    let finished = job.load(&["--seconds", "1"]).wait(STEP);
    assert_eq!((finished.code(), finished.stdout.as_str()), (Some(exit::UNAVAILABLE.into()), ""));
    assert!(finished.stderr.contains(&job.outputs) && finished.stderr.contains("fix: "), "{}", finished.stderr);

    let mut command = job.command(&[]);
    let finished = Running::spawn(command.args(["--listen", "nowhere"])).wait(STEP);
    assert_eq!(finished.code(), Some(exit::CONFIG.into()), "{}", finished.stderr);
    assert!(finished.stderr.contains("admin.listen"), "{}", finished.stderr);
}
