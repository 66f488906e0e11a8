//! The clock of a lane: the machine's, or one that moves with the records.

use std::cell::Cell;
use std::rc::Rc;

use scorewire::doors::Clock;
use scorewire::lane::clock::SystemClock;

/// What a lane does by the clock (commits, what it shows) would cost a counted run under valgrind fifty times as much as it
/// does otherwise: there the clock moves as at 100,000 records a second.
const STEP_NS: u64 = 10_000;

#[derive(Clone)]
pub enum LaneClock {
    Machine(SystemClock),
    Stepped(Rc<Cell<u64>>),
}

impl LaneClock {
    pub fn stepped() -> LaneClock {
        LaneClock::Stepped(Rc::new(Cell::new(STEP_NS)))
    }

    /// So many records were taken.
    pub fn pass(&self, records: usize) {
        if let LaneClock::Stepped(now) = self {
            now.set(now.get() + STEP_NS * records as u64);
        }
    }
}

impl Clock for LaneClock {
    fn now_ns(&self) -> u64 {
        match self {
            LaneClock::Machine(clock) => clock.now_ns(),
            LaneClock::Stepped(now) => now.get(),
        }
    }

    fn wall_us(&self) -> i64 {
        match self {
            LaneClock::Machine(clock) => clock.wall_us(),
            LaneClock::Stepped(now) => super::memory::TIMESTAMP_MS * 1_000 + (now.get() / 1_000).cast_signed(),
        }
    }
}

/// CPU time of this thread so far.
pub fn cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
