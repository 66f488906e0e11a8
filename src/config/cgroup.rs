//! How much CPU time the process's control group may use: a quota that the kernel enforces by stopping every thread of the
//! group until the next period begins; and how much memory it may still take. Version 1 and 2, the group's own bounds and
//! those of its parents.

use std::path::{Path, PathBuf};

/// The tightest quota, in thousandths of a core; `None` where nothing bounds it, or nothing can be read. `root` holds the
/// file system: `/`, but in tests.
pub fn cpu_quota_millis(root: &Path) -> Option<u64> {
    tightest(root, "cpu", |folder, is_v2| if is_v2 { quota_v2(folder) } else { quota_v1(folder) })
}

/// Bytes that the group may take until the kernel ends one of its processes; `None` where nothing bounds it, or nothing can be
/// read. Caches that it could give back count as taken.
pub fn memory_left_bytes(root: &Path) -> Option<u64> {
    let names = [["memory.limit_in_bytes", "memory.usage_in_bytes"], ["memory.max", "memory.current"]];
    tightest(root, "memory", |folder, is_v2| {
        let [max, taken] = names[usize::from(is_v2)].map(|name| number(folder, name));
        // Version 1 has a number for none, too large for any machine.
        Some(max?.saturating_sub(taken?))
    })
}

fn number(folder: &Path, name: &str) -> Option<u64> {
    std::fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
}

/// The smallest bound of a controller that holds for the process.
fn tightest(root: &Path, controller: &str, bound: impl Fn(&Path, bool) -> Option<u64>) -> Option<u64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = std::fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let quotas = mounts.lines().filter_map(|line| Hierarchy::of_mount(line, controller)).filter_map(|hierarchy| {
        let group = groups.lines().find_map(|line| hierarchy.group_in(line, controller))?;
        hierarchy.tightest(root, group, &bound)
    });
    quotas.min()
}

/// A mounted hierarchy that may bound what a controller is for.
struct Hierarchy<'a> {
    is_v2: bool,
    /// The group that is mounted: not the first one of all in a container.
    mounted: &'a str,
    at: &'a str,
}

impl<'a> Hierarchy<'a> {
    /// A line of `mountinfo`: id, parent, device, root, place, options, others, `-`, kind, source, more options.
    fn of_mount(line: &'a str, controller: &str) -> Option<Hierarchy<'a>> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (mounted, at) = (fields.next()?, fields.next()?);
        let mut kind = kind.split(' ');
        let is_v2 = match kind.next()? {
            "cgroup2" => true,
            "cgroup" if kind.nth(1)?.split(',').any(|option| option == controller) => false,
            _ => return None,
        };
        Some(Hierarchy { is_v2, mounted, at })
    }

    /// The process's group, if this line of `/proc/self/cgroup` is about this hierarchy: number, controllers, group.
    fn group_in<'b>(&self, line: &'b str, wanted: &str) -> Option<&'b str> {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let is_ours = if self.is_v2 {
            number == "0" && controllers.is_empty()
        } else {
            controllers.split(',').any(|controller| controller == wanted)
        };
        is_ours.then_some(group)
    }

    /// Of the group and all above it that can be seen from here.
    fn tightest(&self, root: &Path, group: &str, bound: impl Fn(&Path, bool) -> Option<u64>) -> Option<u64> {
        let top = root.join(self.at.trim_start_matches('/'));
        let mounted = self.mounted.trim_end_matches('/');
        // A group outside of what is mounted is not to be seen; the mounted one is above it.
        let inner = group.strip_prefix(mounted).unwrap_or("").trim_start_matches('/');
        let inner = if inner.split('/').any(|part| part == "..") { "" } else { inner };
        let own: PathBuf = top.join(inner);
        let seen = own.ancestors().take_while(|folder| folder.starts_with(&top));
        seen.filter_map(|folder| bound(folder, self.is_v2)).min()
    }
}

/// `cpu.max`: quota or `max`, and the period.
fn quota_v2(folder: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join("cpu.max")).ok()?;
    let mut words = text.split_whitespace();
    millis(words.next()?.parse().ok()?, words.next()?.parse().ok()?)
}

/// Two files; a quota of -1 is none.
fn quota_v1(folder: &Path) -> Option<u64> {
    millis(number(folder, "cpu.cfs_quota_us")?, number(folder, "cpu.cfs_period_us")?)
}

fn millis(quota_us: u64, period_us: u64) -> Option<u64> {
    quota_us.checked_mul(1_000)?.checked_div(period_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system with these files.
    fn quota(files: &[(&str, &str)]) -> Option<u64> {
        cpu_quota_millis(root(files).path())
    }

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        root
    }

    const V2: (&str, &str) =
        ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");

    #[test]
    fn the_tightest_of_the_group_and_its_parents_counts() {
        let own = ("proc/self/cgroup", "0::/system.slice/scorewire.service\n");
        let group = |max| ("sys/fs/cgroup/system.slice/scorewire.service/cpu.max", max);
        let parent = |max| ("sys/fs/cgroup/system.slice/cpu.max", max);
        assert_eq!(quota(&[V2, own, group("150000 100000\n"), parent("max 100000\n")]), Some(1_500));
        assert_eq!(quota(&[V2, own, group("400000 100000\n"), parent("20000 10000\n")]), Some(2_000));
        assert_eq!(quota(&[V2, own, group("max 100000\n")]), None);
        let other = ("sys/fs/cgroup/user.slice/cpu.max", "1000 100000\n");
        assert_eq!(quota(&[V2, own, other]), None, "another group's");
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_first() {
        let max = ("sys/fs/cgroup/cpu.max", "50000 100000\n");
        assert_eq!(quota(&[V2, ("proc/self/cgroup", "0::/\n"), max]), Some(500));
        assert_eq!(quota(&[V2, ("proc/self/cgroup", "0::/../other\n"), max]), Some(500), "moved there from outside");
        // Without a namespace of its own the group's full name is told, and only a part of it is mounted.
        let mount = ("proc/self/mountinfo", "30 23 0:26 /kube/pod1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
        assert_eq!(quota(&[mount, ("proc/self/cgroup", "0::/kube/pod1\n"), max]), Some(500));
    }

    #[test]
    fn version_1_has_two_files() {
        let mounts = (
            "proc/self/mountinfo",
            "32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
             33 31 0:30 /docker/ab /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
        );
        let groups = ("proc/self/cgroup", "4:cpuset:/\n3:cpu,cpuacct:/docker/ab\n0::/\n");
        let quota_us = |text| ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", text);
        let period_us = ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
        assert_eq!(quota(&[mounts, groups, quota_us("125000\n"), period_us]), Some(2_500));
        assert_eq!(quota(&[mounts, groups, quota_us("-1\n"), period_us]), None);
        assert_eq!(quota(&[mounts, groups, quota_us("125000\n"), ("x", "")]), None, "no period");
    }

    #[test]
    fn memory_is_bounded_by_what_is_left_to_the_group_and_its_parents() {
        let left = |files: &[(&str, &str)]| memory_left_bytes(root(files).path());
        let own = ("proc/self/cgroup", "0::/a/b\n");
        let of = |name, text| (name, text);
        let inner = [of("sys/fs/cgroup/a/b/memory.max", "max\n"), of("sys/fs/cgroup/a/b/memory.current", "7\n")];
        let outer = [of("sys/fs/cgroup/a/memory.max", "1000\n"), of("sys/fs/cgroup/a/memory.current", "400\n")];
        assert_eq!(left(&[V2, own, inner[0], inner[1], outer[0], outer[1]]), Some(600));
        assert_eq!(left(&[V2, own, inner[0], inner[1]]), None);
        let over = of("sys/fs/cgroup/a/memory.current", "1001\n");
        assert_eq!(left(&[V2, own, outer[0], over]), Some(0));
        let mount = ("proc/self/mountinfo", "33 31 0:30 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
        let group = ("proc/self/cgroup", "4:memory:/m\n3:cpu:/c\n");
        let v1 = [
            of("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "500\n"),
            of("sys/fs/cgroup/memory/m/memory.usage_in_bytes", "100\n"),
        ];
        assert_eq!(left(&[mount, group, v1[0], v1[1]]), Some(400));
    }

    #[test]
    fn what_cannot_be_read_bounds_nothing() {
        assert_eq!(quota(&[]), None);
        assert_eq!(quota(&[V2, ("proc/self/cgroup", "nonsense")]), None);
        let group = ("proc/self/cgroup", "0::/\n");
        assert_eq!(quota(&[("proc/self/mountinfo", "nonsense - \n"), group]), None);
        for max in ["", "x 100000", "5", "100 0"] {
            assert_eq!(quota(&[V2, group, ("sys/fs/cgroup/cpu.max", max)]), None, "{max:?}");
        }
    }
}
