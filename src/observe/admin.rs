//! HTTP on loopback: `/livez`, `/readyz`, `/metrics`, `/status`, `/latency.hlog`, and `/`, which lists them. One thread of its own, pinned nowhere, so that a
//! scrape never takes time from a lane.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use super::connections::{self, ConnectionLimits};
use super::health::Health;
use super::latency_log;
use super::metrics::{self, Metrics};
use super::stats::merged_times;
use super::status::Status;
use crate::error::{Fatal, exit};

pub use super::state::{AdminState, CONTACT_GRACE, ModelInfo, Phase};

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
