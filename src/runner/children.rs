//! Every process that descends from the runner: started, reaped, and none left behind.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use super::classify::Exit;

/// A process that the kernel cannot end, such as one that waits for a dead disk, is left to it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The engine's process.
///
/// It is waited for with all other children, for orphans become ours as well: `Child::wait` would
/// compete with that.
pub struct Process {
    pid: Pid,
    exit: Option<Exit>,
}

/// Makes orphans our children even when this is not the container's first process.
pub fn adopt_orphans() {
    // Where the kernel refuses, the run is still right; a daemon may only outlive it.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

impl Process {
    /// Starts a command in a process group of its own.
    pub fn start(command: &mut Command) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        let mut child = command.process_group(0).spawn()?;
        let missing = || io::Error::other("no pipe to the engine");
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let pid = Pid::from_child(&child);
        Ok((Self { pid, exit: None }, stdout, stderr))
    }

    /// Collects every child that has ended; gives how the engine ended once it has.
    pub fn reap(&mut self) -> Option<Exit> {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == self.pid {
                self.exit = exit(status);
            }
        }
        self.exit
    }

    /// Asks the engine to stop.
    pub fn interrupt(&self) {
        if self.exit.is_none() {
            let _ = rustix::process::kill_process(self.pid, Signal::INT);
        }
    }

    /// Asks the engine and what it started to stop, as far as that stayed in its group.
    pub fn terminate_group(&self) {
        if self.exit.is_none() {
            let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
        }
    }

    /// Kills the engine and what it started, as far as that stayed in its group.
    pub fn kill(&self) {
        if self.exit.is_none() {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
    }
}

fn exit(status: WaitStatus) -> Option<Exit> {
    let code = status.exit_status().map(Exit::Code);
    code.or_else(|| status.terminating_signal().map(Exit::Signal))
}

/// Kills and reaps every descendant. An orphan becomes our child, so there is none left when we have
/// no children.
pub fn kill_all() {
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => continue,
            Ok(None) if Instant::now() < end => {}
            _ => return,
        }
        for pid in descendants() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Every process below this one, by the parents that `/proc` names.
fn descendants() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![rustix::process::getpid().as_raw_nonzero().get()];
    while let Some(pid) = open.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(below.iter().filter_map(|&pid| Pid::from_raw(pid)));
        open.extend(below);
    }
    found
}

/// The fourth field of `/proc/PID/stat`, counted after the name, which may hold anything.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
}
