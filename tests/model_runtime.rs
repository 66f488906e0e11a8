//! The library itself: absent, not a library, another library, too old. Each is told with exit code 71 and the fix,
//! and none is a panic. Loaded once, it serves the whole process; hence one test, in this order.

mod model_support;

use std::path::{Path, PathBuf};

use model_support::library;
use scorewire::error::exit;
use scorewire::model::Runtime;

fn refused(path: &Path, piece: &str) {
    let fatal = Runtime::load(Some(path)).expect_err("this is not ONNX Runtime");
    assert_eq!(fatal.code, exit::SYSTEM);
    assert!(fatal.what.contains(piece), "{piece:?} is missing in: {fatal}");
    assert!(fatal.what.contains("model.onnxruntime"), "who named it: {fatal}");
    assert!(fatal.fix.contains("scripts/onnxruntime"), "{fatal}");
}

/// Some shared library that is in every process: the C library.
fn c_library() -> PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("/libc.so") || line.contains("/libc-2")).unwrap();
    PathBuf::from(line.split_whitespace().last().unwrap())
}

#[test]
fn whatever_is_not_onnx_runtime_is_refused_and_the_right_one_still_loads() {
    let before = std::env::var_os("ORT_DISABLE_TELEMETRY");
    let folder = tempfile::tempdir().unwrap();
    refused(&folder.path().join("none.so"), "cannot be opened");
    refused(folder.path(), "cannot be read as a library");

    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    refused(&file("text.so", b"#!/bin/sh\nexit 0\n# not a library\n"), "is not a shared library");
    refused(&file("empty.so", b""), "is not a shared library");

    let whole = std::fs::read(library()).unwrap();
    refused(&file("cut.so", &whole[..whole.len() / 2]), "is cut short");
    refused(&file("stub.so", &whole[..100]), "cannot be read as a library");
    let mut foreign = whole[..4096].to_vec();
    foreign[18] = 40;
    refused(&file("arm.so", &foreign), "another machine");
    refused(&c_library(), "it has no OrtGetApiBase");
    refuse_other_ages(folder.path());

    let runtime = Runtime::load(Some(&library())).unwrap();
    assert_eq!(runtime.version(), "1.28.0");
    assert_eq!(std::env::var_os("ORT_DISABLE_TELEMETRY"), before, "a process with threads changes no variable");

    // Once more is the same one; another beside it is refused.
    assert_eq!(Runtime::load(Some(&library())).unwrap().path(), runtime.path());
    let copy = file("copy.so", &whole);
    refused(&copy, "this process already uses");
}

/// Libraries that are an ONNX Runtime of another age, as far as anybody can see from outside.
fn refuse_other_ages(folder: &Path) {
    // The last one has the API, and sends telemetry where nobody said no before there were threads.
    let chatty =
        if std::env::var_os("ORT_DISABLE_TELEMETRY").is_none() { Some(("1.29.0", "sends telemetry")) } else { None };
    let others = [("1.23.9", "1.24 or later"), ("2.0.0", "does not know"), ("what", "does not know")];
    for (version, piece) in others.into_iter().chain(chatty) {
        let source = folder.join("fake.c");
        let code = format!(
            "static const void *api(unsigned v) {{ return \"\"; }}\n\
             static const char *version(void) {{ return \"{version}\"; }}\n\
             static const struct {{ const void *(*a)(unsigned); const char *(*b)(void); }} base = {{ api, version }};\n\
             const void *OrtGetApiBase(void) {{ return &base; }}\n"
        );
        std::fs::write(&source, code).unwrap();
        let library = folder.join(format!("fake-{version}.so"));
        let built = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status()
            .expect("a C compiler, which the build needs as well");
        assert!(built.success());
        refused(&library, piece);
        refused(&library, version);
    }
}
