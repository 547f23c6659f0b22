//! What the log says of jobs: their commands, and how those end.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::CwltoolLog;
use super::errors::Finding;
use super::steps::job_event;
use crate::runner::event::{Event, Status};
use crate::runner::record::{Reason, cut};
use crate::runner::run_file::Containers;

/// The most bytes of a tool's own file of error output that are read.
const FILE_LIMIT: u64 = 1 << 20;

/// A job whose command runs.
#[derive(Debug, Default)]
pub(super) struct Job {
    folder: String,
    /// Where its output begins at the earliest.
    mark: usize,
    /// Where its error output goes, when not into the log.
    stderr: Option<PathBuf>,
    in_docker: bool,
    timed_out: bool,
    /// Its command has failed, which says more than what follows.
    failed: bool,
}

/// How a command ended.
#[derive(Debug, Default)]
struct Ended {
    exit_code: i32,
    stderr: String,
    /// What of that is likely its own, when not all.
    words: String,
    why: Option<(Reason, String)>,
}

impl CwltoolLog {
    pub(super) fn take_job(&mut self, name: &str, what: &str) -> Vec<Event> {
        if let Some((folder, command)) = what.split_once("$ ").filter(|_| what.starts_with('/')) {
            return self.job_runs(name, folder, command);
        }
        if what.starts_with("exceeded time limit of ") {
            if let Some(job) = self.running.get_mut(name) {
                job.timed_out = true;
            }
        } else if let Some(code) = what.strip_prefix("exited with status: ") {
            let code = code.trim().parse().unwrap_or(1);
            return self.command_failed(name, code);
        } else if let Some(signal) = what.strip_prefix("was terminated by signal: ") {
            return self.command_failed(name, -signal_number(signal.trim()));
        } else if let Some(status) = what.strip_prefix("completed ") {
            return self.job_ended(name, status == "success");
        }
        Vec::new()
    }

    fn job_runs(&mut self, name: &str, folder: &str, command: &str) -> Vec<Event> {
        let Some((path, id)) = self.steps.job(name) else {
            return Vec::new();
        };
        let event = job_event(id, path, Status::Running);
        let in_docker = self.containers == Containers::Docker && command.starts_with("docker ");
        if in_docker {
            self.elsewhere.insert(id.to_owned());
        }
        let job = Job {
            folder: folder.to_owned(),
            mark: self.output.mark(),
            in_docker,
            ..Job::default()
        };
        self.running.insert(name.to_owned(), job);
        self.printing = Some(name.to_owned());
        self.output.entry(Some(command));
        self.find_stderr(command);
        vec![event]
    }

    /// A command ends with the files that it writes to.
    pub(super) fn find_stderr(&mut self, line: &str) {
        let printing = self.printing.as_ref();
        let Some(job) = printing.and_then(|name| self.running.get_mut(name)) else {
            return;
        };
        if let Some((_, name)) = line.rsplit_once(&format!(" 2> {}/", job.folder)) {
            job.stderr = Some(PathBuf::from(&job.folder).join(name));
        }
    }

    fn command_failed(&mut self, name: &str, exit_code: i32) -> Vec<Event> {
        let (last_end, end) = (self.last_end, self.output.mark());
        self.last_end = end;
        let Some(job) = self.running.get_mut(name) else {
            return Vec::new();
        };
        job.failed = true;
        let mut ended = Ended {
            exit_code,
            ..Ended::default()
        };
        if let Some(file) = &job.stderr {
            ended.stderr = tail(file).unwrap_or_default();
        } else {
            ended.stderr = self.output.since(job.mark);
            // Jobs that run at the same time write to the same log: what came after the end of
            // another is more likely from this one.
            let after = self.output.since(last_end);
            if job.mark < last_end && !after.trim().is_empty() {
                ended.words = self.output.since(self.output.line(last_end));
            }
        }
        if job.timed_out {
            let message = "the time limit of the tool is over".to_owned();
            ended.why = Some((Reason::StepFailed, message));
        } else if let Some(why) =
            daemon_error(&ended.stderr).filter(|_| job.in_docker && exit_code == 125)
        {
            let message = format!("its container could not be started: {why}");
            ended.why = Some((Reason::DeploymentFailed, message));
        }
        self.command_ended(name, ended)
    }

    fn command_ended(&mut self, name: &str, ended: Ended) -> Vec<Event> {
        let Some((path, id)) = self.steps.job(name) else {
            return Vec::new();
        };
        let (kind, message) = ended.why.unzip();
        vec![Event::Command {
            job: id.to_owned(),
            step: path.to_owned(),
            exit_code: ended.exit_code,
            stderr: ended.stderr,
            words: ended.words,
            stdout: String::new(),
            kind,
            message: message.unwrap_or_default(),
        }]
    }

    fn job_ended(&mut self, name: &str, well: bool) -> Vec<Event> {
        self.last_end = self.output.mark();
        let job = self.running.remove(name).unwrap_or_default();
        let mut events = Vec::new();
        if well {
            // Codes that the tool declares a success are not told.
            events = self.command_ended(name, Ended::default());
        } else if !job.failed {
            match self.next_job.take() {
                Some(Finding::Command(exit_code)) => {
                    let ended = Ended {
                        exit_code,
                        ..Ended::default()
                    };
                    events = self.command_ended(name, ended);
                }
                Some(Finding::NextJob(message)) => {
                    let path = self.steps.job(name).map(|(path, _)| path.to_owned());
                    events.push(self.error_event(Reason::StepFailed, message, path));
                }
                _ => {}
            }
        }
        events.extend(self.steps.job_ended(name, well));
        events
    }
}

/// The end of a file that a tool wrote. It may have made something else of it by now, on which to
/// wait would be forever.
fn tail(file: &Path) -> io::Result<String> {
    use io::{Read, Seek, SeekFrom};
    let meta = fs::symlink_metadata(file)?;
    if !meta.is_file() {
        return Ok(String::new());
    }
    let mut file = fs::File::open(file)?;
    file.seek(SeekFrom::Start(meta.len().saturating_sub(FILE_LIMIT)))?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What Docker said last, when it could not start a container.
fn daemon_error(stderr: &str) -> Option<&str> {
    let line = stderr
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("docker: "))?;
    let line = line
        .strip_prefix("Error response from daemon: ")
        .unwrap_or(line);
    Some(cut(line.trim_end(), 512))
}

fn signal_number(name: &str) -> i32 {
    const NAMES: [(&str, i32); 18] = [
        ("SIGHUP", 1),
        ("SIGINT", 2),
        ("SIGQUIT", 3),
        ("SIGILL", 4),
        ("SIGTRAP", 5),
        ("SIGABRT", 6),
        ("SIGBUS", 7),
        ("SIGFPE", 8),
        ("SIGKILL", 9),
        ("SIGUSR1", 10),
        ("SIGSEGV", 11),
        ("SIGUSR2", 12),
        ("SIGPIPE", 13),
        ("SIGALRM", 14),
        ("SIGTERM", 15),
        ("SIGXCPU", 24),
        ("SIGXFSZ", 25),
        ("SIGSYS", 31),
    ];
    let found = NAMES.iter().find(|(known, _)| *known == name);
    // Any failure is better than none.
    found.map_or(-1, |(_, number)| *number)
}

#[cfg(test)]
mod tests;
