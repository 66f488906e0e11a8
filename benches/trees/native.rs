//! Others' engines, by the C functions of their libraries: lleaves' compiled model, and LightGBM.
#![allow(unsafe_code, reason = "libraries that are loaded at run time and called in C")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crate::engine::Engine;

/// A library that stays loaded until the process ends.
struct Library {
    handle: *mut c_void,
}

impl Library {
    fn load(file: &Path) -> Library {
        let path = CString::new(file.as_os_str().as_bytes()).unwrap();
        // SAFETY: a path with its end; what the library does while it is loaded is its maker's business.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "{}: {}", file.display(), error());
        Library { handle }
    }

    fn function(&self, name: &CStr) -> *mut c_void {
        // SAFETY: the handle is of a library that is loaded, and is never closed.
        let found = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        assert!(!found.is_null(), "{}", error());
        found
    }
}

fn error() -> String {
    // SAFETY: the text is the loader's own, and is copied before anything else is asked of it.
    unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned()
}

/// `forest_root` of a model that lleaves compiled: rows and scores are doubles, and of the rows those from a first one to
/// before a last one are scored.
type ForestRoot = unsafe extern "C" fn(*const f64, *mut f64, c_int, c_int);

pub struct Lleaves {
    score: ForestRoot,
    width: usize,
    rows: Vec<f64>,
    scores: Vec<f64>,
}

impl Lleaves {
    pub fn open(file: &Path, width: usize) -> Lleaves {
        let found = Library::load(file).function(c"forest_root");
        // SAFETY: lleaves makes this function with this signature.
        let score = unsafe { std::mem::transmute::<*mut c_void, ForestRoot>(found) };
        Lleaves { score, width, rows: Vec::new(), scores: Vec::new() }
    }
}

impl Engine for Lleaves {
    fn describe(&self) -> String {
        "forest_root, compiled by lleaves".to_owned()
    }

    fn stage(&mut self, rows: &[f32]) {
        self.rows.clear();
        self.rows.extend(rows.iter().map(|value| f64::from(*value)));
        self.scores.resize(rows.len() / self.width, f64::NAN);
    }

    fn call(&mut self, rows: Range<usize>) {
        assert!(rows.end <= self.scores.len());
        // SAFETY: both lists hold as many rows as the last one says, of the width that the model was trained with.
        unsafe { (self.score)(self.rows.as_ptr(), self.scores.as_mut_ptr(), rows.start as c_int, rows.end as c_int) }
    }

    fn scores(&self) -> &[f64] {
        &self.scores
    }
}

type Create = unsafe extern "C" fn(*const c_char, *mut c_int, *mut *mut c_void) -> c_int;
type FastInit =
    unsafe extern "C" fn(*mut c_void, c_int, c_int, c_int, c_int, i32, *const c_char, *mut *mut c_void) -> c_int;
type SingleRowFast = unsafe extern "C" fn(*mut c_void, *const c_void, *mut i64, *mut f64) -> c_int;
type ForMat = unsafe extern "C" fn(
    *mut c_void,
    *const c_void,
    c_int,
    i32,
    i32,
    c_int,
    c_int,
    c_int,
    c_int,
    *const c_char,
    *mut i64,
    *mut f64,
) -> c_int;

const FLOAT32: c_int = 0;
const ROW_MAJOR: c_int = 1;
const NORMAL: c_int = 0;
const ALL_TREES: c_int = -1;
const ONE_THREAD: &CStr = c"num_threads=1";

/// One row by the fast call that is prepared once, more by the call for a matrix.
pub struct LightGbm {
    booster: *mut c_void,
    prepared: *mut c_void,
    single: SingleRowFast,
    matrix: ForMat,
    width: usize,
    rows: Vec<f32>,
    scores: Vec<f64>,
}

impl LightGbm {
    pub fn open(library: &Path, text: &Path, width: usize) -> LightGbm {
        let library = Library::load(library);
        // SAFETY: these are the signatures of LightGBM's c_api.h.
        let (create, prepare, single, matrix) = unsafe {
            (
                std::mem::transmute::<*mut c_void, Create>(library.function(c"LGBM_BoosterCreateFromModelfile")),
                std::mem::transmute::<*mut c_void, FastInit>(
                    library.function(c"LGBM_BoosterPredictForMatSingleRowFastInit"),
                ),
                std::mem::transmute::<*mut c_void, SingleRowFast>(
                    library.function(c"LGBM_BoosterPredictForMatSingleRowFast"),
                ),
                std::mem::transmute::<*mut c_void, ForMat>(library.function(c"LGBM_BoosterPredictForMat")),
            )
        };
        let path = CString::new(text.as_os_str().as_bytes()).unwrap();
        let (mut booster, mut prepared, mut iterations) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: a path with its end, and places for the two answers.
        let failed = unsafe { create(path.as_ptr(), &mut iterations, &mut booster) };
        assert_eq!(failed, 0, "LightGBM cannot read {}", text.display());
        // SAFETY: the booster was just made; the parameters are a text with its end; the answer has its place.
        let failed = unsafe {
            let (columns, parameters) = (width as i32, ONE_THREAD.as_ptr());
            prepare(booster, NORMAL, 0, ALL_TREES, FLOAT32, columns, parameters, &mut prepared)
        };
        assert_eq!(failed, 0, "LightGBM's fast call cannot be prepared");
        LightGbm { booster, prepared, single, matrix, width, rows: Vec::new(), scores: Vec::new() }
    }
}

impl Engine for LightGbm {
    fn describe(&self) -> String {
        "LGBM_BoosterPredictForMatSingleRowFast for one row, LGBM_BoosterPredictForMat for more".to_owned()
    }

    fn stage(&mut self, rows: &[f32]) {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.scores.resize(rows.len() / self.width, f64::NAN);
    }

    fn call(&mut self, rows: Range<usize>) {
        let values = self.rows[rows.start * self.width..rows.end * self.width].as_ptr().cast::<c_void>();
        let (count, columns) = (rows.len() as i32, self.width as i32);
        let scores = self.scores[rows].as_mut_ptr();
        let mut written = 0;
        // SAFETY: `values` holds as many rows of this width as are asked for, and `scores` has room for one answer each; both
        // handles live as long as the process.
        let failed = unsafe {
            match count {
                1 => (self.single)(self.prepared, values, &mut written, scores),
                _ => {
                    let (booster, parameters) = (self.booster, ONE_THREAD.as_ptr());
                    let (matrix, answers) = (self.matrix, &mut written);
                    matrix(
                        booster, values, FLOAT32, count, columns, ROW_MAJOR, NORMAL, 0, ALL_TREES, parameters, answers,
                        scores,
                    )
                }
            }
        };
        assert!(failed == 0 && written == i64::from(count), "LightGBM answered {written} of {count} rows");
    }

    fn scores(&self) -> &[f64] {
        &self.scores
    }
}
