//! Lanes on their threads. The story: a lane dies and the process goes on half alive; or one lane's failure drops what
//! the others had under way; or a bounded run never ends.
//!
//! The first fatal error is latched and wins; everything else drains. Promise 8: a shutdown loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::fakes::{self, FakeLane, FakeSink, FakeSource, ManualClock, Payment, Setup, World};
use scorewire::doors::{CommitRefusal, Destination, Progress, SourceEvent};
use scorewire::error::{Fatal, exit};
use scorewire::lane::commit::{Commit, Round};
use scorewire::lane::deliver::Failed;
use scorewire::lane::ledger::Fate;
use scorewire::lane::threads::{Conductor, Lanes};
use scorewire::observe::doing::Doing;
use scorewire::observe::stats::LaneStats;
use scorewire::values::limits::Limits;
use scorewire::values::settings::{Cores, Layout};

/// A lane that owns its partitions from the first poll on, and the test's ends of its doors.
fn world(setup: Setup) -> World {
    let world = setup.build_unassigned();
    world.source.tell(SourceEvent::Assigned((0..world.setup.partitions).collect()));
    world.sink.state().auto_ack = true;
    world
}

/// Hands the lane to a thread; what is left are the test's ends.
fn start(lanes: &mut Lanes<ManualClock>, name: &str, world: World) -> Ends {
    let World { source, sink, scorer, stats, lane, .. } = world;
    let ends = Ends { source, sink, scorer, stats: Arc::clone(&stats) };
    let send: Box<dyn FnOnce() -> Result<FakeLane, Fatal> + Send> = Box::new(move || Ok(lane));
    lanes.start(name.into(), Cores::default(), stats, send).unwrap();
    ends
}

struct Ends {
    source: fakes::FakeSource,
    sink: fakes::FakeSink,
    scorer: fakes::scorer::ScorerState,
    stats: Arc<LaneStats>,
}

impl Ends {
    fn delivered(&self) -> usize {
        self.sink.state().delivered(Destination::Outputs).len()
    }
}

/// Moves time on by 100 ms each time the conductor looks around, and stops when the condition holds.
fn until(clock: &ManualClock, mut holds: impl FnMut() -> bool) -> impl FnMut() -> bool {
    let clock = clock.clone();
    let looks = AtomicU32::new(0);
    move || {
        clock.advance(Duration::from_millis(100));
        assert!(looks.fetch_add(1, Ordering::Relaxed) < 1_000, "never came");
        holds()
    }
}

fn lanes(clock: &ManualClock, limits: Limits) -> Lanes<ManualClock> {
    Lanes::new(clock.clone(), limits)
}

#[test]
fn promise_8_told_to_stop_every_lane_drains_and_leaves_in_order() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let worlds = [0, 1].map(|_| {
        let world = world(Setup { clock: clock.clone(), ..Setup::default() });
        world.put_payments(0, 50);
        world
    });
    let mut index = 0;
    let ends = worlds.map(|world| {
        index += 1;
        start(&mut all, &format!("lane-{index}"), world)
    });
    let done = all.wait(until(&clock, || ends.iter().all(|ends| ends.delivered() == 50)));
    assert_eq!(done, Ok(true));
    for ends in &ends {
        assert!(ends.source.state().closed);
        assert_eq!(ends.source.committed(0), Some(50));
        assert!(ends.stats.ended.load(Ordering::Acquire));
    }
}

#[test]
fn the_first_fatal_error_wins_and_the_other_lanes_drain() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let broken = world(Setup { clock: clock.clone(), ..Setup::default() });
    broken.scorer.set_broken(true);
    broken.put_payments(0, 20);
    let sound = world(Setup { clock: clock.clone(), ..Setup::default() });
    sound.put_payments(0, 50);
    let sound = start(&mut all, "sound", sound);
    let broken = start(&mut all, "broken", broken);
    let fatal = all.wait(until(&clock, || false)).unwrap_err();
    assert_eq!(fatal.code, exit::MODEL);
    assert!(broken.scorer.call_count() >= 16);
    let scored = sound.stats.scored.get();
    assert_eq!(sound.source.committed(0).unwrap_or(0), i64::try_from(scored).unwrap());
    assert!(sound.source.state().closed, "left in order");
}

/// The commits of a lane whose clients block when they are let go, until the test sends.
struct Blocking(Receiver<()>);

impl Commit<FakeSource, FakeSink> for Blocking {
    fn begin(&mut self, _: &mut FakeSink) -> Result<(), Fatal> {
        Err(Fatal::new(exit::UNAVAILABLE, "READ is denied", "grant it"))
    }

    fn finished(&mut self, _: Fate, _: &LaneStats) {}

    fn undelivered<'a>(&mut self, failed: &'a [Failed]) -> &'a [Failed] {
        failed
    }

    fn commit_if_due(&mut self, _: Round<'_, FakeSource, FakeSink>) -> Result<(), Fatal> {
        Ok(())
    }

    fn answered(&mut self, _: &[Progress], _: Result<(), CommitRefusal>, _: Round<'_, FakeSource, FakeSink>) {}

    fn withdraw(&mut self, _: &mut FakeSink) -> bool {
        false
    }

    fn is_idle(&self) -> bool {
        true
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.0.recv().expect("the test sends");
    }
}

/// A lane that was denied a right hung for a minute in its client's end, with every light green, and the watchdog gave the
/// process another exit code.
#[test]
fn the_reason_is_told_and_the_lane_not_ready_before_its_clients_are_let_go() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let (let_go, blocks) = channel();
    let world = Setup { clock: clock.clone(), ..Setup::default() }.with_commit(|_| Blocking(blocks));
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.source.put(0, Some(Payment::new("p", 0.25).encode()));
    let (stats, lane) = (Arc::clone(&world.stats), world.lane);
    all.start("lane-0".into(), Cores::default(), Arc::clone(&stats), move || Ok(lane)).unwrap();
    let conductor = Conductor::start(all).unwrap();
    let reason = loop {
        if let Some(fatal) = conductor.failure() {
            break fatal;
        }
        std::thread::yield_now();
    };
    assert_eq!((reason.code, reason.what.as_str()), (exit::UNAVAILABLE, "READ is denied"));
    assert_eq!(stats.failure.get().map(String::as_str), Some("READ is denied"));
    let_go.send(()).unwrap();
    assert_eq!(conductor.finish(), Err(reason), "and it is the one that the process ends with");
}

#[test]
fn a_lane_that_cannot_be_built_ends_the_process_with_its_reason() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let build = || Err::<FakeLane, _>(Fatal::new(exit::SYSTEM, "no library", "install it"));
    all.start("lane-0".into(), Cores::default(), Arc::default(), build).unwrap();
    assert_eq!(all.wait(|| false).unwrap_err().what, "no library");
}

#[test]
fn a_panic_ends_the_process_as_a_bug() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let build = || -> Result<FakeLane, Fatal> { panic!("for the test") };
    all.start("lane-0".into(), Cores::default(), Arc::default(), build).unwrap();
    assert_eq!(all.wait(|| false).unwrap_err().code, exit::INTERNAL);
}

#[test]
fn a_drain_that_takes_too_long_is_given_up_and_told() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits { drain_timeout: Duration::from_secs(2), ..Limits::default() });
    let world = world(Setup { clock: clock.clone(), ..Setup::default() });
    world.sink.state().auto_ack = false;
    world.put_payments(0, 5);
    let ends = start(&mut all, "lane-0", world);
    let sent = || ends.sink.state().sent.len() == 5;
    assert_eq!(all.wait(until(&clock, sent)), Ok(false));
    assert_eq!(ends.stats.handed_back.get(), 5);
    assert_eq!(ends.source.committed(0), Some(0), "the start, and nothing that was not acknowledged");
}

#[test]
fn a_bounded_run_ends_by_itself_when_everything_up_to_the_end_is_committed() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let world = world(Setup { clock: clock.clone(), until: Some(vec![30, 10]), ..Setup::default() });
    world.source.state().tell_end = true;
    world.put_payments(0, 30);
    for index in 0..10 {
        world.source.put(1, (index % 3 > 0).then(|| Payment::new("p", 0.25).encode()));
    }
    let ends = start(&mut all, "lane-0", world);
    assert_eq!(all.wait(until(&clock, || false)), Ok(true));
    assert_eq!((ends.source.committed(0), ends.source.committed(1)), (Some(30), Some(10)));
    assert_eq!((ends.stats.scored.get(), ends.stats.rejected_total()), (36, 4));
}

#[test]
fn the_conductor_on_its_own_thread_tells_how_it_ended() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let world = world(Setup { clock: clock.clone(), ..Setup::default() });
    world.put_payments(0, 9);
    let ends = start(&mut all, "lane-0", world);
    let conductor = Conductor::start(all).unwrap();
    assert_eq!(conductor.failure(), None);
    clock.advance(Duration::from_secs(1));
    assert_eq!(conductor.finish(), Ok(true));
    assert_eq!(ends.source.committed(0).unwrap_or(0), i64::try_from(ends.stats.scored.get()).unwrap());
}

#[test]
fn a_lane_is_pinned_to_its_core_or_says_why_not() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let world = world(Setup { clock: clock.clone(), ..Setup::default() });
    let World { stats, lane, .. } = world;
    let cores = Cores { lane: Some(1_000), model: None };
    all.start("lane-0".into(), cores, stats, move || Ok(lane)).unwrap();
    let fatal = all.wait(|| false).unwrap_err();
    assert_eq!(fatal.code, exit::SYSTEM);
    assert!(fatal.what.contains("core 1000"), "{fatal}");
}

#[test]
fn a_lane_whose_model_does_not_come_back_says_so() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let world = world(Setup { clock: clock.clone(), layout: Layout::Inline, ..Setup::default() });
    world.put_payments(0, 5);
    let slow = Arc::clone(&world.scorer.slow);
    let mut held = Some(slow.lock().unwrap());
    let ends = start(&mut all, "lane-0", world);
    let stop = || {
        if ends.scorer.call_count() == 0 {
            return false;
        }
        if held.is_some() {
            assert_eq!(ends.stats.doing.get(), Doing::Model);
            held = None;
        }
        ends.delivered() == 5
    };
    assert_eq!(all.wait(until(&clock, stop)), Ok(true));
    assert_eq!(ends.stats.doing.get(), Doing::LettingGo);
}

fn dedicated(clock: &ManualClock) -> World {
    world(Setup { clock: clock.clone(), layout: Layout::Dedicated, batch_rows: 4, ..Setup::default() })
}

/// The lane turns, answers its group and takes records in, while the one model call has not come back.
#[test]
fn the_poll_thread_never_waits_for_a_dedicated_model() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let world = dedicated(&clock);
    world.put_payments(0, 30);
    let slow = Arc::clone(&world.scorer.slow);
    let mut held = Some(slow.lock().unwrap());
    let ends = start(&mut all, "lane-0", world);
    let mut at_hold = None;
    let stop = || {
        if held.is_none() {
            return ends.delivered() == 30;
        }
        if ends.stats.received.get() < 12 {
            return false;
        }
        assert_eq!((ends.scorer.call_count(), ends.delivered()), (1, 0));
        let cycle_ms = ends.stats.last_cycle_ms.get();
        if *at_hold.get_or_insert(cycle_ms) < cycle_ms {
            assert_ne!(ends.stats.model_busy_since_ms.get(), 0, "the watchdog sees the call");
            held = None;
        }
        false
    };
    assert_eq!(all.wait(until(&clock, stop)), Ok(true));
    assert_eq!(ends.source.committed(0), Some(30));
    assert_eq!((ends.stats.received.get(), ends.stats.scored.get()), (30, 30));
    assert_eq!(ends.stats.model_busy_since_ms.get(), 0);
    let sink = ends.sink.state();
    let order: Vec<i64> = sink.delivered(Destination::Outputs).iter().map(|sent| sent.source.offset).collect();
    assert_eq!(order, (0..30).collect::<Vec<_>>());
}

#[test]
fn a_dedicated_model_that_fails_for_good_is_the_fatal_error_of_its_lane() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let world = dedicated(&clock);
    world.scorer.set_broken(true);
    world.put_payments(0, 30);
    let ends = start(&mut all, "lane-0", world);
    assert_eq!(all.wait(until(&clock, || false)).unwrap_err().code, exit::MODEL);
    assert_eq!((ends.scorer.call_count(), ends.delivered()), (16, 0));
}

#[test]
fn a_panic_on_the_models_thread_ends_the_process_as_a_bug() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let world = dedicated(&clock);
    world.scorer.panics.store(true, Ordering::SeqCst);
    world.put_payments(0, 3);
    start(&mut all, "lane-0", world);
    let fatal = all.wait(until(&clock, || false)).unwrap_err();
    assert!(fatal.code == exit::INTERNAL && fatal.what.contains("panicked"), "{fatal}");
}

#[test]
fn a_models_thread_is_pinned_to_its_core_or_says_why_not() {
    let clock = ManualClock::default();
    let mut all = lanes(&clock, Limits::default());
    let World { stats, lane, .. } = dedicated(&clock);
    let cores = Cores { lane: None, model: Some(1_000) };
    all.start("lane-0".into(), cores, stats, move || Ok(lane)).unwrap();
    let fatal = all.wait(until(&clock, || false)).unwrap_err();
    assert!(fatal.code == exit::SYSTEM && fatal.what.contains("core 1000"), "{fatal}");
}
