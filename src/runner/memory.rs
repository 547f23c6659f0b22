//! Whether the kernel killed a process of the container for want of memory.

use std::fs;
use std::path::PathBuf;

use super::cgroup;
use super::layout::Layout;

/// The container's memory as its control group tells.
#[derive(Clone, Debug)]
pub struct Memory {
    events: Vec<PathBuf>,
    limits: Vec<PathBuf>,
}

impl Memory {
    /// Looks in this container's control group.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let folders = cgroup::folders(layout, "memory");
        let files = |names: [&str; 2]| -> Vec<PathBuf> {
            folders
                .iter()
                .flat_map(|folder| names.map(|name| folder.join(name)))
                .collect()
        };
        Self {
            events: files(["memory.events", "memory.oom_control"]),
            limits: files(["memory.max", "memory.limit_in_bytes"]),
        }
    }

    /// How many processes were killed so far; `None` when the kernel does not tell.
    #[must_use]
    pub fn kills(&self) -> Option<u64> {
        self.events.iter().find_map(|file| {
            let text = fs::read_to_string(file).ok()?;
            let count = text
                .lines()
                .find_map(|line| line.strip_prefix("oom_kill "))?;
            count.trim().parse().ok()
        })
    }

    /// The limit in bytes; `None` when there is none.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        let text = self
            .limits
            .iter()
            .find_map(|file| fs::read_to_string(file).ok())?;
        // Version 1 writes a number near the largest there is for no limit.
        text.trim()
            .parse()
            .ok()
            .filter(|&limit: &u64| limit < 1 << 60)
    }
}

/// Bytes as people write them in a resource: in the largest unit that divides them well.
#[must_use]
pub fn human(bytes: u64) -> String {
    for (unit, shift) in [("Gi", 30), ("Mi", 20), ("Ki", 10)] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::v2(&[("sys/fs/cgroup/memory.events", "low 0\noom 4\noom_kill 3\n"),
                 ("sys/fs/cgroup/memory.max", "268435456\n")], Some(3), Some(268_435_456))]
    #[case::v2_unlimited(&[("sys/fs/cgroup/memory.events", "oom_kill 0\n"),
                           ("sys/fs/cgroup/memory.max", "max\n")], Some(0), None)]
    #[case::v1(&[("sys/fs/cgroup/memory/memory.oom_control", "under_oom 0\noom_kill 2\n"),
                 ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")], Some(2), None)]
    #[case::v1_own_group(&[("proc/self/cgroup", "4:memory:/kubepods/x\n0::/\n"),
                           ("sys/fs/cgroup/memory/memory.oom_control", "oom_kill 9\n"),
                           ("sys/fs/cgroup/memory/kubepods/x/memory.oom_control", "oom_kill 1\n")], Some(1), None)]
    #[case::none(&[], None, None)]
    fn reads(
        #[case] files: &[(&str, &str)],
        #[case] kills: Option<u64>,
        #[case] limit: Option<u64>,
    ) {
        let folder = crate::runner::testing::folder("memory");
        for (path, text) in files {
            folder.write(path, text);
        }
        let memory = Memory::new(&Layout::new(folder.path()));
        assert_eq!((memory.kills(), memory.limit()), (kills, limit));
    }

    #[rstest]
    #[case(268_435_456, "256Mi")]
    #[case(1 << 31, "2Gi")]
    #[case(1_000_000_000, "1000000000 bytes")]
    fn reads_well(#[case] bytes: u64, #[case] text: &str) {
        assert_eq!(human(bytes), text);
    }
}
