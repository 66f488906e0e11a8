//! The section `[limits]`.

use std::time::Duration;

use super::Config;
use super::plan::set;
use super::read::Reader;

pub(super) fn read(reader: &mut Reader<'_>, config: &mut Config) {
    let limits = &mut config.limits;
    let mut size = |key: &str, place: &mut usize, max: u64| {
        set(place, reader.integer(key, 1..=max).map(|number| number as usize));
    };
    size("limits.batch_rows_max", &mut limits.batch_rows_max, 65_536);
    size("limits.in_flight_records_max", &mut limits.in_flight_records_max, 1 << 30);
    size("limits.in_flight_bytes_max", &mut limits.in_flight_bytes_max, 1 << 40);
    size("limits.payload_bytes_max", &mut limits.payload_bytes_max, 1 << 30);
    size("limits.outcome_bytes_max", &mut limits.outcome_bytes_max, 1 << 30);
    let mut span = |key: &str, place: &mut Duration| {
        set(place, reader.integer(key, 1..=86_400_000).map(Duration::from_millis));
    };
    span("limits.commit_interval_ms", &mut limits.commit_interval);
    span("limits.commit_timeout_ms", &mut limits.commit_timeout);
    span("limits.revoke_timeout_ms", &mut limits.revoke_timeout);
    span("limits.drain_timeout_ms", &mut limits.drain_timeout);
    span("limits.pause_after_ms", &mut limits.pause_after);
    span("limits.idle_wait_ms", &mut limits.idle_wait);
    span("limits.schema_retry_ms", &mut limits.schema_retry);
    span("limits.watchdog_timeout_ms", &mut limits.watchdog_timeout);
    span("limits.sink_stall_unready_ms", &mut limits.sink_stall_unready);
    let mut failures = |key: &str, place: &mut u32| {
        set(place, reader.integer(key, 1..=1_000_000).map(|number| number as u32));
    };
    failures("limits.model_failures_max", &mut limits.model_failures_max);
    failures("limits.delivery_failures_max", &mut limits.delivery_failures_max);
}
