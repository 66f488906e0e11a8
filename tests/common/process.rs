//! Processes under guard: whatever a test starts ends with it, and its output is at hand when the test fails.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait::{wait_for, wait_until};

/// Characters of a failed test's child output that are shown.
const SHOWN_TAIL: usize = 4_000;

/// The product's binary as built for this test run, free of configuration from the environment the tests run in.
pub fn scorewire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorewire"));
    for (name, _) in std::env::vars_os() {
        // `SCOREWIRE__SECTION__KEY` overrides the file; a test says all it means itself.
        if name.to_string_lossy().starts_with("SCOREWIRE__") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

/// How a process ended and everything it said.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The exit code; `None` when a signal ended the process.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// A child whose output is read all the time (so that it never blocks on a full pipe), and which is killed and reaped
/// when the guard is dropped.
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(mut pipe: impl Read + Send + 'static) -> Stream {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(count) = pipe.read(&mut chunk) {
                if count == 0 {
                    break;
                }
                shared.lock().expect("no reader panics").extend_from_slice(&chunk[..count]);
            }
        });
        Stream { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no reader panics")).into_owned()
    }

    /// All of it: waits for the end of the pipe, so call it only when the process is gone.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        self.so_far()
    }
}

impl Running {
    pub fn spawn(command: &mut Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Stream::read(child.stdout.take().expect("stdout is piped"));
        let stderr = Stream::read(child.stderr.take().expect("stderr is piped"));
        Running { child, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    pub fn signal(&self, signal: Signal) {
        // Not reaped yet, so the number still belongs to this child even if it has ended.
        kill_process(Pid::from_child(&self.child), signal).expect("the child is ours");
    }

    /// SIGTERM: a clean stop is asked for.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL: a crash.
    pub fn crash(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits until `GET /readyz` on the process's admin port answers 200. Panics, with what it said, when it ends first.
    #[track_caller]
    pub fn wait_until_ready(&mut self, admin_port: u16, deadline: Duration) {
        wait_until("the process is ready", deadline, || {
            assert!(self.is_running(), "it ended before it was ready:\n{}{}", self.stdout(), self.stderr());
            http_get(admin_port, "/readyz").is_some_and(|(status, _)| status == 200)
        });
    }

    /// Waits until its standard output or error holds `text`. Panics, with what it said, when it ends without.
    #[track_caller]
    pub fn wait_until_says(&mut self, text: &str, deadline: Duration) {
        wait_until(&format!("the process says {text:?}"), deadline, || {
            // Asked first: what it wrote before it ended is there when its end is seen and the pipes are read out.
            let is_running = self.is_running();
            let says = |said: String| said.contains(text);
            let has_said = says(self.stdout()) || says(self.stderr());
            if is_running || has_said {
                return has_said;
            }
            let (stdout, stderr) = (self.stdout.whole(), self.stderr.whole());
            assert!(stdout.contains(text) || stderr.contains(text), "it ended without it:\n{stdout}{stderr}");
            true
        });
    }

    /// Waits for the end. Panics (and kills the child) when `deadline` passes first.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> Finished {
        let child = &mut self.child;
        let status = wait_for("the process ends", deadline, || child.try_wait().expect("the child is ours"));
        Finished { status, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the child has ended and been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            for (name, text) in [("stdout", self.stdout.so_far()), ("stderr", self.stderr.so_far())] {
                let tail: String = text.chars().skip(text.chars().count().saturating_sub(SHOWN_TAIL)).collect();
                eprintln!("--- {name} of process {} ends with:\n{tail}", self.child.id());
            }
        }
    }
}

/// One GET on loopback: status code and body, or `None` when nobody answers (yet).
pub fn http_get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
