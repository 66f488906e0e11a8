//! A first look at a shared library, before the `ort` crate opens it: `ort` panics where it meets something it does
//! not expect.
#![allow(unsafe_code, reason = "opening a library and asking its version goes through C; each block says why it holds")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ort::sys::{ORT_API_VERSION, OrtApiBase};

/// Offset of `e_machine` in an ELF header, and its values for the machines we build for.
const ELF_MACHINE_AT: usize = 18;
#[cfg(target_arch = "x86_64")]
const ELF_MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const ELF_MACHINE: u16 = 183;

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

/// Tells a file that is no shared library, or one for another machine, more plainly than the loader would.
fn check_header(path: &Path) -> Result<(), String> {
    let mut header = [0u8; ELF_MACHINE_AT + 2];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut header))
        .map_err(|error| format!("cannot be read as a library: {error}"))?;
    if &header[..4] != b"\x7fELF" {
        return Err("is not a shared library".to_owned());
    }
    let machine = u16::from_le_bytes([header[ELF_MACHINE_AT], header[ELF_MACHINE_AT + 1]]);
    // Byte 4 is 2 for 64 bits, byte 5 is 1 for little-endian.
    if machine != ELF_MACHINE || header[4] != 2 || header[5] != 1 {
        return Err(format!("was built for another machine (this one is {})", std::env::consts::ARCH));
    }
    Ok(())
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
