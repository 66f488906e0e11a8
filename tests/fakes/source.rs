//! A topic, a group and a consumer, as librdkafka shows them: events and answers come with a poll, a pause drops what
//! was fetched ahead, the position is unknown until something was handed out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use scorewire::doors::{CommitRefusal, Contact, Group, PartitionLag, Progress, Source, SourceEvent, Stop, Waker, Why};
use scorewire::error::{Fatal, exit};
use scorewire::values::record::Position;

use super::clock::ManualClock;
use super::journal::{Entry, Journal};
use super::record::{Data, FakeRecord, Headers};

/// One partition of the topic.
#[derive(Debug, Default)]
pub struct Log {
    pub records: Vec<Arc<Data>>,
    /// The next offset: past the last record and the markers behind it.
    pub end: i64,
    /// Everything before was removed.
    pub first: i64,
}

/// The consumer's view of a partition it was assigned.
#[derive(Debug)]
struct Fetch {
    next: i64,
    position: Option<i64>,
    paused: bool,
    end_told: bool,
    /// That what comes next was removed.
    removal_told: bool,
}

/// How commits are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// With the next poll.
    AtOnce,
    /// When the test says so: [`FakeSource::answer`].
    OnDemand,
}

#[derive(Debug)]
pub struct SourceState {
    pub logs: BTreeMap<i32, Log>,
    assigned: BTreeMap<i32, Fetch>,
    /// What the group has durably.
    pub committed: BTreeMap<i32, i64>,
    /// Every accepted commit in order.
    pub commits: Vec<Progress>,
    outstanding: Option<Vec<Progress>>,
    /// Show up with the next poll, as callbacks do.
    upcoming: VecDeque<SourceEvent>,
    visible: VecDeque<SourceEvent>,
    pub answers: Answers,
    /// Commits to refuse, with this code.
    pub refuse: VecDeque<i32>,
    /// Bounded runs are told the end of each partition.
    pub tell_end: bool,
    /// librdkafka counts the end's event as a record when it is taken in a batch: its position is one too far then.
    pub end_moves_position: bool,
    pub polls: usize,
    /// Times another thread would have ended a wait.
    pub wakes: usize,
    /// Times the lane kept it awake.
    pub awakened: usize,
    pub closed: bool,
    /// What it says of its group from now on; `None`: it hears of it all the time.
    pub contact: Option<Contact>,
    /// The client knows that its session is over, and the loss has not come yet.
    pub session_is_over: bool,
    /// An operator moves partitions backwards.
    pub moves_back: bool,
    /// The process is stopped for so long within the next poll.
    pub stands_still: Option<(ManualClock, Duration)>,
    /// Partition the next poll begins with.
    turn: usize,
    /// Records handed out by one poll at most.
    pub per_poll: usize,
}

impl Default for SourceState {
    fn default() -> SourceState {
        SourceState {
            logs: BTreeMap::new(),
            assigned: BTreeMap::new(),
            committed: BTreeMap::new(),
            commits: Vec::new(),
            outstanding: None,
            upcoming: VecDeque::new(),
            visible: VecDeque::new(),
            answers: Answers::AtOnce,
            refuse: VecDeque::new(),
            tell_end: false,
            end_moves_position: false,
            polls: 0,
            wakes: 0,
            awakened: 0,
            closed: false,
            contact: None,
            session_is_over: false,
            moves_back: false,
            stands_still: None,
            turn: 0,
            per_poll: usize::MAX,
        }
    }
}

/// The lane's end and the test's end of the same source.
#[derive(Clone, Debug, Default)]
pub struct FakeSource {
    state: Arc<Mutex<SourceState>>,
    journal: Journal,
}

impl FakeSource {
    pub fn new(journal: Journal) -> FakeSource {
        FakeSource { state: Arc::default(), journal }
    }

    pub fn state(&self) -> MutexGuard<'_, SourceState> {
        self.state.lock().unwrap()
    }

    /// Appends a record at an offset at or after the end: holes are what compaction and markers leave.
    pub fn put_at(&self, offset: i64, partition: i32, key: Option<&str>, value: Option<Vec<u8>>, headers: Headers) {
        let key = key.map(|key| key.as_bytes().to_vec());
        let position = Position { partition, offset };
        self.put_data(Data { position, timestamp_ms: 1_000 + offset, key, value, headers });
    }

    /// Puts a record, which may leave offsets out.
    pub fn put_data(&self, data: Data) {
        let mut state = self.state();
        let log = state.logs.entry(data.position.partition).or_default();
        assert!(data.position.offset >= log.end, "offsets grow");
        log.end = data.position.offset + 1;
        log.records.push(Arc::new(data));
    }

    /// Appends a record; returns its position.
    pub fn put(&self, partition: i32, value: impl Into<Option<Vec<u8>>>) -> Position {
        let offset = self.state().logs.entry(partition).or_default().end;
        self.put_at(offset, partition, Some(&format!("key-{partition}-{offset}")), value.into(), Vec::new());
        Position { partition, offset }
    }

    /// Appends transaction markers or compacted records: offsets without a record.
    pub fn put_markers(&self, partition: i32, count: i64) {
        self.state().logs.entry(partition).or_default().end += count;
    }

    /// Retention, or somebody, removes what is before `first`.
    pub fn remove_before(&self, partition: i32, first: i64) {
        let mut state = self.state();
        let log = state.logs.entry(partition).or_default();
        log.records.retain(|record| record.position.offset >= first);
        (log.first, log.end) = (first, log.end.max(first));
    }

    /// Comes with the next poll.
    pub fn tell(&self, event: SourceEvent) {
        self.state().upcoming.push_back(event);
    }

    /// Answers the commit under way.
    pub fn answer(&self, result: Result<(), i32>) {
        let mut state = self.state();
        let progress = state.outstanding.take().expect("a commit is under way");
        state.finish_commit(progress, result);
    }

    pub fn is_commit_outstanding(&self) -> bool {
        self.state().outstanding.is_some()
    }

    pub fn committed(&self, partition: i32) -> Option<i64> {
        self.state().committed.get(&partition).copied()
    }

    pub fn is_assigned(&self, partition: i32) -> bool {
        self.state().assigned.contains_key(&partition)
    }

    pub fn is_paused(&self, partition: i32) -> bool {
        self.state().assigned.get(&partition).is_some_and(|fetch| fetch.paused)
    }

    /// Delivers nothing of a partition, without the lane knowing: a broker that is slow to answer.
    pub fn pause_for_test(&self, partition: i32, paused: bool) {
        self.state().assigned.get_mut(&partition).expect("assigned").paused = paused;
    }

    /// Hands a partition's records out again from an offset on, without the lane knowing.
    pub fn repeat_for_test(&self, partition: i32, from: i64) {
        self.state().assigned.get_mut(&partition).expect("assigned").next = from;
    }

    fn each(&self, partitions: &[i32], entry: fn(i32) -> Entry, what: impl Fn(&mut Fetch)) -> Result<(), Fatal> {
        let mut state = self.state();
        for partition in partitions {
            let fetch = state.assigned.get_mut(partition).ok_or_else(|| not_assigned(*partition))?;
            what(fetch);
            self.journal.note(entry(*partition));
        }
        Ok(())
    }
}

/// What the source says of a partition whose records from `next` on are not to be had.
pub fn cannot_be_read_on(partition: i32, next: i64, why: Why, kept: Option<(i64, i64)>) -> SourceEvent {
    let (words, fix) = (format!("fake: {} at {next}", why.name()), "fake: do something".to_owned());
    SourceEvent::PartitionFailed { partition, stop: Box::new(Stop { why, next, kept, words, fix }) }
}

fn refusal(code: i32) -> CommitRefusal {
    CommitRefusal { code, name: "FAKE", text: "fake: refused", meaning: "the test says so" }
}

fn not_assigned(partition: i32) -> Fatal {
    Fatal::new(exit::INTERNAL, format!("fake: partition {partition} is not assigned"), "")
}

impl SourceState {
    fn finish_commit(&mut self, progress: Vec<Progress>, result: Result<(), i32>) {
        let result = self.refuse.pop_front().map_or(result, Err).map_err(refusal);
        if result.is_ok() {
            for &to in &progress {
                let before = self.committed.insert(to.partition, to.offset);
                let may = self.moves_back || before.is_none_or(|before| before <= to.offset);
                assert!(may, "a commit goes back: {before:?} to {to:?}");
                self.commits.push(to);
            }
        }
        self.upcoming.push_back(SourceEvent::Committed { progress, result });
    }

    fn deliver(&mut self, partition: i32, room: usize, out: &mut Vec<FakeRecord>, journal: &Journal) {
        let (Some(fetch), Some(log)) = (self.assigned.get_mut(&partition), self.logs.get(&partition)) else { return };
        if fetch.paused {
            return;
        }
        if fetch.next < log.first {
            // Nothing is fetched until somebody says where to go on.
            if !std::mem::replace(&mut fetch.removal_told, true) {
                let kept = Some((log.first, log.end));
                self.visible.push_back(cannot_be_read_on(partition, fetch.next, Why::OffsetOutOfRange, kept));
            }
            return;
        }
        let limit = out.len() + room;
        let from = log.records.partition_point(|record| record.position.offset < fetch.next);
        for record in &log.records[from..] {
            if out.len() == limit {
                return;
            }
            out.push(FakeRecord::new(record));
            journal.note(Entry::Polled(record.position));
            fetch.next = record.position.offset + 1;
            fetch.position = Some(fetch.next);
        }
        // Markers are served with whatever comes before them.
        if fetch.next < log.end {
            fetch.next = log.end;
            fetch.position = Some(log.end);
        }
        if self.tell_end && !fetch.end_told {
            fetch.end_told = true;
            if self.end_moves_position {
                fetch.position = Some(log.end + 1);
            }
            self.visible.push_back(SourceEvent::EndReached { partition, offset: log.end });
        }
    }
}

impl Source for FakeSource {
    type Record = FakeRecord;

    fn poll(&mut self, _: Duration, room: usize, out: &mut Vec<FakeRecord>) -> Result<(), Fatal> {
        assert!(room > 0, "the door asks for room");
        let state = &mut *self.state.lock().unwrap();
        state.polls += 1;
        if let Some((clock, span)) = state.stands_still.take() {
            clock.advance(span);
        }
        if state.answers == Answers::AtOnce
            && let Some(progress) = state.outstanding.take()
        {
            state.finish_commit(progress, Ok(()));
        }
        state.visible.append(&mut state.upcoming);
        let limit = out.len() + room.min(state.per_poll);
        let count = state.assigned.len();
        for step in 0..count {
            let partition = *state.assigned.keys().nth((state.turn + step) % count).unwrap();
            state.deliver(partition, limit - out.len(), out, &self.journal);
        }
        state.turn += 1;
        Ok(())
    }

    fn waker(&self) -> Waker {
        let state = Arc::clone(&self.state);
        Waker::new(move || state.lock().unwrap().wakes += 1)
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.state().visible.pop_front()
    }

    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.each(partitions, Entry::Paused, |fetch| {
            fetch.paused = true;
            // Goes on from what was handed out; what was fetched ahead is fetched again.
            fetch.next = fetch.position.unwrap_or(fetch.next);
        })
    }

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.each(partitions, Entry::Resumed, |fetch| fetch.paused = false)
    }

    fn seek(&mut self, to: Progress) -> Result<(), Fatal> {
        self.journal.note(Entry::Sought(to.partition, to.offset));
        let mut state = self.state();
        let fetch = state.assigned.get_mut(&to.partition).ok_or_else(|| not_assigned(to.partition))?;
        *fetch = Fetch { next: to.offset, position: None, paused: fetch.paused, end_told: false, removal_told: false };
        Ok(())
    }

    fn position(&mut self, partition: i32) -> Option<i64> {
        self.state().assigned.get(&partition)?.position
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        let position = self.position(partition).unwrap_or(-1);
        let high_watermark = self.state().logs.get(&partition).map_or(-1, |log| log.end);
        PartitionLag { partition, position, high_watermark }
    }
}

impl Group for FakeSource {
    fn assign(&mut self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        let mut state = self.state();
        let mut first = Vec::new();
        for &partition in partitions {
            let offset = state.committed.get(&partition).copied().unwrap_or(0);
            let fetch = Fetch { next: offset, position: None, paused: false, end_told: false, removal_told: false };
            assert!(state.assigned.insert(partition, fetch).is_none(), "assigned twice");
            self.journal.note(Entry::Assigned(partition));
            first.push(Progress { partition, offset });
        }
        Ok(first)
    }

    fn release(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        let mut state = self.state();
        for partition in partitions {
            state.assigned.remove(partition).ok_or_else(|| not_assigned(*partition))?;
            self.journal.note(Entry::Released(*partition));
        }
        Ok(())
    }

    fn still_owns(&mut self) -> bool {
        !self.state().session_is_over
    }

    fn contact(&mut self) -> Contact {
        let always = Contact { heard_ago: Some(Duration::ZERO), ..Contact::default() };
        self.state().contact.clone().unwrap_or(always)
    }

    fn keep_awake(&mut self) {
        self.state().awakened += 1;
    }

    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal> {
        progress.iter().for_each(|to| self.journal.note(Entry::CommitStarted(to.partition, to.offset)));
        let mut state = self.state();
        assert!(state.outstanding.is_none(), "one commit at a time");
        state.outstanding = Some(progress.to_vec());
        Ok(())
    }

    fn close(&mut self, _: Duration) -> bool {
        self.state().closed = true;
        true
    }
}
