//! `scripts/onnxruntime` when things are not as they should be. Nothing here touches the network.

use std::path::Path;
use std::process::{Command, Output};

use crate::model_support::library;

fn script(dir: &Path) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/onnxruntime"));
    // pip looks into `dir/index` alone.
    command.env("SCOREWIRE_ONNXRUNTIME_DIR", dir.join("kept")).env("PIP_NO_INDEX", "1");
    command.env("PIP_FIND_LINKS", dir.join("index")).env("PIP_CONFIG_FILE", "/dev/null");
    command
}

fn run(mut command: Command) -> (Output, String) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors)
}

/// A program of that name which prints `answer`, in a folder to be put first on PATH.
fn stand_in(dir: &Path, name: &str, answer: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let folder = dir.join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{answer}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn what_is_there_is_checked_and_its_path_printed_last() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    std::fs::copy(library(), kept.join("libonnxruntime.so.1.28.0")).unwrap();
    let (output, errors) = run(script(dir.path()));
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.trim_end(), kept.join("libonnxruntime.so.1.28.0").display().to_string());
}

#[test]
fn without_an_index_it_says_what_to_do_and_leaves_nothing_half_done() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("kept")).unwrap();
    std::fs::write(dir.path().join("kept/libonnxruntime.so.1.28.0"), "half a library").unwrap();
    let (output, errors) = run(script(dir.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(errors.contains("check the network") && errors.contains("ORT_DYLIB_PATH"), "{errors}");
    let left = std::fs::read_dir(dir.path().join("kept")).unwrap().count();
    assert_eq!(left, 1, "only what was there before: {errors}");
}

#[test]
fn a_wheel_with_another_hash_is_not_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("index")).unwrap();
    let make = r#"
import sys, zipfile
name = f"onnxruntime-1.28.0-cp312-cp312-manylinux_2_27_{sys.argv[2]}.whl"
with zipfile.ZipFile(f"{sys.argv[1]}/{name}", "w") as wheel:
    info = "onnxruntime-1.28.0.dist-info"
    wheel.writestr("onnxruntime/capi/libonnxruntime.so.1.28.0", b"evil")
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.28.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: cp312-cp312-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;
    let made = Command::new("python3")
        .args(["-c", make])
        .arg(dir.path().join("index"))
        .arg(std::env::consts::ARCH)
        .status()
        .unwrap();
    assert!(made.success());
    let (output, errors) = run(script(dir.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("the wheel's sha256 is"), "{errors}");
    assert_eq!(std::fs::read_dir(dir.path().join("kept")).unwrap().count(), 0);
}

#[test]
fn elsewhere_it_says_how_to_use_a_library_of_ones_own() {
    for (answer, told) in [
        ("case $1 in -s) echo Darwin;; *) echo arm64;; esac", "for Darwin"),
        ("case $1 in -s) echo Linux;; *) echo riscv64;; esac", "on riscv64"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = stand_in(dir.path(), "uname", answer);
        let mut command = script(dir.path());
        command.env("PATH", path);
        let (output, errors) = run(command);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors.contains(told) && errors.contains("onnxruntime = "), "{errors}");
    }
}

#[test]
fn a_missing_pip_is_named_by_its_debian_package() {
    let dir = tempfile::tempdir().unwrap();
    let path = stand_in(dir.path(), "python3", "exit 1");
    let mut command = script(dir.path());
    command.env("PATH", path);
    let (output, errors) = run(command);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("apt install python3-pip"), "{errors}");
}
