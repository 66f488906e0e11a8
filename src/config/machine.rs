//! What the configuration is checked against: the machine and the process's own bounds.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::cgroup;

/// The process's surroundings as far as a configuration depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores this process may run on: its affinity mask, which a container's cpuset bounds.
    pub cores: BTreeSet<usize>,
    pub host: String,
    /// CPU time that its control group may use, in thousandths of a core; `None` is all of it.
    pub cpu_quota_millis: Option<u64>,
    /// The folder that systemd made for the process (`StateDirectory=`).
    pub state_directory: Option<PathBuf>,
}

impl Machine {
    /// Asks the kernel.
    pub fn current() -> Machine {
        let cpu_quota_millis = cgroup::cpu_quota_millis(Path::new("/"));
        let state_directory = state_directory(std::env::var_os("STATE_DIRECTORY").as_deref());
        Machine { cores: allowed_cores(), host: host_name(), cpu_quota_millis, state_directory }
    }
}

/// Bytes that this process may take now: what the machine has available, or what is left to its control group. `None` where
/// neither can be read.
pub fn free_memory_bytes() -> Option<u64> {
    let of_machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_bytes(&text));
    of_machine.into_iter().chain(cgroup::memory_left_bytes(Path::new("/"))).min()
}

/// What the kernel would free without swapping, of `/proc/meminfo`.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// The first of those in systemd's variable, which stand with colons between them.
fn state_directory(variable: Option<&OsStr>) -> Option<PathBuf> {
    let first = variable?.as_bytes().split(|byte| *byte == b':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(first)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_the_first_that_systemd_names() {
        let of = |text: &str| state_directory(Some(OsStr::new(text)));
        assert_eq!(of("/var/lib/a:/var/lib/b"), Some("/var/lib/a".into()));
        assert_eq!((of("/var/lib/a"), of(""), state_directory(None)), (Some("/var/lib/a".into()), None, None));
    }

    #[test]
    fn free_memory_is_what_the_kernel_says() {
        let text = "MemTotal:       24689764 kB\nMemFree:          100000 kB\nMemAvailable:   23000000 kB\n";
        assert_eq!(available_bytes(text), Some(23_000_000 * 1_024));
        assert_eq!((available_bytes("MemTotal: 5 kB\n"), available_bytes("MemAvailable: x kB\n")), (None, None));
        assert!(free_memory_bytes().expect("Linux has /proc") > 0);
    }
}
