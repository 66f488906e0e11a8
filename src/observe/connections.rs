//! Connections to the admin port: so many at once, and each has so long to send a whole request. Where one more comes, the
//! one that has got on with nothing for longest makes room for it. So those who send nothing, or half of a request, keep
//! nobody out: a probe sends its request at once, and is answered before it is its turn.
#![expect(clippy::disallowed_methods, reason = "the admin port's own time: no record passes here")]

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// Connections that the kernel keeps until they are taken, which is 320 ms for the last one; a probe that it has no room for
/// tries again after a second.
pub const WAITING_MAX: u32 = 4_096;

/// Taken within [`PACE`] at most. With [`CONNECTIONS_MAX`] it bounds two things: what a flood costs of a core that a lane may
/// need, and how long a connection is sure to be kept (20 ms), which a probe's request on its heels needs.
const TAKEN_MAX: u32 = 128;
const PACE: Duration = Duration::from_millis(10);

const CONNECTIONS_MAX: usize = 256;

/// A head is a few hundred bytes; hyper would keep 400 kB for each connection.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// One that has asked counts as so much newer: an answer that is larger than the kernel's buffer is read to its end.
const HEAD_START: Duration = Duration::from_secs(1);

/// How long a stop waits for answers under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Until a descriptor may be free again.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    pub connections_max: usize,
    /// From a connection's beginning to the end of its first request's head.
    pub first_request: Duration,
    /// From there to the end of the next one's: for a request's body, the answer that is read slowly, and what stays idle.
    pub next_request: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            connections_max: CONNECTIONS_MAX,
            first_request: Duration::from_secs(5),
            // No scraper's usual interval, so that none sends its next request just as its connection is closed.
            next_request: Duration::from_secs(75),
        }
    }
}

impl ConnectionLimits {
    /// At most an eighth of the process's descriptors: the others are for Kafka.
    pub fn within(descriptors: Option<u64>) -> ConnectionLimits {
        let share = descriptors.map_or(usize::MAX, |all| usize::try_from(all / 8).unwrap_or(usize::MAX));
        ConnectionLimits { connections_max: CONNECTIONS_MAX.min(share).max(1), ..ConnectionLimits::default() }
    }
}

/// Answers on `listener` until told to stop.
pub async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits, stopped: oneshot::Receiver<()>) {
    let mut connections = Connections::new(router, limits);
    tokio::select! {
        () = connections.take_from(&listener) => {}
        _ = stopped => {}
    }
    drop(listener);
    connections.end().await;
}

/// How a connection gets on.
struct Progress {
    limits: ConnectionLimits,
    base: Instant,
    /// When it began, or its last request's head was whole; milliseconds after `base`.
    since_ms: AtomicU64,
    asked: AtomicBool,
    another: Notify,
}

impl Progress {
    fn begin(limits: ConnectionLimits) -> Arc<Progress> {
        let (since_ms, asked) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Progress { limits, base: Instant::now(), since_ms, asked, another: Notify::new() })
    }

    fn ask(&self) {
        let ms = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since_ms.store(ms, Relaxed);
        self.asked.store(true, Relaxed);
        self.another.notify_one();
    }

    fn since(&self) -> Instant {
        self.base + Duration::from_millis(self.since_ms.load(Relaxed))
    }

    fn has_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// When its time is over.
    fn due(&self) -> Instant {
        self.since() + if self.has_asked() { self.limits.next_request } else { self.limits.first_request }
    }

    /// The lowest makes room first.
    fn place(&self) -> Instant {
        self.since() + if self.has_asked() { HEAD_START } else { Duration::ZERO }
    }
}

struct Open {
    progress: Arc<Progress>,
    task: AbortHandle,
}

struct Connections {
    router: Router,
    limits: ConnectionLimits,
    open: Vec<Open>,
    tasks: JoinSet<()>,
    stop: watch::Sender<()>,
    told: Option<Instant>,
}

impl Connections {
    fn new(router: Router, limits: ConnectionLimits) -> Connections {
        Connections {
            router,
            limits,
            open: Vec::new(),
            tasks: JoinSet::new(),
            stop: watch::Sender::new(()),
            told: None,
        }
    }

    /// Takes what comes, for ever.
    async fn take_from(&mut self, listener: &TcpListener) {
        let (mut slice, mut taken) = (Instant::now(), 0);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.take(stream),
                Err(error) => self.not_taken(&error).await,
            }
            if slice.elapsed() >= PACE {
                (slice, taken) = (Instant::now(), 0);
            }
            taken += 1;
            if taken == TAKEN_MAX {
                sleep_until(slice + PACE).await;
            }
            // Its request may be there already: it is answered before the next one is taken.
            tokio::task::yield_now().await;
        }
    }

    fn take(&mut self, stream: TcpStream) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|open| !open.task.is_finished());
        while self.open.len() >= self.limits.connections_max {
            self.close_one();
        }
        let progress = Progress::begin(self.limits);
        let talk = talk(stream, self.router.clone(), Arc::clone(&progress), self.stop.subscribe());
        let task = self.tasks.spawn(talk);
        self.open.push(Open { progress, task });
    }

    fn close_one(&mut self) {
        let first = self.open.iter().enumerate().min_by_key(|(_, open)| open.progress.place()).map(|(index, _)| index);
        if let Some(index) = first {
            self.open.swap_remove(index).task.abort();
        }
    }

    /// A connection that ended before it was taken is nothing. Where descriptors are lacking, one of ours goes: Kafka needs
    /// them more.
    async fn not_taken(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return;
        }
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(%error, open = self.open.len(), "no connection to the admin port can be taken for now");
        }
        self.open.retain(|open| !open.task.is_finished());
        self.close_one();
        sleep(OUT_OF_DESCRIPTORS).await;
    }

    /// Idle connections close at once; an answer that nobody reads must not hold up the process.
    async fn end(mut self) {
        self.stop.send_replace(());
        let deadline = Instant::now() + STOP_TIMEOUT;
        while let Ok(Some(_)) = timeout_at(deadline, self.tasks.join_next()).await {}
    }
}

/// One connection, until its client has left or its time is over.
async fn talk(stream: TcpStream, router: Router, progress: Arc<Progress>, mut stopping: watch::Receiver<()>) {
    let (router, asking) = (TowerToHyperService::new(router), Arc::clone(&progress));
    let service = service_fn(move |request: Request<Incoming>| {
        asking.ask();
        router.call(request)
    });
    let mut http = http1::Builder::new();
    // Time is kept here, for all parts of a request alike.
    http.header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            // Whatever it ended by, it was the client's.
            _ = connection.as_mut() => return,
            () = sleep_until(progress.due()) => return,
            () = progress.another.notified() => {}
            _ = stopping.changed() => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(STOP_TIMEOUT, connection).await;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_are_left_to_kafka() {
        let max = |descriptors| ConnectionLimits::within(descriptors).connections_max;
        assert_eq!((max(None), max(Some(1_048_576)), max(Some(1_024))), (256, 256, 128));
        assert_eq!((max(Some(64)), max(Some(1))), (8, 1));
    }

    #[test]
    fn one_that_has_asked_stands_behind_those_that_have_not() {
        let limits = ConnectionLimits::default();
        let (asking, silent, later) = (Progress::begin(limits), Progress::begin(limits), Progress::begin(limits));
        assert!(asking.place() <= silent.place() && silent.place() <= later.place(), "the oldest makes room first");
        asking.ask();
        assert!(asking.place() > later.place(), "while it may still read its answer");
        assert_eq!(later.due() - later.since(), limits.first_request);
        assert_eq!(asking.due() - asking.since(), limits.next_request);
    }
}
