//! What memory the process holds, as the kernel and the allocator count it.
//!
//! mimalloc stands before the C library's `malloc` (its `override`), so that librdkafka and ONNX Runtime allocate there
//! too: what the client allocates for each record on two threads takes half of the CPU time that way.

#![allow(unsafe_code, reason = "the allocator's own functions")]

use std::ffi::c_void;
use std::ptr::{self, null_mut};

use libmimalloc_sys as mi;

/// Bytes of this process that are in physical memory; `None` where `/proc` is not there.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Bytes that the allocator holds for everybody in this process, C code included: in use, or kept for the next
/// allocation. It gives back what nobody has used for a second.
pub fn heap_bytes() -> u64 {
    let (mut held, nobody) = (0, null_mut());
    // SAFETY: fills in what is not null.
    unsafe { mi::mi_process_info(nobody, nobody, nobody, nobody, nobody, &mut held, nobody, nobody) };
    held as u64
}

/// Bytes in use of them, for a comparison before and after: walks the whole heap. What other threads allocate meanwhile
/// may be counted or not.
pub fn used_bytes() -> u64 {
    let mut used = 0_u64;
    // SAFETY: null is the heap of all threads; areas are only read, and their memory is never unmapped.
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
