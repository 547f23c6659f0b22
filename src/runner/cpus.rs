//! How many processors this container may use.

use std::fs;

use super::cgroup;
use super::layout::Layout;

/// The limit, rounded up; `None` when there is none.
#[must_use]
pub fn limit(layout: &Layout) -> Option<u64> {
    let read = |file| fs::read_to_string(file).ok();
    cgroup::folders(layout, "cpu")
        .iter()
        .filter_map(|folder| {
            if let Some(text) = read(folder.join("cpu.max")) {
                let (quota, period) = text.trim().split_once(' ')?;
                return up(quota, period);
            }
            let quota = read(folder.join("cpu.cfs_quota_us"))?;
            up(&quota, &read(folder.join("cpu.cfs_period_us"))?)
        })
        .min()
}

/// No limit is `max` in version 2, and below zero in version 1.
fn up(quota: &str, period: &str) -> Option<u64> {
    let (quota, period): (u64, u64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period).max(1))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::v2(&[("sys/fs/cgroup/cpu.max", "150000 100000\n")], Some(2))]
    #[case::v2_small(&[("sys/fs/cgroup/cpu.max", "10000 100000\n")], Some(1))]
    #[case::v2_unlimited(&[("sys/fs/cgroup/cpu.max", "max 100000\n")], None)]
    #[case::v1(&[("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n"),
                 ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")], Some(4))]
    #[case::v1_own_group(&[("proc/self/cgroup", "3:cpu,cpuacct:/x\n"),
                           ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
                           ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
                           ("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "100000\n"),
                           ("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n")], Some(1))]
    #[case::none(&[], None)]
    fn limits(#[case] files: &[(&str, &str)], #[case] cpus: Option<u64>) {
        let folder = crate::runner::testing::folder("cpus");
        for (path, text) in files {
            folder.write(path, text);
        }
        assert_eq!(limit(&Layout::new(folder.path())), cpus);
    }
}
