//! An allocator that counts what each thread asks for, and how much of it is there at a time. A test binary that declares this module allocates through it.
#![allow(unsafe_code, reason = "an allocator is an implementation of an unsafe trait")]
#![allow(dead_code, reason = "each test binary asks for one of the two")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes asked for and not given back by this thread, and the most of them.
    static HELD: Cell<i64> = const { Cell::new(0) };
    static HELD_MAX: Cell<i64> = const { Cell::new(0) };
}

fn count(allocations: u64, bytes: i64) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    HELD.set(HELD.get() + bytes);
    HELD_MAX.set(HELD_MAX.get().max(HELD.get()));
}

/// A size has at most 63 bits.
fn bytes(size: usize) -> i64 {
    size as i64
}

struct Counting;

// SAFETY: every call goes on to the system's allocator; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, bytes(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -bytes(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, bytes(size) - bytes(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// The most bytes that this thread held at a time within `work`, beyond those it held before.
pub fn held_max<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = HELD.get();
    HELD_MAX.set(before);
    let done = work();
    (done, u64::try_from(HELD_MAX.get() - before).unwrap_or(0))
}
