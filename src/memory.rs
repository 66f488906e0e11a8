//! What memory the process holds, as the kernel and the allocator count it.
//!
//! mimalloc stands before the C library's `malloc` (its `override`), so that librdkafka and ONNX Runtime allocate there
//! too: what the client allocates for each record on two threads takes half of the CPU time that way.

#![allow(unsafe_code, reason = "the allocator's own functions")]

use std::ffi::{c_long, c_void};
use std::ptr::{self, null_mut};

use libmimalloc_sys as mi;

/// Bytes of this process that are in physical memory; `None` where `/proc` is not there.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Bytes that the allocator holds for everybody in this process, C code included: in use, or kept for the next
/// allocation. It gives back what nobody has used for a while ([`keep_what_is_freed`]).
pub fn heap_bytes() -> u64 {
    let (mut held, nobody) = (0, null_mut());
    // SAFETY: fills in what is not null.
    unsafe { mi::mi_process_info(nobody, nobody, nobody, nobody, nobody, &mut held, nobody, nobody) };
    held as u64
}

/// The allocator's option for how long it keeps what is freed, milliseconds; the crate does not name it.
const PURGE_DELAY: mi::mi_option_t = 15;

/// How long: the variable `MIMALLOC_PURGE_DELAY` goes before it.
const KEPT_MS: c_long = 10_000;

/// Lets the allocator keep for ten seconds what nobody uses, instead of one. How much is in use swings from second to second
/// with the records that are read ahead and those that wait for their acknowledgements. What was given back meanwhile is taken
/// from the kernel again, page by page and cleared: 10 to 25 pages for a thousand records at drain, some microseconds each
/// where the machine is a virtual one.
pub fn keep_what_is_freed() {
    // SAFETY: sets a number; the program calls it before it has other threads.
    unsafe { mi::mi_option_set_default(PURGE_DELAY, KEPT_MS) };
}

/// The allocator's option for walks over what threads that ended left behind; the crate does not name it.
const VISIT_ABANDONED: mi::mi_option_t = 28;

/// Bytes in use of them, for a comparison before and after: walks the whole heap. What other threads allocate meanwhile
/// may be counted or not. Where the walk would not be sound beside other threads, these are [`heap_bytes`].
pub fn used_bytes() -> u64 {
    // SAFETY: a number is read.
    if unsafe { mi::mi_option_is_enabled(VISIT_ABANDONED) } {
        return heap_bytes();
    }
    let mut used = 0_u64;
    // SAFETY: null is the heap of all threads. The allocator says that it expects to be alone in a walk. What it does, in the
    // version that is pinned: it goes through the bitmaps of its arenas, which are atomic and are given back by nobody, and
    // reads the description of each area found there. Another thread may change or free that area meanwhile: numbers of
    // another moment are read then, from memory that stays mapped (purging leaves zeros). It then follows a list of areas
    // outside arenas without a lock; nothing is put on that list unless the option above is set, which it is not.
    unsafe { mi::mi_heap_visit_blocks(null_mut(), false, Some(add_area), ptr::from_mut(&mut used).cast()) };
    used
}

/// # Safety
/// Called by the allocator's walk with an area, and with the number that the walk was given.
unsafe extern "C" fn add_area(
    _: *const mi::mi_heap_t,
    area: *const mi::mi_heap_area_t,
    _: *mut c_void,
    _: usize,
    used: *mut c_void,
) -> bool {
    // SAFETY: by the contract above. What the area calls used is a number of blocks.
    unsafe { *used.cast::<u64>() += ((*area).used * (*area).full_block_size) as u64 };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_memory_is_resident() {
        // Far more than what other tests free meanwhile.
        const BLOCK: usize = 1 << 30;
        let before = resident_bytes().expect("Linux has /proc");
        let mut block = vec![0_u8; BLOCK];
        block.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(&block);
        let after = resident_bytes().expect("Linux has /proc");
        assert!(after >= before + BLOCK as u64 / 2, "{BLOCK} bytes were touched: {before} -> {after}");
    }

    /// Runs a test of this module again, in a process of its own with a variable.
    fn again_with(test: &str, variable: &str, value: &str) {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", &format!("memory::tests::{test}")]).env(variable, value);
        assert!(again.status().unwrap().success());
    }

    /// The number of an option is a place in a list that may grow: this one follows its variable, in a process of its own.
    #[test]
    fn the_option_that_a_walk_depends_on_is_the_one_that_is_meant() {
        const VARIABLE: &str = "MIMALLOC_VISIT_ABANDONED";
        // SAFETY: a number is read.
        let is_set = unsafe { mi::mi_option_is_enabled(VISIT_ABANDONED) };
        assert_eq!(is_set, std::env::var_os(VARIABLE).is_some());
        if !is_set {
            again_with("the_option_that_a_walk_depends_on_is_the_one_that_is_meant", VARIABLE, "1");
        }
    }

    /// As above: the number is the right one, and whoever sets the variable decides.
    #[test]
    fn what_is_freed_is_kept_for_ten_seconds_or_for_as_long_as_the_environment_says() {
        const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";
        let told = std::env::var(VARIABLE).ok().map(|text| text.parse().unwrap());
        keep_what_is_freed();
        // SAFETY: a number is read.
        let kept_ms = unsafe { mi::mi_option_get(PURGE_DELAY) };
        assert_eq!(kept_ms, told.unwrap_or(KEPT_MS));
        if told.is_none() {
            again_with("what_is_freed_is_kept_for_ten_seconds_or_for_as_long_as_the_environment_says", VARIABLE, "777");
        }
    }

    #[test]
    fn the_heap_grows_with_what_c_code_allocates() {
        // Far more than what other tests allocate and free meanwhile.
        const BLOCK: usize = 1 << 30;
        let before = (heap_bytes(), used_bytes());
        // SAFETY: the block is freed below and not used in between.
        let block = unsafe { libc::malloc(BLOCK) };
        // Seen by something: an optimiser leaves out a block that nobody looks at.
        assert!(!std::hint::black_box(block).is_null());
        let during = (heap_bytes(), used_bytes());
        // SAFETY: the block comes from malloc and is freed once.
        unsafe { libc::free(block) };
        let grown = (during.0.saturating_sub(before.0), during.1.saturating_sub(before.1));
        let least = BLOCK as u64 / 4 * 3;
        assert!(grown.0 >= least && grown.1 >= least, "{BLOCK} bytes were allocated: {before:?} -> {during:?}");
    }
}
