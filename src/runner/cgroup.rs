//! Where the limits and counts of this container are.

use std::fs;
use std::path::PathBuf;

use super::layout::Layout;

/// The folders of a controller in both versions of control groups: first of the group that this
/// process is in, then the mount's top, which is that group where it is mounted for us.
#[must_use]
pub fn folders(layout: &Layout, controller: &str) -> Vec<PathBuf> {
    let own = fs::read_to_string(layout.at("/proc/self/cgroup")).unwrap_or_default();
    let group = |version1: bool| {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let wanted = if version1 {
                controllers.split(',').any(|name| name == controller)
            } else {
                controllers.is_empty()
            };
            wanted.then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let mut folders = Vec::new();
    let mounts = [
        (layout.at("/sys/fs/cgroup"), false),
        (layout.at("/sys/fs/cgroup").join(controller), true),
    ];
    for (mount, version1) in mounts {
        folders.extend(group(version1).map(|path| mount.join(path)));
        folders.push(mount);
    }
    folders
}
