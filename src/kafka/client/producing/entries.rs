//! The entries of header lists, written as the client reads them.
#![allow(unsafe_code, reason = "librdkafka's headers are made in C's memory; each block says why it holds")]

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_char;
use std::ptr::{self, NonNull};

use crate::kafka::client::consuming::raw_headers::Header;
use crate::kafka::client::inside::HeaderEntry;

/// Two NULs, and what an entry may be moved by to be aligned.
pub(super) const ENTRY_SLACK: usize = 2 + align_of::<HeaderEntry>();

/// Memory that the client may free.
pub(super) fn allocate(bytes: usize) -> NonNull<u8> {
    // SAFETY: never for nothing: a list has headers.
    let block = unsafe { libc::malloc(bytes) };
    let layout = || Layout::array::<u8>(bytes).expect("a block that can be asked for");
    NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout()))
}

/// Returns what follows it.
///
/// # Safety
/// There is room for the entry, the name, the value and two NULs.
pub(super) unsafe fn write_entry(at: NonNull<HeaderEntry>, header: Header<'_>) -> NonNull<u8> {
    let Header { name, value } = header;
    let value_len = value.map_or(0, <[u8]>::len);
    let sent_bytes = name.len() + value_len + length_bytes(name.len()) + length_bytes(value_len);
    // SAFETY: by the contract above; nothing overlaps, since the room is fresh.
    unsafe {
        let name_at = at.add(1).cast::<u8>();
        let value_at = write_bytes(name_at, name);
        let (value, end) = match value {
            Some(value) => (value_at.as_ptr().cast::<c_char>(), write_bytes(value_at, value)),
            None => (ptr::null_mut(), value_at),
        };
        at.write(HeaderEntry { sent_bytes, value_len, name_len: name.len(), value });
        end
    }
}

/// Bytes and a NUL; returns what follows them.
///
/// # Safety
/// There is room for them.
unsafe fn write_bytes(at: NonNull<u8>, bytes: &[u8]) -> NonNull<u8> {
    // SAFETY: by the contract above.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), at.as_ptr(), bytes.len());
        let end = at.add(bytes.len());
        end.write(0);
        end.add(1)
    }
}

/// How many bytes a length takes where it is sent: seven bits in each, the first of them for a sign.
fn length_bytes(len: usize) -> usize {
    let bits = usize::BITS - len.leading_zeros() + 1;
    bits.div_ceil(7) as usize
}
