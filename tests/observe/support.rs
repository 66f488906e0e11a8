//! Two lanes behind HTTP, and a clock that tests move by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use scorewire::config::Config;
use scorewire::doors::Clock;
use scorewire::observe::admin::{self, AdminServer, ModelInfo, Phase};
use scorewire::observe::connections::ConnectionLimits;
use scorewire::observe::dead_letter_share::SharedShare;
use scorewire::observe::stats::LaneStats;

/// A clock moved by hand.
#[derive(Default)]
pub struct HandClock {
    ns: AtomicU64,
    wall_us: AtomicI64,
}

impl HandClock {
    pub fn advance(&self, span: Duration) {
        self.ns.fetch_add(span.as_nanos() as u64, Ordering::SeqCst);
        self.wall_us.fetch_add(span.as_micros() as i64, Ordering::SeqCst);
    }

    pub fn cycle(&self, lane: &LaneStats) {
        lane.last_cycle_ms.set(self.now_ns() / 1_000_000);
    }
}

impl Clock for HandClock {
    fn now_ns(&self) -> u64 {
        self.ns.load(Ordering::SeqCst)
    }

    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::SeqCst)
    }
}

/// Two lanes behind HTTP on a port of their own.
pub struct Bench {
    pub server: AdminServer,
    pub lanes: Vec<Arc<LaneStats>>,
    pub clock: Arc<HandClock>,
    pub phase: Arc<Phase>,
    pub dead_letter_share: SharedShare,
    pub config: Config,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(ConnectionLimits::default())
    }

    pub fn with(limits: ConnectionLimits) -> Bench {
        let clock = Arc::new(HandClock::default());
        clock.wall_us.store(1_700_000_000_000_000, Ordering::SeqCst);
        clock.advance(Duration::from_secs(5));
        let lanes = vec![Arc::new(LaneStats::default()), Arc::new(LaneStats::default())];
        let phase = Arc::new(Phase::default());
        let config = Config::new("b:9092", "group-1", "models/m");
        let model = ModelInfo {
            name: "card \"fraud\"".to_owned(),
            version: "3".to_owned(),
            sha256: "ab12".to_owned(),
            provider: "cpu".to_owned(),
            trees: vec!["100 trees by scorewire (AVX2: prefix)".to_owned()],
            native_bytes: 7_000_000,
        };
        let shared: Arc<dyn Clock + Send + Sync> = Arc::<HandClock>::clone(&clock);
        let state = config.admin_state(lanes.clone(), model, Arc::clone(&phase), shared);
        let dead_letter_share = Arc::clone(&state.dead_letter_share);
        let server = admin::start("127.0.0.1:0".parse().unwrap(), Arc::new(state), limits).unwrap();
        Bench { server, lanes, clock, phase, dead_letter_share, config }
    }

    /// The same, warm and joined.
    pub fn ready() -> Bench {
        let bench = Bench::new();
        bench.phase.set_warm();
        bench.lanes.iter().for_each(|lane| lane.joined.store(true, Ordering::SeqCst));
        assert_eq!(bench.get("/readyz"), (200, "ok\n".to_owned()));
        bench
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let (code, _, body) = get(self.server.address(), path);
        (code, body)
    }
}

/// Status code, headers and body of one request.
pub fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let code = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (code, head.to_ascii_lowercase(), body.to_owned())
}
