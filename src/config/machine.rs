//! What the configuration is checked against: the machine and the process's own bounds.

use std::collections::BTreeSet;
use std::path::Path;

use super::cgroup;

/// The process's surroundings as far as a configuration depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores this process may run on: its affinity mask, which a container's cpuset bounds.
    pub cores: BTreeSet<usize>,
    pub host: String,
    /// CPU time that its control group may use, in thousandths of a core; `None` is all of it.
    pub cpu_quota_millis: Option<u64>,
}

impl Machine {
    /// Asks the kernel.
    pub fn current() -> Machine {
        let cpu_quota_millis = cgroup::cpu_quota_millis(Path::new("/"));
        Machine { cores: allowed_cores(), host: host_name(), cpu_quota_millis }
    }
}

fn allowed_cores() -> BTreeSet<usize> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect(),
        // Only on machines with more than 1,024 possible cores: fall back to the count.
        Err(_) => (0..std::thread::available_parallelism().map_or(1, usize::from)).collect(),
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).collect();
    if name.is_empty() { "scorewire".to_owned() } else { name }
}
