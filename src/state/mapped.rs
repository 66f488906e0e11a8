//! A file in memory. What is stored there stays in the file when the process dies, without a system call; the machine's own
//! end it does not outlive.
#![allow(unsafe_code, reason = "a file is mapped, and read and written through the mapping")]

use std::fs::File;
use std::io::{self, Write};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Words of 64 bits, all zero at first.
#[derive(Debug)]
pub(super) struct Mapped {
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: it owns its mapping, which any thread may unmap, and what it hands out are atomics.
unsafe impl Send for Mapped {}
// SAFETY: as above: shared access is to atomics alone.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Empties `file` and maps `count` words of it. They are written out first: a page without a place on the disk would end the
    /// process when it is stored to.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(mut file: &File, count: usize) -> io::Result<Mapped> {
        assert!(count > 0, "nothing is nowhere");
        let bytes = count * size_of::<u64>();
        file.set_len(0)?;
        file.write_all(&vec![0; bytes])?;
        file.sync_all()?;
        let (access, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: no address is asked for, so nothing that is there is mapped over. The file has so many bytes.
        let at = unsafe { mmap(ptr::null_mut(), bytes, access, shared, file, 0) }?;
        let words = NonNull::new(at.cast::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapped { words, count })
    }
}

impl Deref for Mapped {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: so many words are mapped, at the start of a page, until this is dropped. Whoever else maps the file changes
        // values of atomics. It is truncated by nobody: the folder is the node's own, and locked.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: this is what `new` mapped, and nothing borrows of it any more. It fails for a wrong address alone.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.count * size_of::<u64>()) };
    }
}
