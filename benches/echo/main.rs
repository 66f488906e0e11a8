//! The echo control: what Kafka and this machine cost without us. One thread reads records and writes each on, with
//! its key, partition and headers and a value of the size that scorewire writes; no decoding, no model. Clients and
//! settings are scorewire's own, every record is acknowledged by all replicas, and offsets are committed after
//! acknowledgements, a hundred milliseconds apart.
//!
//! `scripts/bench` runs it beside the systems it compares. It prints `ready` when it has its partitions, and ends,
//! drained and committed, with SIGTERM.
#![allow(unsafe_code, reason = "the lane's own client calls, which exist in C only")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::process::ExitCode;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaRespErr as Code, RDKafkaType};
use scorewire::kafka::settings::{KafkaSettings, StartAt, consumer_settings, producer_settings};
use scorewire::kafka::wrapped::batch_hand_over::Handover;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COMMIT_EVERY: Duration = Duration::from_millis(100);
const TAKE_MAX: usize = 512;
const IDLE_WAIT_MS: c_int = 10;
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// Partitions fit in the upper half of an opaque pointer beside the offset.
const OFFSET_BITS: u32 = 48;

#[derive(Parser)]
struct Args {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    group: String,
    #[arg(long)]
    input: String,
    #[arg(long)]
    output: String,
    /// Bytes of each value written: as many as scorewire's, its own headers included.
    #[arg(long, default_value_t = 330)]
    value_bytes: usize,
    /// A librdkafka property of the consumer, `name=value`.
    #[arg(long)]
    consumer: Vec<String>,
    /// A librdkafka property of the producer, `name=value`.
    #[arg(long)]
    producer: Vec<String>,
}

/// What the callbacks leave behind, and what is still under way.
#[derive(Default)]
struct Progress {
    /// Offset after the last acknowledged record, by partition.
    acknowledged: BTreeMap<i32, i64>,
    in_flight: usize,
    failure: Option<String>,
    ready: bool,
}

struct Echo {
    consumer: *mut rd::rd_kafka_t,
    producer: *mut rd::rd_kafka_t,
    queue: *mut rd::rd_kafka_queue_t,
    input: CString,
    output: *mut rd::rd_kafka_topic_t,
    value_bytes: usize,
    value: Vec<u8>,
    taken: Vec<*mut rd::rd_kafka_message_t>,
    progress: *mut Progress,
    handover: &'static Handover,
}

fn main() -> ExitCode {
    scorewire::memory::keep_what_is_freed();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&stop)) {
            eprintln!("echo: cannot listen to signals: {error}");
            return ExitCode::FAILURE;
        }
    }
    match Echo::start(&Args::parse()).and_then(|mut echo| echo.run(&stop)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("echo: {text}");
            ExitCode::FAILURE
        }
    }
}

impl Echo {
    fn start(args: &Args) -> Result<Echo, String> {
        let settings = KafkaSettings {
            bootstrap: args.bootstrap.clone(),
            group: args.group.clone(),
            node: "echo".into(),
            start_at: Some(StartAt::Earliest),
            without_offsets: Default::default(),
            group_protocol: Default::default(),
            membership: Default::default(),
            properties: BTreeMap::new(),
            consumer_properties: properties(&args.consumer)?,
            producer_properties: properties(&args.producer)?,
            password_files: Default::default(),
        };
        let progress = Box::into_raw(Box::<Progress>::default());
        let mut consumer_list = consumer_settings(&settings, 0, false);
        consumer_list.retain(|(name, _)| name != "auto.offset.reset");
        consumer_list.push(("auto.offset.reset".into(), "earliest".into()));
        let handover = Handover::new();
        let consumer = client(RDKafkaType::RD_KAFKA_CONSUMER, &consumer_list, progress, None)?;
        let producer = client(RDKafkaType::RD_KAFKA_PRODUCER, &producer_settings(&settings), progress, Some(handover))?;
        let (input, output) = (c_string(&args.input)?, c_string(&args.output)?);
        // SAFETY: both clients are alive, and live as long as the process; names are copied.
        unsafe {
            rd::rd_kafka_poll_set_consumer(consumer);
            let list = rd::rd_kafka_topic_partition_list_new(1);
            rd::rd_kafka_topic_partition_list_add(list, input.as_ptr(), -1);
            let err = rd::rd_kafka_subscribe(consumer, list);
            rd::rd_kafka_topic_partition_list_destroy(list);
            if err != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(format!("cannot subscribe: {err:?}"));
            }
            Ok(Echo {
                consumer,
                producer,
                queue: rd::rd_kafka_queue_get_consumer(consumer),
                output: rd::rd_kafka_topic_new(producer, output.as_ptr(), ptr::null_mut()),
                input,
                value_bytes: args.value_bytes,
                value: vec![0; args.value_bytes],
                taken: vec![ptr::null_mut(); TAKE_MAX],
                progress,
                handover,
            })
        }
    }

    fn progress(&mut self) -> &mut Progress {
        // SAFETY: made from a box in `start`; callbacks run inside this thread's polls only.
        unsafe { &mut *self.progress }
    }

    fn run(&mut self, stop: &AtomicBool) -> Result<(), String> {
        let mut next_commit = Instant::now();
        while !stop.load(Ordering::Acquire) {
            self.take()?;
            self.serve(0)?;
            if Instant::now() >= next_commit {
                next_commit = Instant::now() + COMMIT_EVERY;
                self.commit(1)?;
            }
        }
        let deadline = Instant::now() + DRAIN_MAX;
        while self.progress().in_flight > 0 && Instant::now() < deadline {
            self.serve(1)?;
        }
        self.commit(0)?;
        // SAFETY: the client is alive; what follows is the process's end.
        unsafe { rd::rd_kafka_consumer_close(self.consumer) };
        Ok(())
    }

    fn take(&mut self) -> Result<(), String> {
        let (queue, at) = (self.queue, self.taken.as_mut_ptr());
        // SAFETY: `TAKE_MAX` slots are writable; the client fills as many as it returns. Waiting for one record
        // returns with the first, waiting for more would wait for all.
        let taken = unsafe {
            let mut taken = rd::rd_kafka_consume_batch_queue(queue, 0, at, TAKE_MAX);
            if taken == 0 {
                taken = rd::rd_kafka_consume_batch_queue(queue, IDLE_WAIT_MS, at, 1);
            }
            usize::try_from(taken).unwrap_or(0)
        };
        self.handover.begin();
        for index in 0..taken {
            self.pass_on(self.taken[index])?;
        }
        self.handover.end();
        Ok(())
    }

    fn pass_on(&mut self, message: *mut rd::rd_kafka_message_t) -> Result<(), String> {
        use rd::rd_kafka_vtype_t as V;
        // SAFETY: filled by the client just now, freed below, once.
        let (source, mut headers) = unsafe { (&*message, ptr::null_mut()) };
        if source.err == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            // SAFETY: the payload lives as long as the message.
            let payload = unsafe { std::slice::from_raw_parts(source.payload.cast::<u8>(), source.len) };
            let copied = payload.len().min(self.value_bytes);
            self.value[..copied].copy_from_slice(&payload[..copied]);
            // SAFETY: the headers become ours, and the producer's below.
            unsafe { rd::rd_kafka_message_detach_headers(message, &mut headers) };
            let tag = (source.partition as u64) << OFFSET_BITS | source.offset as u64;
            let arguments = [
                argument(V::RD_KAFKA_VTYPE_RKT, |u| u.rkt = self.output),
                argument(V::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = source.partition),
                argument(V::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = rd::RD_KAFKA_MSG_F_COPY as c_int),
                argument(V::RD_KAFKA_VTYPE_KEY, |u| u.mem = memory(source.key, source.key_len)),
                argument(V::RD_KAFKA_VTYPE_VALUE, |u| u.mem = memory(self.value.as_ptr().cast(), self.value_bytes)),
                argument(V::RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = tag as usize as *mut c_void),
                argument(V::RD_KAFKA_VTYPE_HEADERS, |u| u.headers = headers),
            ];
            let count = if headers.is_null() { arguments.len() - 1 } else { arguments.len() };
            loop {
                // SAFETY: every argument matches its type; key and value are copied, headers taken on success only.
                let error = unsafe { rd::rd_kafka_produceva(self.producer, arguments.as_ptr(), count) };
                if error.is_null() {
                    break;
                }
                // SAFETY: not null, freed once.
                let code = unsafe {
                    let code = rd::rd_kafka_error_code(error);
                    rd::rd_kafka_error_destroy(error);
                    code
                };
                if code != Code::RD_KAFKA_RESP_ERR__QUEUE_FULL {
                    return Err(format!("a record is refused: {code:?}"));
                }
                self.serve(1)?;
            }
            self.progress().in_flight += 1;
        }
        // SAFETY: ours, freed once.
        unsafe { rd::rd_kafka_message_destroy(message) };
        Ok(())
    }

    fn serve(&mut self, wait_ms: c_int) -> Result<(), String> {
        // SAFETY: the client is alive; callbacks run inside this call.
        unsafe { rd::rd_kafka_poll(self.producer, wait_ms) };
        self.progress().failure.take().map_or(Ok(()), Err)
    }

    fn commit(&mut self, in_background: c_int) -> Result<(), String> {
        let input = self.input.clone();
        let offsets = std::mem::take(&mut self.progress().acknowledged);
        if offsets.is_empty() {
            return Ok(());
        }
        // SAFETY: a list of ours, freed once; the client copies it.
        let err = unsafe {
            let list = rd::rd_kafka_topic_partition_list_new(offsets.len() as c_int);
            for (partition, offset) in offsets {
                (*rd::rd_kafka_topic_partition_list_add(list, input.as_ptr(), partition)).offset = offset;
            }
            let err = rd::rd_kafka_commit(self.consumer, list, in_background);
            rd::rd_kafka_topic_partition_list_destroy(list);
            err
        };
        if err == Code::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(format!("a commit failed: {err:?}")) }
    }
}

fn properties(given: &[String]) -> Result<BTreeMap<String, String>, String> {
    let split = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not name=value"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    given.iter().map(split).collect()
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("a NUL byte in {text:?}"))
}

fn client(
    kind: RDKafkaType,
    settings: &[(String, String)],
    progress: *mut Progress,
    handover: Option<&'static Handover>,
) -> Result<*mut rd::rd_kafka_t, String> {
    let mut text = [0; 512];
    // SAFETY: strings are NUL-terminated, the buffer's length is passed along, and the client takes the configuration;
    // the opaque box lives as long as the process.
    unsafe {
        let conf = rd::rd_kafka_conf_new();
        for (name, value) in settings {
            let (name_c, value_c) = (c_string(name)?, c_string(value)?);
            let answer = rd::rd_kafka_conf_set(conf, name_c.as_ptr(), value_c.as_ptr(), text.as_mut_ptr(), text.len());
            if answer != rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                return Err(format!("{name}: {}", CStr::from_ptr(text.as_ptr()).to_string_lossy()));
            }
        }
        rd::rd_kafka_conf_set_opaque(conf, progress.cast());
        if let Some(handover) = handover {
            handover.join(conf);
        }
        if kind == RDKafkaType::RD_KAFKA_PRODUCER {
            rd::rd_kafka_conf_set_dr_msg_cb(conf, Some(on_delivery));
        } else {
            rd::rd_kafka_conf_set_rebalance_cb(conf, Some(on_rebalance));
        }
        let client = rd::rd_kafka_new(kind, conf, text.as_mut_ptr(), text.len());
        if client.is_null() {
            return Err(CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned());
        }
        Ok(client)
    }
}

unsafe extern "C" fn on_delivery(_: *mut rd::rd_kafka_t, message: *const rd::rd_kafka_message_t, opaque: *mut c_void) {
    // SAFETY: librdkafka's message, valid during the call; the opaque box is this thread's.
    let (message, progress) = unsafe { (&*message, &mut *opaque.cast::<Progress>()) };
    progress.in_flight -= 1;
    if message.err != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
        progress.failure = Some(format!("a record was not delivered: {:?}", message.err));
        return;
    }
    let tag = message._private as usize as u64;
    let (partition, offset) = ((tag >> OFFSET_BITS) as i32, (tag & ((1 << OFFSET_BITS) - 1)) as i64);
    progress.acknowledged.insert(partition, offset + 1);
}

unsafe extern "C" fn on_rebalance(
    client: *mut rd::rd_kafka_t,
    err: Code,
    list: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka's own client and list, valid during the call.
    unsafe {
        let error = if err == Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            rd::rd_kafka_incremental_assign(client, list)
        } else {
            rd::rd_kafka_incremental_unassign(client, list)
        };
        let progress = &mut *opaque.cast::<Progress>();
        if !error.is_null() {
            progress.failure = Some("an assignment failed".into());
            rd::rd_kafka_error_destroy(error);
        } else if err == Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !progress.ready {
            progress.ready = true;
            println!("ready");
        }
    }
}

fn argument(vtype: rd::rd_kafka_vtype_t, set: impl FnOnce(&mut rd::rd_kafka_vu_s__bindgen_ty_1)) -> rd::rd_kafka_vu_t {
    let mut u = rd::rd_kafka_vu_s__bindgen_ty_1 { ptr: ptr::null_mut() };
    set(&mut u);
    rd::rd_kafka_vu_t { vtype, u }
}

fn memory(at: *const c_void, size: usize) -> rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: at.cast_mut(), size }
}
