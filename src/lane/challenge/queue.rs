//! The queue between a lane and one challenger: a fixed number of blocks that go round. Neither end ever waits for the other,
//! even where that is stopped in the middle of a step: each slot is one pointer that is swapped. (The ends of a channel of
//! `crossbeam` wait for each other for some instructions, and a challenger of the lowest priority may be stopped in them.)

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam::atomic::AtomicCell;

use super::sampled::Sampled;

/// Blocks that go round.
pub(super) const BLOCKS: usize = 64;

type Slots = [AtomicCell<Option<Box<Sampled>>>; BLOCKS];

struct Shared {
    filled: Slots,
    free: Slots,
    /// The lane is gone: what is filled is all there will be.
    is_closed: AtomicBool,
    /// The challenger takes no more.
    is_left: AtomicBool,
    /// Who waits at the other end.
    challenger: OnceLock<Thread>,
}

/// The lane's end.
pub(super) struct Filling {
    shared: Arc<Shared>,
    next_filled: usize,
    next_free: usize,
}

/// The challenger's end.
pub(super) struct Emptying {
    shared: Arc<Shared>,
    next_filled: usize,
    next_free: usize,
}

pub(super) fn queue() -> (Filling, Emptying) {
    let slots = |block: fn() -> Option<Box<Sampled>>| std::array::from_fn(|_| AtomicCell::new(block()));
    let shared = Arc::new(Shared {
        filled: slots(|| None),
        free: slots(|| Some(Box::new(Sampled::new()))),
        is_closed: AtomicBool::new(false),
        is_left: AtomicBool::new(false),
        challenger: OnceLock::new(),
    });
    let filling = Filling { shared: Arc::clone(&shared), next_filled: 0, next_free: 0 };
    (filling, Emptying { shared, next_filled: 0, next_free: 0 })
}

fn take(slots: &Slots, next: &mut usize) -> Option<Box<Sampled>> {
    let block = slots[*next % BLOCKS].take()?;
    *next += 1;
    Some(block)
}

fn put(slots: &Slots, next: &mut usize, block: Box<Sampled>) {
    let before = slots[*next % BLOCKS].swap(Some(block));
    debug_assert!(before.is_none(), "there are as many slots as blocks");
    *next += 1;
}

impl Filling {
    /// A block to fill; `None` while the challenger has them all.
    pub fn free(&mut self) -> Option<Box<Sampled>> {
        take(&self.shared.free, &mut self.next_free)
    }

    pub fn hand_over(&mut self, block: Box<Sampled>) {
        put(&self.shared.filled, &mut self.next_filled, block);
        if let Some(challenger) = self.shared.challenger.get() {
            challenger.unpark();
        }
    }

    /// Nobody takes anything any more.
    pub fn is_left(&self) -> bool {
        self.shared.is_left.load(Ordering::Relaxed)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        if let Some(challenger) = self.shared.challenger.get() {
            challenger.unpark();
        }
    }
}

impl Emptying {
    /// The calling thread is the one that [`Filling::hand_over`] wakes.
    pub fn wake_me(&self) {
        // Whoever serves it is one thread.
        let _ = self.shared.challenger.set(std::thread::current());
    }

    pub fn take(&mut self) -> Option<Box<Sampled>> {
        take(&self.shared.filled, &mut self.next_filled)
    }

    pub fn give_back(&mut self, mut block: Box<Sampled>) {
        block.clear();
        put(&self.shared.free, &mut self.next_free, block);
    }

    /// The lane is gone. Look for a last block after this.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Acquire)
    }
}

impl Drop for Emptying {
    fn drop(&mut self) {
        self.shared.is_left.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_round_in_order_and_none_is_lost_or_made() {
        assert!(AtomicCell::<Option<Box<Sampled>>>::is_lock_free());
        let (mut filling, mut emptying) = queue();
        for round in 0..3 {
            for at in 0..BLOCKS as u64 {
                let mut block = filling.free().unwrap();
                block.since_ns = round * 1_000 + at;
                filling.hand_over(block);
            }
            assert!(filling.free().is_none(), "the challenger has them all");
            for at in 0..BLOCKS as u64 {
                let block = emptying.take().unwrap();
                assert_eq!(block.since_ns, round * 1_000 + at);
                emptying.give_back(block);
            }
            assert!(emptying.take().is_none());
        }
        assert!(!emptying.is_closed());
        let last = filling.free().unwrap();
        filling.hand_over(last);
        drop(filling);
        assert!(emptying.is_closed() && emptying.take().is_some() && emptying.take().is_none());
    }

    #[test]
    fn two_threads_see_every_block_once() {
        let (mut filling, mut emptying) = queue();
        let challenger = std::thread::spawn(move || {
            emptying.wake_me();
            let mut seen = Vec::new();
            loop {
                let is_closed = emptying.is_closed();
                match emptying.take() {
                    Some(block) => {
                        seen.push(block.since_ns);
                        emptying.give_back(block);
                    }
                    None if is_closed => return seen,
                    None => std::thread::park(),
                }
            }
        });
        let mut sent = Vec::new();
        for number in 0..10_000 {
            if let Some(mut block) = filling.free() {
                block.since_ns = number;
                filling.hand_over(block);
                sent.push(number);
            }
        }
        drop(filling);
        assert_eq!(challenger.join().unwrap(), sent);
    }
}
