//! HTTP on loopback: `/livez`, `/readyz`, `/metrics`, `/status`, `/latency.hlog`, and `/`, which lists them. One thread of its own, pinned nowhere, so that a
//! scrape never takes time from a lane.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use super::connections::{self, ConnectionLimits};
use super::dead_letter_share::SharedShare;
use super::latency_log;
use super::metrics::{self, Metrics, merged_times};
use super::stats::{Counter, LaneStats, held};
use super::status::Status;
use crate::edge::Clock;
use crate::error::{Fatal, exit};
use crate::kafka::settings::Topics;
use crate::memory;
use crate::pipeline::limits::Limits;

/// How much longer than a session the group may be silent: a rebalance waits for a member that is gone as long as that one's
/// session.
pub const CONTACT_GRACE: Duration = Duration::from_secs(2);

/// The model that scores, as it was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    pub name: String,
    pub version: String,
    pub sha256: String,
    /// The provider really used: `CPU` or `CUDA`.
    pub provider: String,
    /// How much the heap grew when the sessions of all lanes were loaded.
    pub native_bytes: u64,
}

/// Where the process is in its life; set by whoever runs it.
#[derive(Debug, Default)]
pub struct Phase {
    /// The model is verified and warm.
    warm: AtomicBool,
    stopping: AtomicBool,
}

impl Phase {
    pub fn set_warm(&self) {
        self.warm.store(true, Ordering::Release);
    }

    /// From here on the process drains and is not ready.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }
}

/// Everything that the endpoints show.
pub struct AdminState {
    pub node: String,
    pub group: String,
    pub topics: Topics,
    pub lanes: Vec<Arc<LaneStats>>,
    pub model: ModelInfo,
    pub limits: Limits,
    /// How long the group may be silent before the process is not ready.
    pub contact_timeout: Duration,
    /// The limits by their configuration names, for `/status`.
    pub limits_shown: serde_json::Value,
    pub phase: Arc<Phase>,
    /// The share of dead letters, as whoever conducts the lanes counts it.
    pub dead_letter_share: SharedShare,
    /// The clock that the lanes stamp their cycles with.
    pub clock: Arc<dyn Clock + Send + Sync>,
    /// The clock's time at start, nanoseconds.
    pub started_ns: u64,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("node", &self.node).field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

/// An answer of yes, or why not.
///
/// What makes a process unready is what another process of the group would not have: no model, no membership, no contact,
/// no acknowledgements. What is wrong with the data (a partition that is stopped or waits for a schema, many dead letters) is
/// an alarm and keeps it ready: it is the same wherever the partition goes, and would take every process out of rotation
/// one after the other, or hold up the rollout that mends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub problems: Vec<String>,
}

impl Health {
    pub fn is_ready(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Whether a lane has left, in order or for good.
fn ended(stats: &LaneStats) -> bool {
    stats.ended.load(Ordering::Acquire)
}

/// Whether a lane has joined its group.
pub fn joined(stats: &LaneStats) -> bool {
    stats.joined.load(Ordering::Acquire)
}

impl AdminState {
    /// What the heap holds apart from the model: the Kafka clients' queues, buffers and TLS, and a few megabytes of the
    /// lanes and this page.
    pub fn client_native_bytes(&self) -> u64 {
        memory::heap_bytes().saturating_sub(self.model.native_bytes)
    }

    pub fn uptime(&self) -> Duration {
        Duration::from_nanos(self.clock.now_ns().saturating_sub(self.started_ns))
    }

    /// How long a lane's outcomes have been waiting without any acknowledgement.
    pub fn sink_stalled(&self, stats: &LaneStats) -> Duration {
        match stats.sink_stalled_since_ms.get() {
            0 => Duration::ZERO,
            since => {
                let now_ms = u64::try_from(self.wall_ms()).unwrap_or(0);
                Duration::from_millis(now_ms.saturating_sub(since))
            }
        }
    }

    /// Wall clock, milliseconds since the epoch.
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_us() / 1_000
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ns() / 1_000_000
    }

    /// How long ago it was what stands in a mark of monotonic milliseconds; `None` where it never was.
    pub fn since(&self, mark: &Counter) -> Option<Duration> {
        let at_ms = mark.get();
        (at_ms > 0).then(|| Duration::from_millis(self.now_ms().saturating_sub(at_ms)))
    }

    /// That a lane's group has been silent for too long, and what the client said of it.
    fn out_of_contact(&self, lane: usize, stats: &LaneStats) -> Option<String> {
        let silent = self.since(&stats.group_contact_ms).filter(|silent| *silent > self.contact_timeout)?;
        let ms = silent.as_millis();
        Some(format!("lane {lane}: nothing was heard from the group for {ms} ms{}", Self::complaint(stats)))
    }

    fn complaint(stats: &LaneStats) -> String {
        let words = stats.complaint.get().and_then(|complaint| complaint.text());
        words.map_or_else(String::new, |words| format!(": {words}"))
    }

    /// Whether every lane still turns. Kafka has no say in it: a restart does not mend a broker.
    pub fn liveness(&self) -> Health {
        let now_ms = self.now_ms();
        let turning = self.lanes.iter().enumerate().filter(|(_, stats)| !ended(stats));
        let limit_ms = u64::try_from(self.limits.watchdog_timeout.as_millis()).unwrap_or(u64::MAX);
        let hung =
            turning.filter_map(|(lane, stats)| stats.hung(now_ms, limit_ms).map(|what| format!("lane {lane} {what}")));
        Health { problems: hung.collect() }
    }

    /// Whether records are being scored and delivered, or would be if there were any.
    pub fn readiness(&self) -> Health {
        let mut problems = Vec::new();
        if !self.phase.warm.load(Ordering::Acquire) {
            problems.push("the model is not verified and warm yet".to_owned());
        }
        if self.phase.stopping.load(Ordering::Acquire) {
            problems.push("stopping".to_owned());
        }
        for (lane, stats) in self.lanes.iter().enumerate() {
            if let Some(why) = stats.failure.get() {
                problems.push(format!("lane {lane} cannot go on: {why}"));
            } else if ended(stats) {
                problems.push(format!("lane {lane} has ended"));
            } else if !joined(stats) {
                problems.push(format!("lane {lane} has not joined the group{}", Self::complaint(stats)));
            } else {
                problems.extend(self.out_of_contact(lane, stats));
                problems.extend(held(&stats.no_input).as_ref().map(|why| format!("lane {lane}: {why}")));
            }
            let stalled = self.sink_stalled(stats);
            if stalled > self.limits.sink_stall_unready {
                problems.push(format!("lane {lane}: no outcome acknowledged for {} ms", stalled.as_millis()));
            }
        }
        Health { problems }
    }
}

/// The running endpoints; dropping it stops them.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminServer {
    /// Where it listens, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts to answer on `listen`.
///
/// # Errors
/// [`exit::SYSTEM`] when the address cannot be bound or no thread can be had.
pub fn start(listen: SocketAddr, state: Arc<AdminState>, limits: ConnectionLimits) -> Result<AdminServer, Fatal> {
    let failed = |error: std::io::Error| {
        let fix = match error.kind() {
            std::io::ErrorKind::AddrInUse => "stop the other process, or set admin.listen to another port or \"off\"",
            _ => "set admin.listen to an address of this machine, or \"off\"",
        };
        Fatal::new(exit::SYSTEM, format!("cannot listen on {listen} for /metrics and its neighbours: {error}"), fix)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
    let listener = {
        let _entered = runtime.enter();
        bind(listen).map_err(failed)?
    };
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopped) = oneshot::channel();
    let serve = move || runtime.block_on(connections::serve(listener, router(state), limits, stopped));
    #[expect(clippy::disallowed_methods, reason = "the thread of the port")]
    let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(serve).map_err(failed)?;
    Ok(AdminServer { address, stop: Some(stop), thread: Some(thread) })
}

fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A process that takes another's place does not wait for the other's last connections.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(connections::WAITING_MAX)
}

/// What is where, for whoever comes with a browser or curl.
const INDEX: &str = "\
scorewire: what this process shows of itself
/livez        200 while every lane turns: 503 is a reason to restart. Kafka has no say in it
/readyz       200 while records are scored and delivered, or would be; 503 says why not. Alarms stand below an ok
/status       one JSON document: problems, alarms, model, lanes, partitions with their lag, latency, memory, limits
/metrics      the same as numbers, in OpenMetrics for Prometheus; every name begins with scorewire_
/latency.hlog the latency histograms since start, an HdrHistogram log
";

#[derive(Clone)]
struct Shared {
    state: Arc<AdminState>,
    metrics: Arc<Metrics>,
}

fn router(state: Arc<AdminState>) -> Router {
    let metrics = Arc::new(Metrics::new(Arc::clone(&state)));
    Router::new()
        .route("/", get(|| async { INDEX }))
        .fallback(|path: Uri| async move {
            (StatusCode::NOT_FOUND, format!("nothing is at {}: / lists what is there\n", path.path()))
        })
        .route("/livez", get(|State(shared): State<Shared>| async move { answer(&shared.state.liveness()) }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(show_metrics))
        .route("/status", get(show_status))
        .route(latency_log::PATH, get(show_latency_log))
        .with_state(Shared { state, metrics })
}

fn answer(health: &Health) -> Response {
    if health.is_ready() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, health.problems.join("\n") + "\n").into_response()
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let (health, alarms) = (shared.state.readiness(), shared.state.alarms());
    if alarms.is_empty() {
        return answer(&health);
    }
    let (code, first) = match health.is_ready() {
        true => (StatusCode::OK, "ok, but".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\nalarms beside that:", health.problems.join("\n"))),
    };
    (code, format!("{first}\n{}\n", alarms.join("\n"))).into_response()
}

async fn show_metrics(State(shared): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], shared.metrics.text()).into_response()
}

async fn show_status(State(shared): State<Shared>) -> Response {
    match serde_json::to_string_pretty(&Status::of(&shared.state)) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn show_latency_log(State(shared): State<Shared>) -> Response {
    let state = &shared.state;
    let uptime = state.uptime();
    let started_us = state.clock.wall_us().saturating_sub(i64::try_from(uptime.as_micros()).unwrap_or(i64::MAX));
    match latency_log::write(&merged_times(&state.lanes), started_us, uptime) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}
