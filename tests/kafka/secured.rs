//! Mistakes in the connection to a secured cluster. Ten of them gave two messages, and a debug log of everything said no more.
//! Each is told by `config check --connect` and by `run` with its cause, and no two alike.
//!
//! `SCOREWIRE_TEST_TABLE=1 cargo test --test kafka secured -- --nocapture` prints mistake, exit code and message.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::common::process::scorewire;
use crate::common::{self, Job, OwnKafka, Running, STEP};
use crate::secured_support::{self, Mistake, World, grant};
use scorewire::error::exit;

/// Mistakes at a time: each mostly waits.
const AT_ONCE: usize = 8;

/// Code and words of both commands.
struct Told {
    took: [std::time::Duration; 2],
    check: (Option<i32>, String),
    run: (Option<i32>, String),
}

/// `config check --connect` with these settings.
fn check(world: &World<'_>, settings: &[String]) -> Command {
    let mut command = scorewire();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "config",
        "check",
        "--connect",
        "--timeout",
        "4",
        "--config",
    ]);
    command.arg(world.job.config());
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

/// The client's own OpenSSL looks for CA certificates where it was built.
fn what_is_sound_is_told_with_the_ca_of_the_environment(world: &World<'_>) {
    let bootstrap = format!("kafka.bootstrap={}", world.own.said("ssl"));
    let settings = [&bootstrap, "kafka.properties.security.protocol=SSL", "delivery=exactly_once"].map(str::to_owned);
    let finished = Running::spawn(check(world, &settings).env("SSL_CERT_FILE", world.file("ca.pem"))).wait(STEP);
    assert_eq!(finished.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    let Job { input, outputs, group, .. } = world.job;
    for point in [
        format!("ok       Kafka answers at {} (SSL)", world.own.said("ssl")),
        format!("ok       broker 1 at {}", world.own.said("ssl")),
        format!("ok       topic {input} (topics.input): 1 partitions, 1 replicas, Read is allowed"),
        format!("ok       topic {outputs} (topics.outputs): 1 partitions, 1 replicas, Write is allowed"),
        format!("ok       group {group}: 0 members now, Read is allowed"),
        format!("ok       transactions: {group}/test/0 and so on may be used"),
        "note     the cluster has one broker".to_owned(),
        "the cluster holds".to_owned(),
    ] {
        assert!(finished.stdout.contains(&point), "no {point:?} in:\n{}", finished.stdout);
    }
}

fn an_advertised_address_that_leads_nowhere_is_told(world: &World<'_>) {
    let bootstrap = format!("kafka.bootstrap={}", world.own.said("faraway"));
    let settings = [bootstrap, "kafka.properties.broker.address.family=v4".to_owned()];
    let finished = Running::spawn(&mut check(world, &settings)).wait(STEP);
    assert_eq!(finished.code(), Some(exit::UNAVAILABLE.into()), "{}{}", finished.stdout, finished.stderr);
    for part in ["localhost:1", "advertised", "nothing listens there", "advertised.listeners"] {
        assert!(finished.stdout.contains(part), "no {part:?} in:\n{}", finished.stdout);
    }
}

fn try_out(world: &World<'_>, mistake: &Mistake) -> Told {
    let mut settings =
        vec![format!("kafka.bootstrap={}", mistake.bootstrap), "kafka.properties.broker.address.family=v4".to_owned()];
    settings.extend(mistake.settings.iter().cloned());
    // A folder without a package is told beside, and spares the check of a model for each mistake.
    let no_package = format!("model.package={}", world.job.folder().display());
    let mut command = check(world, &[settings.clone(), vec![no_package]].concat());
    let start = std::time::Instant::now();
    let check = Running::spawn(&mut command).wait(STEP);
    let checked = start.elapsed();
    // The proof that scorewire's own kernel holds takes seconds, and has nothing to do with this.
    settings.push("model.trees=onnxruntime".to_owned());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let run = world.job.run_until_end(&settings);
    Told {
        took: [checked, start.elapsed() - checked],
        check: (check.code(), check.stdout + &check.stderr),
        run: (run.code(), run.stderr),
    }
}

/// The lines that say what is wrong, without what differs by chance: for comparing, and for the table.
fn message(text: &str) -> String {
    let tells = |line: &&str| {
        ["problem ", "scorewire: ", "fatal: ", "     fix: ", "  fix: "].iter().any(|start| line.contains(start))
            || line.starts_with("  1. ")
    };
    text.lines().filter(tells).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_mistake_is_told_by_its_cause_and_no_two_alike() {
    let Some(own) = OwnKafka::secured("secured") else { return };
    let job = Job::new(own.kafka(), "secured", 1);
    own.kafka().produce(&job.input, &[common::TestRecord::new(0).value("no record")]);
    let world = World { own: &own, job: &job };
    grant(&world);
    let mistakes = secured_support::all(&world);
    let (next, told) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((at, mistake)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, mistakes.get(at)?)))
                {
                    let answer = try_out(&world, mistake);
                    told.lock().unwrap().insert(at, answer);
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    let (mut checks, mut runs) = (BTreeMap::new(), BTreeMap::new());
    let mut logs_name_login_and_fix = false;
    for (mistake, Told { took, check, run }) in mistakes.iter().zip(told.into_values()) {
        let name = mistake.name;
        if std::env::var_os("SCOREWIRE_TEST_TABLE").is_some() {
            println!(
                "## {name} {took:?}\ncheck: {:?}\n{}\nrun: {:?}\n{}\n",
                check.0,
                message(&check.1),
                run.0,
                message(&run.1)
            );
        }
        // What a lane's clients say while it runs comes the same way.
        logs_name_login_and_fix |= run.1.lines().any(|line| {
            let parts =
                ["ERROR kafka", "invalid credentials", "login=SASL_SSL, SCRAM-SHA-256 as User:nobody", "fix=the user"];
            parts.iter().all(|part| line.contains(part))
        });
        for (command, (code, text), seen) in [("check", check, &mut checks), ("run", run, &mut runs)] {
            assert_eq!(code, Some(mistake.code.into()), "{name}: {command}:\n{text}");
            for part in mistake.says {
                assert!(message(&text).contains(part), "{name}: {command}: no {part:?} in:\n{text}");
            }
            assert!(text.contains("fix: "), "{name}: {command}: no fix in:\n{text}");
            assert!(!text.contains("panicked") && !text.contains("error -"), "{name}: {command}:\n{text}");
            if let Some(other) = seen.insert(message(&text), name) {
                panic!("{command}: {name} and {other} are told alike:\n{text}");
            }
        }
    }
    assert!(logs_name_login_and_fix, "the log of a process names the login and a fix");
    assert!(own.kafka().read(&job.outputs).is_empty(), "nothing was scored");
    what_is_sound_is_told_with_the_ca_of_the_environment(&world);
    an_advertised_address_that_leads_nowhere_is_told(&world);
}
