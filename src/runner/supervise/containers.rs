//! Containers that cwltool started on a Docker daemon and did not remove.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::Supervisor;
use crate::runner::classify::Exit;
use crate::runner::engine::Engine;
use crate::runner::layout::Layout;
use crate::runner::record::EngineName;
use crate::runner::run_file::{Containers, RunFile};

const PATIENCE: Duration = Duration::from_secs(5);
/// More containers than this never run at the same time.
const MOST: usize = 1000;

impl Supervisor {
    /// Removes them when cwltool had no time to: the daemon may well outlive this pod.
    pub(super) fn remove_containers(&mut self, run: &RunFile, engine: &Engine, exit: Exit) {
        let cut_short = self.stops > 0 || self.doomed.is_some() || matches!(exit, Exit::Signal(_));
        let in_docker =
            engine.name == EngineName::Cwltool && run.cwltool.containers == Containers::Docker;
        if !cut_short || !in_docker {
            return;
        }
        let ids = ids(&self.layout);
        if ids.is_empty() {
            return;
        }
        let mut command = Command::new("docker");
        command.args(["rm", "--force", "--volumes"]).args(ids);
        self.help(&mut command, PATIENCE, PATIENCE);
    }
}

/// The containers of jobs that had not ended, each in a file in a temporary folder of its own.
fn ids(layout: &Layout) -> Vec<String> {
    let entries = |folder| fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries(layout.scratch().join("tmp")).flat_map(|folder| entries(folder.path()));
    let files = files.map(|file| file.path());
    files
        .filter(|file| file.extension().is_some_and(|end| end == "cid"))
        .filter(|file| {
            fs::symlink_metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() < 100)
        })
        .filter_map(|file| fs::read_to_string(file).ok())
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_taken_for_ids() {
        let folder = crate::runner::testing::folder("containers");
        let tmp = |name: &str| format!("work/scratch/tmp/{name}");
        folder.write(&tmp("a/20261124183404-649291.cid"), "46effe31457c\n");
        folder.write(&tmp("b/1.cid"), "--all");
        folder.write(&tmp("c/1.txt"), "46effe31457d");
        folder.write(&tmp("d/1.cid"), "");
        assert_eq!(ids(&Layout::new(folder.path())), ["46effe31457c"]);
    }
}
