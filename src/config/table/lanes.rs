//! `[lanes]`.

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section};
use super::kinds::{Integer, OwnKind, Place, Word, Words};
use crate::config::plan::LaneConfig;
use crate::config::read::Reader;
use crate::values::settings::{Cores, Layout};

pub const LAYOUTS: Words<Layout> = &[("inline", Layout::Inline), ("dedicated", Layout::Dedicated)];

/// More lanes than this are a slip of the finger: each is a group member and a model session.
const LANES_MAX: u64 = 1_024;

pub const LANES: Section = Section {
    head: "\n\n[lanes]",
    keys: &[
        Key {
            name: "lanes.count",
            kind: &Integer { range: 1..=LANES_MAX, place: Place::Maybe(|draft| &mut draft.lanes) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "\n# A lane owns a set of partitions: its own group member and thread. A large model is opened once for all lanes.",
        },
        Key {
            name: "lanes.layout",
            kind: &Word { words: LAYOUTS, place: Place::Always(|draft| &mut draft.config.layout) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# "inline": one thread per lane does everything, without hand-overs; for small models and few cores. "dedicated": the
# model has a thread of its own beside the lane's; for slow models, GPUs and remote scorers."#,
        },
        Key {
            name: "lanes.cores",
            kind: &OwnKind {
                read: |reader, key, draft| draft.cores = reader.list_of(key, "a core number").unwrap_or_default(),
                show: |draft| draft.cores.clone().into(),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Pins the threads: one core number per lane, inside the process's cpuset; with layout "dedicated" two per lane, the
# lane's and then its model's. Empty: not pinned."#,
        },
    ],
    finish: lanes,
};

fn lanes(reader: &mut Reader<'_>, draft: &mut Draft) {
    let (cores, machine) = (&draft.cores, reader.machine);
    let (threads, per_lane) = match draft.config.layout {
        Layout::Inline => (1, "one core per lane"),
        Layout::Dedicated => (2, "two cores per lane, the lane's and then its model's"),
    };
    for core in cores {
        if !machine.cores.contains(core) {
            let allowed: Vec<String> = machine.cores.iter().map(usize::to_string).collect();
            let what = format!("core {core} is outside the process's cpuset");
            reader.problem("lanes.cores", what, format!("choose from {}", allowed.join(", ")));
        }
    }
    let mut distinct = cores.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < cores.len() {
        let what = if threads == 1 { "two lanes on one core" } else { "two threads on one core" };
        reader.problem("lanes.cores", what, "name each core once");
    }
    let lanes = draft.lanes.unwrap_or((cores.len() / threads).max(1));
    if !cores.is_empty() && cores.len() != lanes * threads {
        let named = cores.len();
        let what = format!("{named} core{} for {lanes} lane{}", plural(named), plural(lanes));
        reader.problem("lanes.cores", what, format!("name {per_lane}, or none at all"));
    }
    if lanes * threads > machine.cores.len() {
        let (cores, whose) = (machine.cores.len(), if threads == 1 { "lanes" } else { "lanes' threads" });
        let running = lanes * threads;
        reader
            .warnings
            .push(format!("lanes.count: {running} {whose} share {cores} cores; more {whose} than cores only wait"));
    }
    reader.warnings.extend(machine.cpu_quota_millis.and_then(|millis| quota_shortage(millis, lanes * threads)));
    let of_lane = |lane: usize| {
        let of_thread = |thread: usize| cores.get(lane * threads + thread).copied().filter(|_| thread < threads);
        LaneConfig { cores: Cores { lane: of_thread(0), model: of_thread(1) } }
    };
    draft.config.lanes = (0..lanes).map(of_lane).collect();
}

/// What to tell where threads that are busy under load share a quota of less than a core for each.
fn quota_shortage(quota_millis: u64, busy: usize) -> Option<String> {
    let is_short = quota_millis < busy as u64 * 1_000;
    is_short.then(|| {
        let (quota, s) = (quota_millis as f64 / 1_000.0, plural(busy));
        format!(
            "lanes.count: {busy} thread{s} of lanes under a CPU quota of {quota} cores: under load the kernel stops the whole \
             process for the rest of each period, tens of milliseconds. Raise the quota of the control group to more than \
             {busy} (cpu.max; CPUQuota= of systemd; limits.cpu of Kubernetes), remove it, or run fewer lanes"
        )
    })
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
