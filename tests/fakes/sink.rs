//! A producer whose queue, size limit and acknowledgements are the test's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use scorewire::doors::{Destination, Outgoing, SendError, Sink, SourceRecord};
use scorewire::error::Fatal;
use scorewire::values::record::{Ack, Hope, Position, Tag, Undelivered};

use super::journal::{Entry, Journal};
use super::record::{FakeRecord, Headers};
use super::transactions::Transactions;

/// What librdkafka says of an outcome that was purged from the queue.
pub const PURGED: Undelivered =
    Undelivered { hope: Hope::Beside, code: -152, name: "_PURGE_QUEUE", text: "Local: Purged in queue" };

/// What it says of one that the rights do not allow.
pub const REFUSED: Undelivered = Undelivered {
    hope: Hope::Later,
    code: 29,
    name: "TOPIC_AUTHORIZATION_FAILED",
    text: "Broker: Topic authorization failed",
};

/// Where an outcome stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// In the client's queue.
    Queued,
    /// On its way to the broker: a purge does not reach it any more.
    Transmitted,
    Delivered,
    Failed,
}

/// Everything about an outcome that was handed over.
#[derive(Clone, Debug)]
pub struct Sent {
    pub destination: Destination,
    pub source: Position,
    pub tag: Tag,
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp_ms: Option<i64>,
    /// Forwarded ones first.
    pub headers: Headers,
    pub stand: Stand,
}

impl Sent {
    /// The last header of that name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().rev().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.clone()).map(|value| String::from_utf8(value).unwrap())
    }

    pub fn is_in_flight(&self) -> bool {
        matches!(self.stand, Stand::Queued | Stand::Transmitted)
    }
}

#[derive(Debug)]
pub struct SinkState {
    /// In the order handed over.
    pub sent: Vec<Sent>,
    pub(super) ready: Vec<Ack>,
    /// Outcomes in flight at most.
    pub capacity: usize,
    /// Key, value and headers of one outcome, bytes.
    pub bytes_max: usize,
    /// Acknowledge everything with the next poll.
    pub auto_ack: bool,
    pub partitions: BTreeMap<Destination2, i32>,
    in_flight: usize,
    in_flight_max: usize,
    pub refused_full: usize,
    pub refuse_with: Option<Fatal>,
    /// How long copies for review may wait, as the lane said it last.
    pub copies_wait: Duration,
    /// A sink that sends in transactions only.
    pub(super) transactions: Option<Transactions>,
}

/// [`Destination`] with an order, for the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination2(u8);

impl From<Destination> for Destination2 {
    fn from(destination: Destination) -> Destination2 {
        Destination2(destination as u8)
    }
}

impl SinkState {
    /// Reports the broker's word on outcomes in flight: those for which `pick` says so.
    pub fn answer(&mut self, result: Result<(), Undelivered>, mut pick: impl FnMut(&Sent) -> bool) -> usize {
        let mut answered = 0;
        for sent in self.sent.iter_mut().filter(|sent| sent.is_in_flight()) {
            if !pick(sent) {
                continue;
            }
            sent.stand = if result.is_ok() { Stand::Delivered } else { Stand::Failed };
            self.ready.push(Ack { tag: sent.tag, result });
            answered += 1;
        }
        self.note_failure(result, answered);
        self.in_flight -= answered;
        answered
    }

    /// The same for chosen places in `sent`, in the order given.
    pub fn answer_in_order(&mut self, result: Result<(), Undelivered>, places: &[usize]) {
        for &place in places {
            let sent = &mut self.sent[place];
            assert!(sent.is_in_flight(), "answered twice");
            sent.stand = if result.is_ok() { Stand::Delivered } else { Stand::Failed };
            self.ready.push(Ack { tag: sent.tag, result });
            self.in_flight -= 1;
        }
        self.note_failure(result, places.len());
    }

    /// One failed delivery costs the whole transaction.
    fn note_failure(&mut self, result: Result<(), Undelivered>, answered: usize) {
        if let Some(transactions) = self.transactions.as_mut().filter(|_| result.is_err() && answered > 0) {
            transactions.break_open();
        }
    }

    pub fn ack_all(&mut self) -> usize {
        self.answer(Ok(()), |_| true)
    }

    pub fn transmit_all(&mut self) {
        self.sent
            .iter_mut()
            .filter(|sent| sent.stand == Stand::Queued)
            .for_each(|sent| sent.stand = Stand::Transmitted);
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Most outcomes in flight at any time.
    pub fn in_flight_max(&self) -> usize {
        self.in_flight_max
    }

    /// What reached a topic, in its order.
    pub fn delivered(&self, destination: Destination) -> Vec<&Sent> {
        self.to(destination).into_iter().filter(|sent| sent.stand == Stand::Delivered).collect()
    }

    pub fn to(&self, destination: Destination) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.destination == destination).collect()
    }

    pub fn positions(&self, destination: Destination) -> Vec<(i32, i64)> {
        self.to(destination).iter().map(|sent| (sent.source.partition, sent.source.offset)).collect()
    }
}

/// The lane's end and the test's end of the same sink.
#[derive(Clone, Debug)]
pub struct FakeSink {
    state: Arc<Mutex<SinkState>>,
    journal: Journal,
}

impl FakeSink {
    /// Every destination has as many partitions as the input, except `human-review`, which has one.
    pub fn new(journal: Journal, partitions: i32) -> FakeSink {
        let all = [Destination::Outputs, Destination::DeadLetters, Destination::Timeouts, Destination::RetryLater];
        let mut counts: BTreeMap<Destination2, i32> = all.map(|to| (to.into(), partitions)).into();
        counts.insert(Destination::Review.into(), 1);
        let state = SinkState {
            sent: Vec::new(),
            ready: Vec::new(),
            capacity: usize::MAX,
            bytes_max: usize::MAX,
            auto_ack: false,
            partitions: counts,
            in_flight: 0,
            in_flight_max: 0,
            refused_full: 0,
            refuse_with: None,
            copies_wait: Duration::ZERO,
            transactions: None,
        };
        FakeSink { state: Arc::new(Mutex::new(state)), journal }
    }

    pub fn state(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap()
    }
}

fn headers_of(outcome: &Outgoing<'_>, source: Option<&FakeRecord>) -> Headers {
    let forwarded =
        source.into_iter().flat_map(FakeRecord::headers).filter(|(name, _)| outcome.takes(name.as_bytes(), |_| true));
    let own = outcome.headers.iter().map(|(name, value)| (name.to_str().unwrap().to_owned(), Some(value.to_vec())));
    forwarded.cloned().chain(own).collect()
}

/// Where an outcome without a record says that it stands.
fn position_of(outcome: &Outgoing<'_>) -> Position {
    let number = |name: &str| {
        let found = outcome.headers.iter().find(|(known, _)| known.to_str() == Ok(name)).expect("it says where");
        std::str::from_utf8(found.1).unwrap().parse::<i64>().unwrap()
    };
    let partition = i32::try_from(number("__scorewire.errors.partition")).unwrap();
    Position { partition, offset: number("__scorewire.errors.offset") }
}

fn bytes_of(sent: &Sent) -> usize {
    let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers: usize = sent.headers.iter().map(|(name, value)| name.len() + len(value)).sum();
    len(&sent.key) + len(&sent.value) + headers
}

impl Sink<FakeRecord> for FakeSink {
    fn send(&mut self, outcome: &Outgoing<'_>, source: Option<&FakeRecord>) -> Result<(), SendError> {
        let state = &mut *self.state.lock().unwrap();
        if let Some(fatal) = state.refuse_with.take() {
            return Err(SendError::Fatal(fatal));
        }
        if state.transactions.as_ref().is_some_and(|transactions| !transactions.takes_outcomes()) {
            return Err(SendError::Aborted);
        }
        let sent = Sent {
            destination: outcome.destination,
            source: source.map_or_else(|| position_of(outcome), SourceRecord::position),
            tag: outcome.tag,
            partition: outcome.partition,
            key: outcome.key.resolve(source.and_then(SourceRecord::key)).map(<[u8]>::to_vec),
            value: outcome.value.resolve(source.and_then(SourceRecord::value)).map(<[u8]>::to_vec),
            timestamp_ms: outcome.timestamp_ms,
            headers: headers_of(outcome, source),
            stand: Stand::Queued,
        };
        if bytes_of(&sent) > state.bytes_max {
            return Err(SendError::TooLarge);
        }
        if state.in_flight >= state.capacity {
            state.refused_full += 1;
            return Err(SendError::Full);
        }
        self.journal.note(Entry::Sent(sent.source, sent.destination));
        state.sent.push(sent);
        state.in_flight += 1;
        state.in_flight_max = state.in_flight_max.max(state.in_flight);
        Ok(())
    }

    fn poll(&mut self, _: Duration, acks: &mut Vec<Ack>) -> Result<(), Fatal> {
        let mut state = self.state();
        if state.auto_ack {
            state.ack_all();
        }
        acks.append(&mut state.ready);
        Ok(())
    }

    fn in_flight(&self) -> usize {
        let state = self.state();
        // Reported ones still count until they were polled.
        state.in_flight + state.ready.len()
    }

    fn partitions(&self, destination: Destination) -> i32 {
        self.state().partitions[&destination.into()]
    }

    fn hold_copies(&mut self, wait: Duration) {
        self.state().copies_wait = wait;
    }

    fn purge(&mut self) {
        self.journal.note(Entry::Purged);
        self.state().answer(Err(PURGED), |sent| sent.stand == Stand::Queued);
    }
}
