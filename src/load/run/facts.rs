//! What a reader of a result must know to believe it or to repeat it: the run's plan, and the machine it ran on.

use std::collections::BTreeMap;
use std::fs;

use crate::kafka;
use crate::load::report::figures::Facts;
use crate::load::report::figures::Named;
use crate::load::run::plan::LoadPlan;
use crate::load::send::schedule::Arrival;
use crate::load::simulate::payloads::{Framing, PayloadSource};

/// librdkafka's properties whose values are nobody's secret. Others are only named.
const SHOWN_PROPERTIES: [&str; 9] =
    ["acks", "batch.", "compression.", "enable.", "fetch.", "linger.ms", "max.in.flight", "queue", "security.protocol"];

/// The plan in words, what the pipeline says of itself, and the machine.
pub fn of(plan: &LoadPlan, pipeline: Vec<(String, String)>, started_us: i64) -> Facts {
    let mut groups = vec![("run".to_owned(), run(plan, started_us)), ("topics".to_owned(), topics(plan))];
    let pipeline: Vec<(String, String)> = plan.facts.iter().cloned().chain(pipeline).collect();
    if !pipeline.is_empty() {
        groups.push(("pipeline".to_owned(), Named(pipeline)));
    }
    groups.push(("machine of the generator".to_owned(), Named(machine())));
    Named(groups)
}

fn run(plan: &LoadPlan, started_us: i64) -> Named<String> {
    let mut facts = Vec::new();
    let mut put = |name: &str, value: String| facts.push((name.to_owned(), value));
    put("command", plan.command.to_owned());
    put("started", utc(started_us));
    put("brokers", plan.bootstrap.clone());
    match plan.preload {
        Some(count) => {
            put("schedule", format!("{count} records at once"));
            if let Some(pid) = plan.drain {
                put("drain", format!("process {pid} stood still meanwhile, then worked them off"));
            }
        }
        None => {
            let arrival = match plan.arrival {
                Arrival::Constant => "evenly spaced",
                Arrival::Poisson => "Poisson arrivals",
                Arrival::AtOnce => "at once",
            };
            put("schedule", format!("{} records/s, {arrival}, open loop", plan.rate));
            put(
                "measured",
                format!("{} s after {} s of warm-up", plan.duration.as_secs_f64(), plan.warm_up.as_secs_f64()),
            );
        }
    }
    if !plan.gather.is_zero() {
        put("gathered", format!("a partition's records for at most {} ms", plan.gather.as_secs_f64() * 1e3));
    }
    put("sending threads", plan.threads.to_string());
    put("seed", plan.seed.to_string());
    put(
        "records",
        match &plan.source {
            PayloadSource::Simulator { rows, .. } => format!("simulated transactions, {rows} different ones"),
            PayloadSource::File { path, repeat, .. } => {
                format!("{}, {}", path.display(), if *repeat { "over and over" } else { "once" })
            }
        },
    );
    put(
        "framing",
        match plan.framing {
            Framing::Registry(id) => format!("schema id {id}"),
            Framing::SingleObject => "single-object encoding".to_owned(),
            Framing::Raw => "bare".to_owned(),
        },
    );
    put("poison", format!("{} of a million", plan.poison_per_million));
    if !plan.inject.is_empty() {
        let injections: Vec<String> = plan.inject.iter().map(ToString::to_string).collect();
        put("spoiled on purpose", injections.join(", "));
    }
    for (what, properties) in [
        ("both clients", &plan.properties),
        ("generator's client", &plan.producer_properties),
        ("verifier's client", &plan.consumer_properties),
    ] {
        if !properties.is_empty() {
            put(what, shown(properties));
        }
    }
    Named(facts)
}

/// Properties as text, without the values that could be secrets.
fn shown(properties: &BTreeMap<String, String>) -> String {
    let one = |(key, value): (&String, &String)| {
        let plain = SHOWN_PROPERTIES.iter().any(|prefix| key.starts_with(prefix));
        format!("{key}={}", if plain { value } else { "(set)" })
    };
    properties.iter().map(one).collect::<Vec<String>>().join(", ")
}

fn topics(plan: &LoadPlan) -> Named<String> {
    Named(plan.topics.iter().map(|(topic, name)| (topic.words.to_owned(), name.clone())).collect())
}

/// This machine, as far as it tells.
fn machine() -> Vec<(String, String)> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = colon_value(&cpuinfo, "model name").unwrap_or(std::env::consts::ARCH);
    let present = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let usable = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib: Option<u64> =
        colon_value(&memory, "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse().ok());
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or(std::env::consts::OS);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = if present > usable { format!("{usable} usable of {present}") } else { usable.to_string() };
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let named = [
        ("host", host.trim().to_owned()),
        ("CPU", model.to_owned()),
        ("cores", cores),
        ("memory", memory_kib.map_or("unknown".to_owned(), |kib| format!("{:.1} GiB", kib as f64 / 1_048_576.0))),
        ("system", system.trim_matches('"').to_owned()),
        ("kernel", kernel.trim().to_owned()),
        ("scorewire", env!("CARGO_PKG_VERSION").to_owned()),
        ("librdkafka", kafka::client_version()),
    ];
    let told = named.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The value of the first line `name : value`.
fn colon_value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(str::trim))
}

/// A wall clock time as `2026-01-31 12:00:00 UTC`.
fn utc(us: i64) -> String {
    let seconds = us.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ];
        for (seconds, text) in cases {
            assert_eq!(utc(seconds * 1_000_000), text);
        }
    }

    #[test]
    fn a_password_is_named_and_not_shown() {
        let properties = [("sasl.password", "hunter2"), ("linger.ms", "5"), ("ssl.key.pem", "---")];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
        assert_eq!(shown(&properties), "linger.ms=5, sasl.password=(set), ssl.key.pem=(set)");
    }

    #[test]
    fn this_machine_names_its_parts() {
        let facts = Named(machine());
        for name in ["CPU", "cores", "memory", "system", "kernel", "scorewire", "librdkafka"] {
            assert!(facts.get(name).is_some_and(|value| !value.is_empty()), "{name}: {facts:?}");
        }
        assert_eq!(colon_value("model name\t: A CPU\nmodel name\t: B\n", "model name"), Some("A CPU"));
    }
}
