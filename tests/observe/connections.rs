//! The admin port against clients that take their time: those who send nothing, half a head or half a body, who stay idle,
//! or who read no answer. None of them keeps a probe out, and none stays for ever.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use scorewire::config::Config;
use scorewire::lane::clock::SystemClock;
use scorewire::observe::admin::{self, AdminServer, ModelInfo, Phase};
use scorewire::observe::connections::ConnectionLimits;
use scorewire::observe::stats::LaneStats;
use tokio::net::TcpSocket;

/// Far above what any step takes.
const STEP: Duration = Duration::from_secs(30);

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3_600);

const REQUEST: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HALF: &str = "GET /livez HTTP/1.1\r\nHost: loc";

fn server(connections_max: usize, first_request: Duration, next_request: Duration) -> AdminServer {
    let config = Config::new("b:9092", "g", "models/m");
    let model = ModelInfo {
        name: "m".to_owned(),
        version: "1".to_owned(),
        sha256: "ab".to_owned(),
        provider: "CPU".to_owned(),
        trees: vec!["100 trees by scorewire (AVX2: prefix)".to_owned()],
        native_bytes: 0,
    };
    let lanes = vec![Arc::new(LaneStats::default())];
    let state = config.admin_state(lanes, model, Arc::new(Phase::default()), Arc::new(SystemClock::new()));
    let limits = ConnectionLimits { connections_max, first_request, next_request };
    admin::start("127.0.0.1:0".parse().unwrap(), Arc::new(state), limits).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(STEP)).unwrap();
    stream.set_write_timeout(Some(STEP)).unwrap();
    stream
}

/// A connection in which few answers lie until they are read.
fn with_small_buffer(address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

fn said(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Reads one answer: all of it is there when its body is.
fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\nok\n") {
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&answer)));
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

/// What comes until the server closes the connection; panics when it does not.
fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        // Closed with bytes of ours unread.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it is not closed: {error}"),
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn those_who_send_nothing_or_half_a_head_keep_nobody_out() {
    let server = server(8, LONG, LONG);
    let address = server.address();
    let mut half_open = Vec::new();
    for round in 0..40 {
        half_open.push(said(address, if round % 2 == 0 { "" } else { HALF }));
        if round % 10 == 9 {
            assert!(answer(&mut said(address, REQUEST)).starts_with("HTTP/1.1 200"), "after {round}");
        }
    }
    // Those that made room, in the order in which they came.
    for stream in &mut half_open[..32] {
        assert_eq!(until_closed(stream), "");
    }
    // The newest is one of the seven that are left beside the last probe, and is answered when its request is whole.
    let newest = half_open.last_mut().unwrap();
    assert!(is_open(newest));
    newest.write_all(b"alhost\r\n\r\n").unwrap();
    assert!(answer(newest).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_head_that_does_not_come_in_time_ends_its_connection() {
    let server = server(8, SHORT, LONG);
    assert_eq!(until_closed(&mut connect(server.address())), "", "nothing was sent");
    assert_eq!(until_closed(&mut said(server.address(), HALF)), "", "half a head was sent");
    // Bytes alone buy no time.
    let mut slow = said(server.address(), HALF);
    slow.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let closed = (0..2_000).any(|_| {
        let is_sent = slow.write_all(b"l").is_ok();
        !is_sent || !matches!(slow.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    });
    assert!(closed, "a byte now and then keeps a connection for ever");
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = server(8, LONG, LONG);
    let mut stream = connect(server.address());
    for _ in 0..3 {
        stream.write_all(REQUEST.as_bytes()).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    }
    assert!(is_open(&stream));
}

#[test]
fn an_idle_connection_and_half_a_second_request_end_in_time() {
    let server = server(8, LONG, SHORT);
    let mut idle = said(server.address(), REQUEST);
    assert!(until_closed(&mut idle).ends_with("\r\n\r\nok\n"), "the first request is answered");
    let mut half = said(server.address(), &format!("{REQUEST}{HALF}"));
    assert!(until_closed(&mut half).ends_with("\r\n\r\nok\n"), "and only the first one");
}

#[test]
fn a_body_that_does_not_come_ends_its_connection() {
    let server = server(8, LONG, SHORT);
    let head = "POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{";
    let told = until_closed(&mut said(server.address(), head));
    assert!(told.starts_with("HTTP/1.1 405"), "{told}");
}

#[test]
fn a_head_without_end_is_refused() {
    let server = server(8, LONG, LONG);
    let mut stream = said(server.address(), "GET /livez HTTP/1.1\r\nX: ");
    let line = [b'x'; 64 * 1024];
    // It may be refused before all of it is sent.
    let _ = stream.write_all(&line);
    let told = until_closed(&mut stream);
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 431"), "{told}");
}

#[test]
fn answers_that_nobody_reads_end_their_connection() {
    let server = server(8, LONG, SHORT);
    let mut stream = with_small_buffer(server.address());
    stream.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
    let requests = REQUEST.repeat(10_000);
    let mut sent = 0;
    // Until both sides' buffers are full, and then until it is closed.
    let closed = (0..5_000).any(|_| match stream.write(&requests.as_bytes()[sent % requests.len()..]) {
        Ok(more) => {
            sent += more;
            false
        }
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    });
    assert!(closed, "answers pile up for one who does not read them: {sent} bytes of requests were taken");
}
