//! A first look at a shared library, before the `ort` crate opens it: `ort` panics where it meets something it does
//! not expect.
#![allow(unsafe_code, reason = "opening a library and asking its version goes through C; each block says why it holds")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ort::sys::{ORT_API_VERSION, OrtApiBase};

/// `e_machine` of the machines we build for.
#[cfg(target_arch = "x86_64")]
const ELF_MACHINE: u64 = 62;
#[cfg(target_arch = "aarch64")]
const ELF_MACHINE: u64 = 183;

/// Opens the library and asks for its version, and for the API that this program was built against. The library
/// stays open for the life of the process, since `ort` opens it again at once.
///
/// # Errors
/// What is wrong with the file, in one line.
pub fn check(path: &Path) -> Result<String, String> {
    check_header(path)?;
    let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|_| "its path holds a zero byte".to_owned())?;
    // SAFETY: the path is a C string. Opening runs the library's constructors: that is what the operator asked for
    // by naming it, and what `ort` would do next.
    let handle = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        // SAFETY: after a failed dlopen on this thread, dlerror gives a C string or null.
        let error = unsafe { text(libc::dlerror()) };
        return Err(format!("cannot be loaded: {}", error.unwrap_or_else(|| "no reason given".to_owned())));
    }
    // SAFETY: the handle was just opened.
    let version = unsafe { ask(handle) };
    if version.is_err() {
        // SAFETY: nothing of the library is in use.
        unsafe { libc::dlclose(handle) };
    }
    version
}

/// Tells a file that is no shared library, or one for another machine, more plainly than the loader would; and one
/// that was cut short, which the loader maps all the same and then dies of (SIGBUS).
fn check_header(path: &Path) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read as a library: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    let mut header = Vec::with_capacity(elf::HEADER_BYTES);
    file.by_ref().take(elf::HEADER_BYTES as u64).read_to_end(&mut header).map_err(unreadable)?;
    if !header.starts_with(b"\x7fELF") || header.len() < elf::HEADER_BYTES {
        return Err("is not a shared library".to_owned());
    }
    let machine = elf::number(&header, elf::MACHINE);
    // Byte 4 is 2 for 64 bits, byte 5 is 1 for little-endian.
    if machine != ELF_MACHINE || header[4] != 2 || header[5] != 1 {
        return Err(format!("was built for another machine (this one is {})", std::env::consts::ARCH));
    }
    let size = file.metadata().map_err(unreadable)?.len();
    let segments = elf::number(&header, elf::SEGMENTS_AT);
    let segment_bytes = elf::number(&header, elf::SEGMENT_BYTES).max(elf::SEGMENT.len() as u64);
    for index in 0..elf::number(&header, elf::SEGMENTS) {
        let mut segment = elf::SEGMENT;
        let at = segments.saturating_add(index * segment_bytes);
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut segment)).map_err(unreadable)?;
        let end = elf::number(&segment, elf::OFFSET).saturating_add(elf::number(&segment, elf::FILE_BYTES));
        if end > size {
            return Err(format!("is cut short: it has {size} bytes and needs {end}"));
        }
    }
    Ok(())
}

/// Places of numbers in a 64-bit, little-endian ELF file.
mod elf {
    use std::ops::Range;

    pub const HEADER_BYTES: usize = 64;
    pub const MACHINE: Range<usize> = 18..20;
    pub const SEGMENTS_AT: Range<usize> = 32..40;
    pub const SEGMENT_BYTES: Range<usize> = 54..56;
    pub const SEGMENTS: Range<usize> = 56..58;
    /// An empty entry of the table of segments.
    pub const SEGMENT: [u8; 56] = [0; 56];
    pub const OFFSET: Range<usize> = 8..16;
    pub const FILE_BYTES: Range<usize> = 32..40;

    pub fn number(bytes: &[u8], place: Range<usize>) -> u64 {
        bytes[place].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// # Safety
/// `handle` is an open library.
unsafe fn ask(handle: *mut c_void) -> Result<String, String> {
    // SAFETY: the handle is open, the name a C string.
    let symbol = unsafe { libc::dlsym(handle, c"OrtGetApiBase".as_ptr()) };
    if symbol.is_null() {
        return Err("is a library, but not ONNX Runtime (it has no OrtGetApiBase)".to_owned());
    }
    // SAFETY: a library that exports this name is ONNX Runtime, whose entry point has this type since 1.0.
    let base = unsafe {
        let entry: unsafe extern "C" fn() -> *const OrtApiBase = std::mem::transmute(symbol);
        entry().as_ref()
    };
    let base = base.ok_or("its OrtGetApiBase gives nothing")?;
    // SAFETY: the table comes from the library, and its two entries never changed.
    let version = unsafe { text((base.GetVersionString)()) }.unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let minor = parts.next().flatten().filter(|major| *major == 1).and(parts.next().flatten());
    match minor {
        None => return Err(format!("has the version {version:?}, which this program does not know")),
        Some(minor) if minor < ORT_API_VERSION => {
            return Err(format!("is ONNX Runtime {version}; 1.{ORT_API_VERSION} or later is needed"));
        }
        Some(_) => {}
    }
    // SAFETY: as above.
    if unsafe { (base.GetApi)(ORT_API_VERSION) }.is_null() {
        return Err(format!("is ONNX Runtime {version}, and has no API {ORT_API_VERSION}"));
    }
    Ok(version)
}

/// # Safety
/// `text` is null or a C string that lives through the call.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
