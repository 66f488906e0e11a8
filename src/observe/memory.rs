//! Memory as the kernel and the C library count it.

/// Bytes of this process that are in physical memory; `None` where `/proc` is not there.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Bytes in use in the C library's heap. Rust code allocates elsewhere (mimalloc), so this is what librdkafka and ONNX
/// Runtime hold together. `None` where the C library does not count.
pub fn native_heap_bytes() -> Option<u64> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: takes no arguments and returns a struct by value; glibc locks each arena while it counts.
        let info = unsafe { libc::mallinfo2() };
        // Blocks within the arenas, and large ones mapped on their own.
        Some((info.uordblks + info.hblkhd) as u64)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_memory_is_resident() {
        let before = resident_bytes().expect("Linux has /proc");
        let block = vec![1_u8; 64 << 20];
        let after = resident_bytes().expect("Linux has /proc");
        assert_eq!(block.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 64 << 20);
        assert!(after >= before + (32 << 20), "64 MiB were touched: {before} -> {after}");
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn the_native_heap_grows_with_the_c_library_s_allocations() {
        let before = native_heap_bytes().expect("glibc counts");
        // Seen by something: an optimiser leaves out a block that nobody looks at.
        // SAFETY: the block is freed below and not used in between.
        let block = std::hint::black_box(unsafe { libc::malloc(64 << 20) });
        assert!(!block.is_null());
        let during = native_heap_bytes().expect("glibc counts");
        // SAFETY: the block comes from malloc and is freed once.
        unsafe { libc::free(block) };
        assert!(during >= before + (48 << 20), "64 MiB were allocated: {before} -> {during}");
    }
}
