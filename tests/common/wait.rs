//! Readiness instead of sleeps: ask again until the answer is there or the deadline passes.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two questions: short beside what tests wait for, long beside what a question costs.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Asks `probe` until it has an answer. Panics with `what` when `deadline` passes first; a slow machine is no
/// failure, so deadlines are generous.
#[track_caller]
pub fn wait_for<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "{what}: not within {deadline:?}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// [`wait_for`] where the answer is yes or no.
#[track_caller]
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, deadline, || condition().then_some(()));
}

/// A loopback port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
