//! Named moments at which a test build ends itself as `kill -9` would, and named mistakes that it makes on purpose, so
//! that `scripts/faults` can show that its checker finds them. Without the feature `test-faults` nothing of it is
//! compiled: the functions are empty, and every mistake is never made.
//!
//! `SCOREWIRE_TEST_FAILPOINT=after_produce@7` dies at the seventh passage of that moment;
//! `SCOREWIRE_TEST_BUG=commit_before_ack` makes that mistake all the time; `SCOREWIRE_TEST_HANG=challenger` stops there for
//! ever, as a model that hangs does. A record whose key is `scorewire-test-abort` or `scorewire-test-hang` ends the process, or
//! makes it hang, when the model is called with its row.

pub mod trouble;

/// A moment in the life of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Records were polled and decoded; nothing is scored.
    AfterReceive,
    /// The model has answered; nothing is handed to the producer.
    AfterScore,
    /// A batch is handed to the producer; nobody has heard of an acknowledgement.
    AfterProduce,
    /// Outcomes are acknowledged; the offsets are not committed.
    AfterAck,
    /// The broker has confirmed a commit.
    AfterCommit,
    /// The group wants partitions back; they are not drained.
    InRevoke,
    /// A replay of dead letters has read letters and their records; nothing is handed to the producer.
    ReplayAfterRead,
    /// It has handed one record over, and not all that belong together.
    ReplayInProduce,
    /// Its records are acknowledged; nobody knows of the offsets.
    ReplayAfterProduce,
    /// The same, and in a transaction the offsets are in it.
    ReplayBeforeCommit,
    /// The broker has confirmed the commit.
    ReplayAfterCommit,
}

impl Point {
    pub const ALL: [Point; 11] = [
        Point::AfterReceive,
        Point::AfterScore,
        Point::AfterProduce,
        Point::AfterAck,
        Point::AfterCommit,
        Point::InRevoke,
        Point::ReplayAfterRead,
        Point::ReplayInProduce,
        Point::ReplayAfterProduce,
        Point::ReplayBeforeCommit,
        Point::ReplayAfterCommit,
    ];

    /// As the environment variable names it.
    pub fn name(self) -> &'static str {
        match self {
            Point::AfterReceive => "after_receive",
            Point::AfterScore => "after_score",
            Point::AfterProduce => "after_produce",
            Point::AfterAck => "after_ack",
            Point::AfterCommit => "after_commit",
            Point::InRevoke => "in_revoke",
            Point::ReplayAfterRead => "replay_after_read",
            Point::ReplayInProduce => "replay_in_produce",
            Point::ReplayAfterProduce => "replay_after_produce",
            Point::ReplayBeforeCommit => "replay_before_commit",
            Point::ReplayAfterCommit => "replay_after_commit",
        }
    }
}

/// A mistake that other systems have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Commits what was received instead of what was acknowledged.
    CommitBeforeAck,
    /// Commits one offset too many.
    OffsetOffByOne,
    /// Drops an outcome that the producer's full queue refuses, and calls it done.
    DropOnQueueFull,
    /// Commits a partition's old progress when it is another's already.
    CommitAfterRevoke,
    /// Counts records as scored that went back unfinished.
    HandedBackAsScored,
    /// Goes on where it stands after an aborted transaction.
    MissingSeek,
    /// Sends offsets in a transaction as no member of the group: no generation, so nobody is fenced.
    StaleGroupMetadata,
    /// Goes on with a producer whose request to end a transaction may still be under way.
    ReuseAfterLostEnd,
    /// Signs a decision of the fallback with the model's name.
    FallbackAsModel,
    /// Passes over a record for an operator, and leaves no dead letter.
    SkipWithoutLetter,
}

impl Bug {
    pub const ALL: [Bug; 10] = [
        Bug::CommitBeforeAck,
        Bug::OffsetOffByOne,
        Bug::DropOnQueueFull,
        Bug::CommitAfterRevoke,
        Bug::HandedBackAsScored,
        Bug::MissingSeek,
        Bug::StaleGroupMetadata,
        Bug::ReuseAfterLostEnd,
        Bug::FallbackAsModel,
        Bug::SkipWithoutLetter,
    ];

    /// As the environment variable names it.
    pub fn name(self) -> &'static str {
        match self {
            Bug::CommitBeforeAck => "commit_before_ack",
            Bug::OffsetOffByOne => "offset_off_by_one",
            Bug::DropOnQueueFull => "drop_on_queue_full",
            Bug::CommitAfterRevoke => "commit_after_revoke",
            Bug::HandedBackAsScored => "handed_back_as_scored",
            Bug::MissingSeek => "missing_seek",
            Bug::StaleGroupMetadata => "stale_group_metadata",
            Bug::ReuseAfterLostEnd => "reuse_after_lost_end",
            Bug::FallbackAsModel => "fallback_as_model",
            Bug::SkipWithoutLetter => "skip_without_letter",
        }
    }
}

/// A place at which a thread may stop for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hang {
    /// A challenger, before its model.
    Challenger,
}

impl Hang {
    pub const ALL: [Hang; 1] = [Hang::Challenger];

    /// As the environment variable names it.
    pub fn name(self) -> &'static str {
        match self {
            Hang::Challenger => "challenger",
        }
    }
}

/// Does not return where threads are told to hang there.
#[inline]
pub fn hang(at: Hang) {
    #[cfg(feature = "test-faults")]
    switches::hang(at);
    let _ = at;
}

/// What a record does to the process when the model is called with its row. Nothing, in a build for use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Poison {
    #[cfg(feature = "test-faults")]
    is: Option<switches::Poisonous>,
}

impl Poison {
    /// A record with this key has a row.
    #[inline]
    pub fn note(&mut self, key: Option<&[u8]>) {
        #[cfg(feature = "test-faults")]
        {
            self.is = self.is.or_else(|| switches::Poisonous::of(key?));
        }
        let _ = key;
    }

    /// The model is called. Does not return where one of its records is poisonous.
    #[inline]
    pub fn strike(self) {
        #[cfg(feature = "test-faults")]
        self.is.into_iter().for_each(switches::Poisonous::strike);
    }
}

/// Passes a moment; does not return where the process is told to die there.
#[inline]
pub fn pass(point: Point) {
    #[cfg(feature = "test-faults")]
    switches::pass(point);
    let _ = point;
}

/// Whether this mistake is to be made.
#[inline]
pub fn planted(bug: Bug) -> bool {
    #[cfg(feature = "test-faults")]
    return switches::planted(bug);
    #[cfg(not(feature = "test-faults"))]
    {
        let _ = bug;
        false
    }
}

/// Keeps the old progress of a partition that went back, for [`late_commits`].
#[inline]
pub fn commit_late(partition: i32, offset: i64) {
    #[cfg(feature = "test-faults")]
    switches::commit_late(partition, offset);
    let _ = (partition, offset);
}

/// What [`Bug::CommitAfterRevoke`] commits now: partition and offset, once, some commits after it was kept.
#[inline]
pub fn late_commits() -> impl Iterator<Item = (i32, i64)> {
    #[cfg(feature = "test-faults")]
    return switches::late_commits();
    #[cfg(not(feature = "test-faults"))]
    std::iter::empty()
}

#[cfg(feature = "test-faults")]
mod switches {
    use std::cell::RefCell;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Bug, Hang, Point};

    #[derive(Debug, Default)]
    struct Switches {
        point: Option<Point>,
        /// Passages until the end.
        left: AtomicU64,
        bug: Option<Bug>,
        hang: Option<Hang>,
    }

    /// How a record ends a process.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Poisonous {
        Aborts,
        Hangs,
    }

    impl Poisonous {
        pub fn of(key: &[u8]) -> Option<Poisonous> {
            match key {
                b"scorewire-test-abort" => Some(Poisonous::Aborts),
                b"scorewire-test-hang" => Some(Poisonous::Hangs),
                _ => None,
            }
        }

        pub fn strike(self) {
            if self == Poisonous::Aborts {
                // As a library does that finds itself broken.
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::ABORT);
            }
            loop {
                std::thread::park();
            }
        }
    }

    fn switches() -> &'static Switches {
        static SWITCHES: OnceLock<Switches> = OnceLock::new();
        SWITCHES.get_or_init(|| {
            let read = |name| std::env::var(name).ok();
            let mut switches =
                parse(read("SCOREWIRE_TEST_FAILPOINT").as_deref(), read("SCOREWIRE_TEST_BUG").as_deref());
            switches.hang = read("SCOREWIRE_TEST_HANG").map(|name| place(&name));
            switches
        })
    }

    /// A misspelt switch would make a test pass that tests nothing.
    fn parse(point: Option<&str>, bug: Option<&str>) -> Switches {
        let mut switches = Switches::default();
        if let Some(text) = point {
            let (name, passage) = text.split_once('@').unwrap_or((text, "1"));
            switches.point = Point::ALL.into_iter().find(|point| point.name() == name);
            assert!(switches.point.is_some(), "SCOREWIRE_TEST_FAILPOINT: no point {name}");
            switches.left = AtomicU64::new(passage.parse().expect("SCOREWIRE_TEST_FAILPOINT: POINT@PASSAGE"));
        }
        if let Some(name) = bug {
            switches.bug = Bug::ALL.into_iter().find(|bug| bug.name() == name);
            assert!(switches.bug.is_some(), "SCOREWIRE_TEST_BUG: no mistake {name}");
        }
        switches
    }

    fn place(name: &str) -> Hang {
        let found = Hang::ALL.into_iter().find(|at| at.name() == name);
        found.unwrap_or_else(|| panic!("SCOREWIRE_TEST_HANG: no place {name}"))
    }

    impl Switches {
        /// Whether this passage is the last.
        fn ends_at(&self, point: Point) -> bool {
            self.point == Some(point) && self.left.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    pub fn pass(point: Point) {
        if switches().ends_at(point) {
            // Nothing is flushed, said or left in order.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }

    pub fn hang(at: Hang) {
        while switches().hang == Some(at) {
            std::thread::park();
        }
    }

    pub fn planted(bug: Bug) -> bool {
        switches().bug == Some(bug)
    }

    /// Commit intervals that pass before it is made: the new owner has got further by then.
    const LATE_BY: u32 = 10;

    thread_local! {
        /// Partition, offset, and intervals left.
        static LATE: RefCell<Vec<(i32, i64, u32)>> = const { RefCell::new(Vec::new()) };
    }

    pub fn commit_late(partition: i32, offset: i64) {
        if planted(Bug::CommitAfterRevoke) {
            LATE.with_borrow_mut(|late| late.push((partition, offset, LATE_BY)));
        }
    }

    pub fn late_commits() -> impl Iterator<Item = (i32, i64)> {
        let due = LATE.with_borrow_mut(|late| {
            late.iter_mut().for_each(|(_, _, left)| *left -= 1);
            late.extract_if(.., |(_, _, left)| *left == 0).collect::<Vec<_>>()
        });
        due.into_iter().map(|(partition, offset, _)| (partition, offset))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_ends_its_passage_and_no_other() {
            let switches = parse(Some("after_ack@2"), None);
            assert!(!switches.ends_at(Point::AfterCommit));
            assert!(!switches.ends_at(Point::AfterAck));
            assert!(switches.ends_at(Point::AfterAck));
            assert!(!switches.ends_at(Point::AfterAck), "a process dies once");
            assert!(
                parse(Some("in_revoke"), None).ends_at(Point::InRevoke),
                "the first one, unless a number says more"
            );
        }

        #[test]
        fn every_name_is_understood() {
            for point in Point::ALL {
                assert_eq!(parse(Some(point.name()), None).point, Some(point));
            }
            for at in Hang::ALL {
                assert_eq!(place(at.name()), at);
            }
            for bug in Bug::ALL {
                assert_eq!(parse(None, Some(bug.name())).bug, Some(bug));
            }
            assert!(!planted(Bug::OffsetOffByOne), "nothing is planted unless somebody asks");
        }

        #[test]
        fn a_record_is_poisonous_by_its_key_alone() {
            let mut poison = super::super::Poison::default();
            for key in [None, Some(&b"scorewire-test"[..]), Some(b"scorewire-test-abort ")] {
                poison.note(key);
                poison.strike();
            }
            poison.note(Some(b"scorewire-test-hang"));
            poison.note(Some(b"scorewire-test-abort"));
            assert_eq!(poison.is, Some(Poisonous::Hangs), "the first one");
        }

        #[test]
        #[should_panic(expected = "no mistake typo")]
        fn a_misspelt_switch_is_no_switch() {
            parse(None, Some("typo"));
        }
    }
}
