//! Lets the client find its brokers again after an answer that names none.
//!
//! A broker that is about to stop, or has only just started, may know the topics and not one broker: the controller has
//! fenced it. With one broker that is all anybody says. librdkafka 2.12 believes it and lets all its brokers go
//! (<https://github.com/confluentinc/librdkafka/issues/5301>). The thread of the last one to go asks by a timer without
//! delay for the bootstrap brokers to be added again. Where it is quicker than the main thread, which still handles that
//! very answer, that one stops the timer at the end, as after any good answer; a mark that it runs stays behind, so that
//! nobody asks again. The client has no broker, asks nobody anything, and outcomes without a time-out wait for ever.
//!
//! Two functions of the client have ours before them by the linker's doing (`scripts/build.rs`). After an answer that
//! names no broker the timer goes on, or is started where it does not run: it fires after
//! `metadata.recovery.rebootstrap.trigger.ms` at the latest, which is ours for that reason, and adds the bootstrap brokers.
//! Adding them from outside (`rd_kafka_brokers_add`) would need no linker, but to be done in time it would be done again
//! and again, and each call leaves a copy of the list and, once brokers are known, another thread.
//!
//! Unnecessary when the client asks for its bootstrap brokers again after an answer that names none, and no longer stops the
//! timer then (`rd_kafka_rebootstrap_tmr_stop` behind `rd_kafka_parse_Metadata`): the issue above, for which
//! <https://github.com/confluentinc/librdkafka/pull/5303> was open when this was written.
#![allow(unsafe_code, reason = "stands before functions of the C client; each block says why it holds")]

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

use super::Wrapped;
use crate::kafka::client::NO_ERROR;

thread_local! {
    /// Whether the answer that this thread read last named no broker. Each client has one thread that reads them.
    static NAMED_NONE: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    fn __real_rd_kafka_parse_Metadata(
        broker: *mut c_void,
        request: *mut c_void,
        answer: *mut c_void,
        metadata: *mut *mut rd::rd_kafka_metadata_t,
    ) -> RDKafkaRespErr;
    fn __real_rd_kafka_rebootstrap_tmr_stop(client: *mut rd::rd_kafka_t) -> c_int;
    /// Starts the timer unless it runs.
    fn rd_kafka_rebootstrap_tmr_start_maybe(client: *mut rd::rd_kafka_t);
}

/// Reads an answer with brokers and topics, and acts on it.
///
/// # Safety
/// As the client's own function: on success `metadata` points to what begins with the public struct.
// SAFETY: the name is the one that the linker was told to look for, and nobody else's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_parse_Metadata(
    broker: *mut c_void,
    request: *mut c_void,
    answer: *mut c_void,
    metadata: *mut *mut rd::rd_kafka_metadata_t,
) -> RDKafkaRespErr {
    Wrapped::ParseMetadata.enter();
    // SAFETY: the caller's promises, passed on; what was read is looked at within the call alone.
    unsafe {
        let err = __real_rd_kafka_parse_Metadata(broker, request, answer, metadata);
        let named_none = err == NO_ERROR && (*metadata).as_ref().is_some_and(|read| read.broker_cnt == 0);
        NAMED_NONE.set(named_none);
        #[cfg(test)]
        if named_none {
            std::thread::sleep(tests::BUSY);
        }
        err
    }
}

/// Called by the same thread when an answer was read, and by nobody else.
///
/// # Safety
/// As the client's own function.
// SAFETY: the name is the one that the linker was told to look for, and nobody else's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_rebootstrap_tmr_stop(client: *mut rd::rd_kafka_t) -> c_int {
    Wrapped::RebootstrapStop.enter();
    // SAFETY: the caller's promises, passed on.
    unsafe {
        if !NAMED_NONE.take() {
            return __real_rd_kafka_rebootstrap_tmr_stop(client);
        }
        rd_kafka_rebootstrap_tmr_start_maybe(client);
    }
    0
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread;
    use std::time::{Duration, Instant};

    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::types::RDKafkaApiKey;

    use crate::kafka::settings::REBOOTSTRAP_AFTER_MS;

    /// On a busy machine the brokers are gone before the answer has been dealt with.
    pub(in crate::kafka) const BUSY: Duration = Duration::from_millis(50);

    const METADATA: i16 = RDKafkaApiKey::Metadata as i16;

    /// Stands between a client and the only broker.
    struct Between {
        broker: String,
        port: u16,
        names_none: AtomicBool,
        emptied: AtomicUsize,
    }

    fn frame(from: &mut TcpStream) -> Option<Vec<u8>> {
        let mut size = [0; 4];
        from.read_exact(&mut size).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        from.read_exact(&mut frame).ok()?;
        Some(frame)
    }

    fn write(to: &mut TcpStream, frame: &[u8]) -> Option<()> {
        let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
        to.write_all(&[&size, frame].concat()).ok()
    }

    impl Between {
        /// Of version 1: the request's number, brokers (id, host, port, rack), controller, topics.
        fn rewrite(&self, answer: &mut Vec<u8>) {
            assert_eq!(answer[4..8], 1_i32.to_be_bytes(), "one broker");
            let host = usize::from(u16::from_be_bytes([answer[12], answer[13]]));
            let (port, end) = (14 + host, 14 + host + 4 + 2);
            answer[port..port + 4].copy_from_slice(&i32::from(self.port).to_be_bytes());
            if self.names_none.load(Ordering::SeqCst) {
                assert_eq!(answer[port + 4..end], (-1_i16).to_be_bytes(), "no rack");
                answer.splice(4..end, 0_i32.to_be_bytes());
                self.emptied.fetch_add(1, Ordering::SeqCst);
            }
        }

        /// The client has one request for metadata under way at a time: which answer is one needs no list.
        fn serve(self: &Arc<Between>, mut client: TcpStream) -> Option<()> {
            let mut broker = TcpStream::connect(&self.broker).ok()?;
            let (mut answers, mut to_client) = (broker.try_clone().ok()?, client.try_clone().ok()?);
            let (asked, between) = (Arc::new(Mutex::new(Vec::new())), self.clone());
            let metadata = asked.clone();
            thread::spawn(move || {
                while let Some(mut answer) = frame(&mut answers) {
                    if metadata.lock().unwrap().contains(&answer[..4].to_vec()) {
                        between.rewrite(&mut answer);
                    }
                    write(&mut to_client, &answer)?;
                }
                to_client.shutdown(std::net::Shutdown::Both).ok()
            });
            while let Some(request) = frame(&mut client) {
                if request[..2] == METADATA.to_be_bytes() {
                    asked.lock().unwrap().push(request[4..8].to_vec());
                }
                write(&mut broker, &request)?;
            }
            broker.shutdown(std::net::Shutdown::Both).ok()
        }
    }

    fn between(broker: String) -> Arc<Between> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let between = Arc::new(Between { broker, port, names_none: false.into(), emptied: 0.into() });
        let serving = between.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(client));
            }
        });
        between
    }

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Three times, since the first one leaves the client another than it was.
    #[test]
    fn a_producer_that_heard_of_no_broker_delivers_when_there_are_some_again() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        cluster.apiversion(RDKafkaApiKey::Metadata, Some(0), Some(1)).unwrap();
        let between = between(cluster.bootstrap_servers());
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", format!("127.0.0.1:{}", between.port))
            .set("topic.metadata.refresh.interval.ms", "200")
            .set("message.timeout.ms", "0")
            .set("metadata.recovery.rebootstrap.trigger.ms", REBOOTSTRAP_AFTER_MS)
            .create()
            .unwrap();
        for turn in 1..=3 {
            producer.send(BaseRecord::<(), str>::to("t").partition(0).payload("x")).unwrap();
            until("nothing is delivered", || {
                producer.poll(Duration::from_millis(10));
                producer.in_flight_count() == 0
            });
            let before = between.emptied.load(Ordering::SeqCst);
            between.names_none.store(true, Ordering::SeqCst);
            until("nobody asks for brokers", || between.emptied.load(Ordering::SeqCst) > before + turn % 2);
            between.names_none.store(false, Ordering::SeqCst);
        }
        producer.send(BaseRecord::<(), str>::to("t").partition(0).payload("x")).unwrap();
        until("nothing is delivered", || {
            producer.poll(Duration::from_millis(10));
            producer.in_flight_count() == 0
        });
    }
}
