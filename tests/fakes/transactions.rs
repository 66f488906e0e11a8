//! The fake sink in transactions, as librdkafka and the broker keep them: outcomes count when their transaction is
//! committed, a transaction that met an error takes no more of them, and a new producer ends what the old one left.
//!
//! Panics where the lane breaks its side: a transaction within another, an outcome outside of one, a commit with
//! outcomes in flight.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use scorewire::doors::{Destination, Progress, TransactionError, Transactional};
use scorewire::error::Fatal;
use scorewire::lane::commit::ExactlyOnce;

use super::clock::ManualClock;
use super::sink::{FakeSink, PURGED, Sent, SinkState, Stand};
use super::source::FakeSource;
use super::world::World;

/// How long an end may take before it is in doubt.
pub const DOUBT_AFTER: Duration = Duration::from_millis(350);

/// A lane in transactions.
pub type ExactlyOnceWorld = World<ExactlyOnce<ManualClock>>;

/// Outcomes that readers see are those of the records below the committed offsets, each once; copies too.
#[track_caller]
pub fn assert_atomic(world: &ExactlyOnceWorld) {
    let sink = world.sink.state();
    let mut seen: BTreeMap<(i32, i64), usize> = BTreeMap::new();
    for to in [Destination::Outputs, Destination::DeadLetters, Destination::Timeouts, Destination::RetryLater] {
        for sent in sink.visible(to) {
            *seen.entry((sent.source.partition, sent.source.offset)).or_default() += 1;
        }
    }
    let source = world.source.state();
    let mut copies = BTreeSet::new();
    for copy in sink.visible(Destination::Review) {
        let committed = source.committed.get(&copy.source.partition).copied().unwrap_or(0);
        assert!(copy.source.offset < committed && copies.insert(copy.source), "a copy of {:?}", copy.source);
    }
    for (&partition, log) in &source.logs {
        let committed = source.committed.get(&partition).copied().unwrap_or(0);
        for record in &log.records {
            let offset = record.position.offset;
            let outcomes = seen.remove(&(partition, offset)).unwrap_or(0);
            assert_eq!(outcomes, usize::from(offset < committed), "partition {partition}, offset {offset}");
        }
    }
    assert!(seen.is_empty(), "outcomes of nothing: {seen:?}");
}

/// A step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Begin,
    Offsets,
    Commit,
    Abort,
    Renew,
}

/// How a step goes wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    pub call: Call,
    pub error: TransactionError,
    /// The broker did it all the same.
    pub in_truth_done: bool,
}

/// Every transaction of one sink.
#[derive(Debug)]
pub struct Transactions {
    clock: ManualClock,
    /// In order, those that failed too.
    pub calls: Vec<Call>,
    /// The next calls of their kind that fail.
    pub failures: VecDeque<Failure>,
    /// The next call of this kind takes so long.
    pub slow: Option<(Call, Duration)>,
    /// The client has a lost connection to report.
    pub trouble: bool,
    /// Places in `sent` that the open transaction begins at, and its offsets.
    open: Option<(usize, Vec<(FakeSource, Progress)>)>,
    /// Takes no more outcomes.
    broken: bool,
    /// Places in `sent` of committed outcomes.
    committed: Vec<usize>,
    pub commits: usize,
    pub aborts: usize,
}

impl Transactions {
    pub fn new(clock: ManualClock) -> Transactions {
        Transactions {
            clock,
            calls: Vec::new(),
            failures: VecDeque::new(),
            slow: None,
            trouble: false,
            open: None,
            broken: false,
            committed: Vec::new(),
            commits: 0,
            aborts: 0,
        }
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub fn count(&self, call: Call) -> usize {
        self.calls.iter().filter(|known| **known == call).count()
    }

    /// The next call of this kind fails; the broker has not heard of it.
    pub fn fail(&mut self, call: Call, error: TransactionError) {
        self.failures.push_back(Failure { call, error, in_truth_done: false });
    }

    /// Whether an outcome can be handed over; the client refuses it in a transaction that met an error.
    pub fn takes_outcomes(&self) -> bool {
        assert!(self.open.is_some(), "an outcome outside of a transaction");
        !self.broken
    }

    /// A delivery failed: the client lets nothing more into this transaction.
    pub fn break_open(&mut self) {
        self.broken = self.open.is_some();
    }

    fn call(&mut self, call: Call) -> Option<Failure> {
        self.calls.push(call);
        if let Some((_, long)) = self.slow.take_if(|(slow, _)| *slow == call) {
            self.clock.advance(long);
        }
        let failure = if self.failures.front()?.call == call { self.failures.pop_front() } else { None }?;
        self.broken |= matches!(failure.error, TransactionError::Abort(_) | TransactionError::Renew(_));
        Some(failure)
    }
}

impl SinkState {
    pub fn transactions(&mut self) -> &mut Transactions {
        self.transactions.as_mut().expect("a sink in transactions")
    }

    /// What readers at `read_committed` see of a topic, in its order.
    pub fn visible(&self, destination: Destination) -> Vec<&Sent> {
        let places = &self.transactions.as_ref().expect("a sink in transactions").committed;
        places.iter().map(|&place| &self.sent[place]).filter(|sent| sent.destination == destination).collect()
    }

    /// What the broker does when a transaction is committed.
    fn end_in_commit(&mut self) {
        let until = self.sent.len();
        let transactions = self.transactions();
        let (from, offsets) = transactions.open.take().expect("a transaction is open");
        transactions.commits += 1;
        transactions.committed.extend(from..until);
        for (source, to) in offsets {
            let mut group = source.state();
            let before = group.committed.insert(to.partition, to.offset);
            let may = group.moves_back || before.is_none_or(|before| before <= to.offset);
            assert!(may, "offsets go back: {before:?} to {to:?}");
        }
        let late = self.sent[from..].iter().find(|sent| sent.stand != Stand::Delivered);
        assert!(late.is_none(), "committed without its acknowledgement: {late:?}");
    }

    /// What was in flight comes back to nobody.
    fn forget_in_flight(&mut self) {
        self.answer(Err(PURGED), |_| true);
        self.ready.clear();
        let transactions = self.transactions();
        transactions.aborts += usize::from(transactions.open.take().is_some());
        transactions.broken = false;
    }
}

impl Transactional<FakeSource> for FakeSink {
    fn begin(&mut self) -> Result<(), TransactionError> {
        let mut state = self.state();
        let from = state.sent.len();
        let transactions = state.transactions();
        if let Some(failure) = transactions.call(Call::Begin) {
            return Err(failure.error);
        }
        assert!(transactions.open.is_none(), "a transaction within another");
        transactions.open = Some((from, Vec::new()));
        Ok(())
    }

    fn send_offsets(
        &mut self,
        source: &FakeSource,
        progress: &[Progress],
        _: Duration,
    ) -> Result<(), TransactionError> {
        let mut state = self.state();
        assert_eq!(state.in_flight(), 0, "offsets beside outcomes in flight");
        let transactions = state.transactions();
        if let Some(failure) = transactions.call(Call::Offsets) {
            return Err(failure.error);
        }
        let offsets = progress.iter().map(|to| (source.clone(), *to)).collect();
        transactions.open.as_mut().expect("a transaction is open").1 = offsets;
        Ok(())
    }

    fn commit(&mut self, _: Duration) -> Result<(), TransactionError> {
        let mut state = self.state();
        assert_eq!(state.in_flight(), 0, "a commit beside outcomes in flight");
        match state.transactions().call(Call::Commit) {
            Some(failure) => {
                if failure.in_truth_done {
                    state.end_in_commit();
                }
                Err(failure.error)
            }
            None => {
                assert!(!state.transactions().broken, "committed after an error");
                state.end_in_commit();
                Ok(())
            }
        }
    }

    fn abort(&mut self, _: Duration) -> Result<(), TransactionError> {
        let mut state = self.state();
        if let Some(failure) = state.transactions().call(Call::Abort) {
            return Err(failure.error);
        }
        assert!(state.transactions().is_open(), "nothing to abort");
        state.forget_in_flight();
        Ok(())
    }

    fn renew(&mut self, _: Duration) -> Result<(), TransactionError> {
        let mut state = self.state();
        if let Some(failure) = state.transactions().call(Call::Renew) {
            return Err(failure.error);
        }
        state.forget_in_flight();
        Ok(())
    }

    fn take_trouble(&mut self) -> bool {
        // Reported with the end of the step that it happened in.
        let mut state = self.state();
        let transactions = state.transactions();
        let ended = matches!(transactions.calls.last(), Some(Call::Commit | Call::Abort));
        transactions.trouble && ended && std::mem::take(&mut transactions.trouble)
    }

    fn doubt_after(&self) -> Duration {
        DOUBT_AFTER
    }

    fn committed(&self, source: &FakeSource, partitions: &[Progress]) -> Result<Vec<Progress>, Fatal> {
        let known = |at: &Progress| source.committed(at.partition).unwrap_or(at.offset);
        Ok(partitions.iter().map(|at| Progress { offset: known(at), ..*at }).collect())
    }
}
