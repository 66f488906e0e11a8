//! Orders of an operator: a partition goes on behind a record that no topic takes, or elsewhere. What is in flight of it is
//! finished and committed first. What is passed over gets one dead letter, which is a record of the ledger like any other, at
//! the last of these offsets: its acknowledgement moves progress behind them. The partition stands still until the group has
//! that, so that nothing overtakes the dead letter, and one that is not delivered is sent again.

use std::sync::atomic::Ordering;

use crate::doors::{Clock, Progress, SendError, Source, SourceRecord, Stop, Why};
use crate::error::{Fatal, Reject};
use crate::failpoint::{Bug, planted};
use crate::lane::commit::Commit;
use crate::lane::deliver::Skipped;
use crate::lane::drive::Lane;
use crate::lane::ledger::{Assignment, Fate, Flow, Restart};
use crate::lane::score::{Item, Verdict};
use crate::lane::state::control::{Mailbox, Marked, Step, Underway};
use crate::lane::types::{LaneTypes, RecordOf};
use crate::observe::doing::Doing;
use crate::values::order::{Answer, Ask, Moved, Order, Refusal};
use crate::values::record::{Position, Tag};

/// What comes next of an order.
enum Next {
    Waits(Step),
    Over(Answer),
}

impl<T: LaneTypes> Lane<T> {
    /// From now on it hears what operators ask.
    pub fn hear(&mut self, mailbox: Mailbox) {
        self.group.control.hear(mailbox);
    }

    /// Part of a duty cycle: carries an order on by a step, where there is one.
    pub(super) fn obey(&mut self, now_ns: u64) -> Result<(), Fatal> {
        self.tell_of_marked();
        let Some(Underway { asked, step }) = self.group.control.next() else { return Ok(()) };
        let order = asked.order;
        let next = match step {
            Step::Finishing { again } if !again && asked.is_over.load(Ordering::Acquire) => {
                self.give_up(order, Refusal::TooLate)?
            }
            Step::Finishing { again } => self.begin_order(order, again, now_ns)?,
            Step::Sent { assignment, from, to } => self.finish_letter(order, assignment, (from, to))?,
            Step::Refused { assignment, why } if self.ledger.has(assignment) => {
                Next::Waits(Step::Refused { assignment, why })
            }
            Step::Refused { why, .. } => self.give_up(order, Refusal::LetterRefused { why })?,
            Step::GivenUp { why } => self.give_up(order, why)?,
            Step::Committing { from, to } => self.finish_move(order, (from, to)),
            Step::Marked { assignment } if asked.is_over.load(Ordering::Acquire) => {
                self.group.control.leave(Marked { order, assignment });
                return Ok(());
            }
            Step::Marked { assignment } => self.finish_marked(order, assignment),
        };
        match next {
            Next::Waits(step) => self.group.control.keep(Underway { asked, step }),
            // Whoever asked may be gone.
            Next::Over(answer) => drop(asked.answer.try_send(answer)),
        }
        Ok(())
    }

    /// Checks the order against the partition as it stands, and begins when nothing of it is in flight.
    fn begin_order(&mut self, order: Order, again: bool, now_ns: u64) -> Result<Next, Fatal> {
        let waits = Next::Waits(Step::Finishing { again });
        let Some(assignment) = self.ledger.of_partition(order.partition) else {
            return Ok(Next::Over(if again {
                Answer::Refused(Refusal::Lost)
            } else {
                Answer::NotHeld { held: self.ledger.held() }
            }));
        };
        if matches!(assignment.flow(), Flow::Revoking) {
            return Ok(Next::Over(Answer::Refused(Refusal::Leaves)));
        }
        let is_stopped = assignment.flow().is_stopped();
        if again && !is_stopped {
            // It went back, and comes to where it stopped once more.
            return Ok(waits);
        }
        if order.ask == Ask::Skip && !is_stopped && self.decide.is_holding() {
            let id = assignment.id();
            return Ok(self.mark_waiting(order, id));
        }
        if let Err(why) = is_allowed(order, &assignment) {
            return self.give_up(order, why);
        }
        if !is_stopped {
            self.stop_to_move(order)?;
            return Ok(waits);
        }
        let is_ready = assignment.is_settled() && !self.shutdown.is_stopping();
        if !is_ready || self.deliver.is_stuck() || !self.commit.takes_outcomes() || self.group.is_in_doubt(now_ns) {
            return Ok(waits);
        }
        let from = stands_at(&assignment);
        let to = match order.ask {
            Ask::Skip => from + 1,
            Ask::Seek { .. } => order.offset,
        };
        if to <= from || order.without_letter || planted(Bug::SkipWithoutLetter) {
            self.move_to(Progress { partition: order.partition, offset: to })?;
            return Ok(Next::Waits(Step::Committing { from, to }));
        }
        self.send_letter(order, (from, to))
    }

    /// An operator moves a partition that flows.
    fn stop_to_move(&mut self, Order { partition, offset, .. }: Order) -> Result<(), Fatal> {
        self.forget_unprocessed(partition);
        let stop = Stop {
            why: Why::Sought,
            next: -1,
            kept: None,
            words: format!("an operator moves partition {partition} to offset {offset} (scorewire seek)"),
            fix: "it goes on by itself when what is in flight of it is finished".to_owned(),
        };
        tracing::warn!(partition, offset, "an operator moves the partition: what is in flight of it is finished first");
        let since_us = self.clock.wall_us();
        if let Some(mut assignment) = self.ledger.of_partition(partition) {
            assignment.stop(stop, since_us);
        }
        self.source.pause(&[partition])
    }

    /// A partition that was stopped to be moved goes on where it was. What is in flight of it is finished first: begun anew
    /// before, it would be done twice.
    fn give_up(&mut self, order: Order, why: Refusal) -> Result<Next, Fatal> {
        let is_sought = |flow: &Flow| matches!(flow, Flow::Stopped { stop, .. } if stop.why == Why::Sought);
        let found = self.ledger.of_partition(order.partition).filter(|assignment| is_sought(assignment.flow()));
        let Some(assignment) = found else { return Ok(Next::Over(Answer::Refused(why))) };
        if !assignment.is_settled() {
            return Ok(Next::Waits(Step::GivenUp { why }));
        }
        let at = assignment.finished_to();
        self.move_to(at)?;
        Ok(Next::Over(Answer::Refused(why)))
    }

    /// The first record of the partition that waits for its model becomes a dead letter; the model is asked again for the others.
    fn mark_waiting(&mut self, order: Order, assignment: u32) -> Next {
        let waits =
            |item: &&mut Item<RecordOf<T>>| item.assignment == assignment && matches!(item.verdict, Verdict::Row(_));
        if let Some(Marked { assignment, .. }) = self.group.control.take_up(order.partition, order.offset) {
            return Next::Waits(Step::Marked { assignment });
        }
        let Some(item) = self.score.leaving().items.iter_mut().find(waits) else {
            return Next::Over(Answer::Refused(Refusal::Flows));
        };
        let offset = item.record.position().offset;
        if offset != order.offset {
            return Next::Over(Answer::Refused(Refusal::StandsAt(offset)));
        }
        item.verdict = Verdict::Rejected(Reject::Skipped);
        Next::Waits(Step::Marked { assignment })
    }

    fn finish_marked(&mut self, order: Order, assignment: u32) -> Next {
        let (from, to) = (order.offset, order.offset + 1);
        match self.ledger.of_id(assignment) {
            None => lost(),
            Some(held) if held.has_committed(to) => self.moved(order, Moved { from, to, has_letter: true }),
            Some(_) => Next::Waits(Step::Marked { assignment }),
        }
    }

    /// The letters of those that nobody waits for, once they are committed.
    fn tell_of_marked(&mut self) {
        let ledger = &mut self.ledger;
        let has_left = |marked: &mut Marked| {
            ledger.of_id(marked.assignment).is_none_or(|held| held.has_committed(marked.order.offset + 1))
        };
        for Marked { order, assignment } in self.group.control.ended(has_left) {
            // Its answer is the log's and the metrics' alone. A partition that is gone took the record along.
            drop(self.finish_marked(order, assignment));
        }
    }

    fn send_letter(&mut self, order: Order, (from, to): (i64, i64)) -> Result<Next, Fatal> {
        let Some(mut assignment) = self.ledger.of_partition(order.partition) else { return Ok(lost()) };
        self.telemetry.stats.doing.set(Doing::Producing);
        self.commit.begin(self.deliver.sink())?;
        let (first, last) = (Position { partition: order.partition, offset: from }, to - 1);
        let sequence = assignment.receive(Position { offset: last, ..first }, 0);
        assignment.announce(sequence, 1, Fate::Rejected(Reject::Skipped));
        let id = assignment.id();
        let skipped = Skipped { tag: Tag::new(id, sequence), first, last };
        let now_ms = self.clock.wall_us() / 1_000;
        let sent = self.deliver.skip::<RecordOf<T>>(skipped, &self.telemetry.stats, now_ms);
        if sent.is_ok() {
            self.telemetry.stats.received.add(1);
            return Ok(Next::Waits(Step::Sent { assignment: id, from, to }));
        }
        assignment.forget_from(sequence);
        match sent {
            Err(SendError::Fatal(fatal)) => Err(fatal),
            Err(SendError::TooLarge) => {
                let why = "it is larger than the producer sends".to_owned();
                Ok(Next::Waits(Step::Refused { assignment: u32::MAX, why }))
            }
            Err(SendError::Aborted) => {
                self.commit.refused()?;
                Ok(Next::Waits(Step::Finishing { again: true }))
            }
            Ok(()) | Err(SendError::Full) => Ok(Next::Waits(Step::Finishing { again: true })),
        }
    }

    fn finish_letter(&mut self, order: Order, assignment: u32, (from, to): (i64, i64)) -> Result<Next, Fatal> {
        let Some(held) = self.ledger.of_id(assignment) else {
            // It was not delivered, or the partition is gone.
            return Ok(Next::Waits(Step::Finishing { again: true }));
        };
        if !held.is_settled() {
            return Ok(Next::Waits(Step::Sent { assignment, from, to }));
        }
        self.move_to(Progress { partition: order.partition, offset: to })?;
        Ok(self.moved(order, Moved { from, to, has_letter: true }))
    }

    fn finish_move(&mut self, order: Order, (from, to): (i64, i64)) -> Next {
        let Some(assignment) = self.ledger.of_partition(order.partition) else { return lost() };
        // What was committed since is behind that.
        if !assignment.has_committed(to) {
            return Next::Waits(Step::Committing { from, to });
        }
        self.moved(order, Moved { from, to, has_letter: false })
    }

    /// The group has it.
    fn moved(&mut self, order: Order, moved: Moved) -> Next {
        let (partition, Moved { from, to, has_letter }) = (order.partition, moved);
        let stats = &self.telemetry.stats;
        match order.ask {
            Ask::Skip => stats.skips.add(1),
            Ask::Seek { .. } => stats.seeks.add(1),
        }
        let passed_over = u64::try_from(to - from).unwrap_or(0);
        stats.records_skipped.add(passed_over);
        tracing::warn!(
            partition,
            from,
            to,
            passed_over,
            has_letter,
            "the partition goes on where an operator moved it"
        );
        Next::Over(Answer::Done(moved))
    }

    /// Begins a partition anew there, whatever has stopped it. Nothing of it is in flight.
    fn move_to(&mut self, to: Progress) -> Result<(), Fatal> {
        match self.begin_anew(to.partition, Restart::Moved(to)) {
            Some(restarted) => self.flow_again(&restarted),
            None => Ok(()),
        }
    }
}

fn lost() -> Next {
    Next::Over(Answer::Refused(Refusal::Lost))
}

/// The offset that the partition would read next.
fn stands_at(assignment: &Assignment) -> i64 {
    let finished = assignment.finished_to().offset;
    match assignment.flow() {
        Flow::Stopped { stop, .. } => finished.max(stop.next),
        _ => finished,
    }
}

/// Whether the order fits the partition as it stands.
fn is_allowed(order: Order, assignment: &Assignment) -> Result<(), Refusal> {
    match (order.ask, assignment.flow()) {
        (Ask::Skip, Flow::Stopped { stop, .. }) if stop.why != Why::OutcomeRefused => {
            Err(Refusal::NothingRead { why: stop.why.name(), next: stands_at(assignment) })
        }
        (Ask::Skip, Flow::Stopped { stop, .. }) if stop.next != order.offset => Err(Refusal::StandsAt(stop.next)),
        (Ask::Skip, Flow::Stopped { .. }) => Ok(()),
        (Ask::Skip, _) => Err(Refusal::Flows),
        (Ask::Seek { forced: false, .. }, flow) if !flow.is_stopped() => Err(Refusal::Flows),
        // While it flows, that is the least that it can be.
        (Ask::Seek { repeats: false, .. }, _) if order.offset < stands_at(assignment) => {
            Err(Refusal::Backwards { from: stands_at(assignment) })
        }
        (Ask::Seek { .. }, _) => Ok(()),
    }
}
