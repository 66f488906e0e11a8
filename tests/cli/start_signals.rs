//! Signals that come before a process has begun to score: none ends it by the system's habit, each is said, and one that asks
//! for an end is heard though a broker is waited for.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::common::job::package;
use crate::common::{Running, STEP, scorewire, wait_for};
use rustix::process::Signal;

/// What means nothing, and how that is said.
const HEARD: [(Signal, &str); 3] = [(Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")];

/// A start that waits: its configuration comes through a pipe, and its broker takes connections and never answers.
struct Start {
    process: Running,
    config: File,
    broker: TcpListener,
}

impl Start {
    /// One that has begun to read its configuration.
    fn reading() -> Start {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("scorewire.toml");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        broker.set_nonblocking(true).unwrap();
        let process = Running::spawn(scorewire().arg("run").arg("--config").arg(&pipe));
        // Opens when the process opens it to read.
        let config = OpenOptions::new().write(true).open(&pipe).unwrap();
        Start { process, config, broker }
    }

    /// Lets it read on to the end.
    fn go_on(self) -> (Running, TcpListener) {
        let Start { process, mut config, broker } = self;
        let (address, package) = (broker.local_addr().unwrap(), package());
        write!(
            config,
            "[kafka]\nbootstrap = \"{address}\"\ngroup = \"g\"\nstart_at = \"earliest\"\n\
             [model]\npackage = \"{}\"\n[admin]\nlisten = \"off\"\n",
            package.display()
        )
        .unwrap();
        (process, broker)
    }
}

/// The connection of a process that waits for its answer from now on.
fn waiting(process: &mut Running, broker: &TcpListener) -> TcpStream {
    wait_for("it asks the broker", STEP, || {
        assert!(process.is_running(), "it ended:\n{}", process.stderr());
        broker.accept().ok().map(|(stream, _)| stream)
    })
}

/// It ends as one that has nothing to drain: the broker that does not answer would end it with another code.
#[track_caller]
fn assert_ended_in_order(process: &mut Running) {
    let finished = process.wait(STEP);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("told to stop while starting"), "{}", finished.stderr);
}

#[test]
fn signals_that_mean_nothing_are_said_from_the_very_beginning() {
    let start = Start::reading();
    start.process.signal(Signal::HUP);
    let (mut process, broker) = start.go_on();
    let _asked = waiting(&mut process, &broker);
    process.wait_until_says("SIGHUP", STEP);
    for (signal, says) in &HEARD[1..] {
        process.signal(*signal);
        process.wait_until_says(says, STEP);
    }
    process.signal(Signal::QUIT);
    assert_ended_in_order(&mut process);
}

#[test]
fn an_end_is_heard_while_a_broker_is_waited_for() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut process, broker) = Start::reading().go_on();
        let _asked = waiting(&mut process, &broker);
        process.signal(signal);
        assert_ended_in_order(&mut process);
    }
}

#[test]
fn an_end_that_is_asked_for_while_the_configuration_is_read_is_heard() {
    let start = Start::reading();
    start.process.signal(Signal::QUIT);
    let (mut process, _broker) = start.go_on();
    assert_ended_in_order(&mut process);
}

/// Whoever signals twice does not wait for anything, and is still told what it means.
#[test]
fn a_second_signal_leaves_at_once_and_says_so() {
    let Start { mut process, config: _stays_open, .. } = Start::reading();
    process.signal(Signal::TERM);
    process.signal(Signal::INT);
    let finished = process.wait(STEP);
    assert_eq!(finished.code(), Some(75), "{}", finished.stderr);
    let told = "a second signal: left at once, with code 75; what was in flight is scored again by the next owner\n";
    assert_eq!(finished.stderr, format!("scorewire: {told}"));
}
