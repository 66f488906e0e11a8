//! Puts `fetch_all_partitions.rs`, `producer_without_spin.rs`, `rebootstrap.rs`, `request_retries.rs` and `batch_hand_over.rs`
//! of `src/kafka/wrapped/` between two parts of the Kafka client: the linker gives the client's calls of these functions to
//! ours, and the client's own function goes by `__real_` and its name. `src/kafka/wrapped/mod.rs` notes that the linker did
//! so, and `tests/kafka_wrapped.rs` asks for each. Each of those files says when it is unnecessary.
//!
//! And tells the program which commit it is made of (`SCOREWIRE_COMMIT`).

use std::path::Path;
use std::process::Command;

const WRAPPED: [&str; 7] = [
    "rd_kafka_broker_consumer_toppar_serve",
    "rd_kafka_broker_fetch_toppars",
    "rd_kafka_buf_retry",
    "rd_kafka_msgq_allow_wakeup_at",
    "rd_kafka_parse_Metadata",
    "rd_kafka_rebootstrap_tmr_stop",
    "rd_kafka_transport_io_serve",
];

/// What whoever builds from a tree without git says of it; goes before what git says.
const COMMIT: &str = "SCOREWIRE_COMMIT";

fn main() {
    println!("cargo:rerun-if-changed=scripts/build.rs");
    println!("cargo:rerun-if-env-changed={COMMIT}");
    let told = std::env::var(COMMIT).ok().filter(|told| !told.trim().is_empty());
    let commit = told.or_else(commit_of_git).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env={COMMIT}={}", commit.trim());

    println!("cargo:rustc-check-cfg=cfg(wrapped_client)");
    // GNU ld, gold, lld and mold have it; elsewhere the client is linked as it is.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cfg=wrapped_client");
        for name in WRAPPED {
            println!("cargo:rustc-link-arg=-Wl,--wrap={name}");
        }
    }
}

/// The commit that is checked out, whatever the files differ from it; asked anew when another one is.
fn commit_of_git() -> Option<String> {
    let told = git(&["--show-prefix", "--short=12", "HEAD"])?;
    // Otherwise the sources lie in a folder of somebody else's repository.
    let commit = told.strip_prefix('\n')?;
    // `logs/HEAD` grows with each commit, where the branch has no file of its own, too.
    let paths = git(&["--git-path", "HEAD", "--git-path", "logs/HEAD"])?;
    // Cargo would ask each time for a file that is not there.
    for path in paths.lines().filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
    Some(commit.to_owned())
}

/// The words of `git rev-parse` on the folder of Cargo.toml, where it has any.
fn git(arguments: &[&str]) -> Option<String> {
    let told = Command::new("git").arg("rev-parse").args(arguments).output().ok()?;
    told.status.success().then(|| String::from_utf8_lossy(&told.stdout).into_owned())
}
