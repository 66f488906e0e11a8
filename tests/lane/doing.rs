//! What the watchdog says of a lane that hangs. The story: a process ends itself after a minute with "the lane hangs", and
//! nobody can tell a model from a broker.
//!
//! Each door is asked which step would have been named, had it not come back.

use crate::fakes::{self, Entry, Payment, Setup, World, payload};
use scorewire::doors::SourceEvent;
use scorewire::lane::commit::Commit;
use scorewire::observe::doing::Doing;

#[track_caller]
fn assert_named<D: Commit<fakes::FakeSource, fakes::FakeSink>>(
    world: &World<D>,
    doing: Doing,
    pick: impl Fn(&Entry) -> bool,
) {
    let steps = world.journal.steps_at(pick);
    assert!(!steps.is_empty(), "the door was never opened for {doing:?}");
    assert!(steps.iter().all(|step| *step == doing), "not always {doing:?}: {steps:?}");
}

/// Everything a lane does in its life: scores, dead letters, a wait for a schema, a failed delivery, a revoke.
fn live<D: Commit<fakes::FakeSource, fakes::FakeSink>>(world: &mut World<D>) {
    world.journal.watch(&world.stats);
    world.put_payments(0, 20);
    world.source.put(0, None);
    world.source.put(1, Payment::new("w", 0.5).schema_id(payload::PENDING_ID).encode());
    world.cycles(5);
    world.sink.state().answer(Err(fakes::sink::REFUSED), |sent| sent.source.offset == 3);
    world.cycles(5);
    world.schemas.found(payload::PENDING_ID, &payload::reader());
    world.clock.advance(world.setup.limits.schema_retry);
    world.sink.state().auto_ack = true;
    world.clock.advance(world.setup.limits.commit_interval);
    world.cycles(5);
    world.source.tell(SourceEvent::Revoked(vec![0]));
    world.cycle_until("the release", |world| world.journal.contains(&Entry::Released(0)));
    world.source.tell(SourceEvent::Assigned(vec![0]));
    world.cycles(5);
    assert_named(world, Doing::Polling, |entry| matches!(entry, Entry::Polled(_)));
    assert_named(world, Doing::Producing, |entry| matches!(entry, Entry::Sent(..)));
    assert_named(world, Doing::Consumer, |entry| {
        matches!(
            entry,
            Entry::Assigned(_) | Entry::Released(_) | Entry::Paused(_) | Entry::Resumed(_) | Entry::Sought(..)
        )
    });
}

#[test]
fn each_door_is_named_by_its_step() {
    let mut world = Setup::default().build();
    live(&mut world);
    assert_named(&world, Doing::Committing, |entry| matches!(entry, Entry::CommitStarted(..)));
    world.lane.start_drain().unwrap();
    world.cycle_until("the drain", |world| world.lane.is_drained());
    world.lane.close(std::time::Duration::ZERO);
    assert_eq!(world.stats.doing.get(), Doing::Closing);
}

#[test]
fn each_door_is_named_where_outcomes_and_offsets_go_in_transactions() {
    live(&mut Setup::default().build_exactly_once());
}
