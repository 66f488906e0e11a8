//! Memory that C code holds. Rust's own allocations do not go through `malloc` here, so what it has given out belongs
//! to ONNX Runtime, librdkafka and the C library.
#![allow(unsafe_code, reason = "one call into the C library")]

/// Bytes that `malloc` has given out and not got back; 0 where the C library does not tell.
pub fn allocated_bytes() -> u64 {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: takes nothing and returns a plain struct.
        let info = unsafe { libc::mallinfo2() };
        info.uordblks as u64 + info.hblkhd as u64
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    0
}
