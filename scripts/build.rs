//! Puts `fetch_whole.rs`, `idle_wait.rs`, `rebootstrap.rs`, `repeats.rs` and `send_whole.rs` of `src/kafka/` between two parts
//! of the Kafka client: the linker gives the client's calls of these functions to ours, and the client's own function goes by
//! `__real_` and its name. `src/kafka/wrapped.rs` notes that the linker did so, and `tests/kafka_wrapped.rs` asks for each.

const WRAPPED: [&str; 7] = [
    "rd_kafka_broker_consumer_toppar_serve",
    "rd_kafka_broker_fetch_toppars",
    "rd_kafka_buf_retry",
    "rd_kafka_msgq_allow_wakeup_at",
    "rd_kafka_parse_Metadata",
    "rd_kafka_rebootstrap_tmr_stop",
    "rd_kafka_transport_io_serve",
];

fn main() {
    println!("cargo:rerun-if-changed=scripts/build.rs");
    println!("cargo:rustc-check-cfg=cfg(wrapped_client)");
    // GNU ld, gold, lld and mold have it; elsewhere the client is linked as it is.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cfg=wrapped_client");
        for name in WRAPPED {
            println!("cargo:rustc-link-arg=-Wl,--wrap={name}");
        }
    }
}
