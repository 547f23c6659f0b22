//! What cwltool's log says. It sends no events, so all that is known of its runs comes from here.

use std::collections::{HashMap, HashSet};

use super::{EngineLog, exception};
use crate::runner::event::Event;
use crate::runner::record::Reason;
use crate::runner::run_file::Containers;

mod errors;
mod jobs;
mod names;
mod output;
mod steps;

use errors::{Finding, named};
use jobs::Job;
use output::Output;
use steps::Steps;

/// A line longer than this is not looked at beyond it.
const LINE_LIMIT: usize = 16 << 10;
/// The most bytes of one entry.
const ENTRY_LIMIT: usize = 32 << 10;

/// The state of a run as its log tells.
#[derive(Debug, Default)]
pub struct CwltoolLog {
    containers: Containers,
    steps: Steps,
    output: Output,
    /// An error whose lines still come.
    error: Option<Entry>,
    spoke: bool,
    first_error: Option<String>,
    /// What the next job, or the next step, that fails has failed of.
    next_job: Option<Finding>,
    next_step: Option<String>,
    running: HashMap<String, Job>,
    /// The job whose command is being printed.
    printing: Option<String>,
    elsewhere: HashSet<String>,
    /// Where the output stood when a job last ended.
    last_end: usize,
}

#[derive(Debug, Default)]
struct Entry {
    text: String,
    /// A traceback follows, which is none of the text.
    closed: bool,
}

/// The first line of the log: the program and its version.
fn version(text: &str) -> Option<Event> {
    let (program, version) = text.split_once(' ')?;
    let plain = version
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    (program.ends_with("/cwltool") && plain).then(|| Event::Engine {
        version: version.to_owned(),
    })
}

impl CwltoolLog {
    /// The log of a run with these steps.
    pub fn new(steps: &[String], containers: Containers) -> Self {
        Self {
            containers,
            steps: Steps::new(steps),
            ..Self::default()
        }
    }

    fn take_entry(&mut self, text: &str) -> Vec<Event> {
        self.output.entry(None);
        self.printing = None;
        if let Some((name, what)) = named(text, "[workflow ") {
            if let Some(step) = what.strip_prefix("starting step ") {
                self.steps.name(name, step);
            }
            Vec::new()
        } else if let Some((name, what)) = named(text, "[step ") {
            match what.strip_prefix("completed ") {
                Some(status) => self.step_ended(name, status),
                None if what == "start" => self.steps.start(name),
                None => Vec::new(),
            }
        } else if let Some((name, what)) = named(text, "[job ") {
            self.take_job(name, what)
        } else if let Some(status) = text.strip_prefix("Final process status is ") {
            let mut events = self.steps.single_ended(status == "success");
            if let Some(message) = self.next_step.take().filter(|_| self.steps.single()) {
                events.push(self.error_event(Reason::StepFailed, message, Some("/".to_owned())));
            }
            events
        } else {
            version(text).into_iter().collect()
        }
    }

    fn step_ended(&mut self, name: &str, status: &str) -> Vec<Event> {
        let mut events = self.steps.ended(name, status);
        let failed = !matches!(status, "success" | "skipped") && !events.is_empty();
        if let Some(message) = self.next_step.take_if(|_| failed) {
            let path = self.steps.path(name);
            events.push(self.error_event(Reason::StepFailed, message, path));
        }
        events
    }

    fn take_finding(&mut self, finding: Finding) -> Vec<Event> {
        match finding {
            Finding::Job(name, message) => {
                let path = self.steps.job(&name).map(|(path, _)| path.to_owned());
                vec![self.error_event(Reason::StepFailed, message, path)]
            }
            Finding::Command(_) | Finding::NextJob(_) => {
                self.next_job = Some(finding);
                Vec::new()
            }
            Finding::NextStep(message) => {
                self.next_step = Some(message);
                Vec::new()
            }
            Finding::Step(name, reason, message) => {
                let path = self.steps.path(&name);
                self.step_failed(reason, message, path)
            }
            Finding::LastStep(reason, message) => {
                let path = self.steps.last();
                self.step_failed(reason, message, path)
            }
            Finding::Thread(reason, message) => {
                let single = self.steps.single().then(|| "/".to_owned());
                let path = single.or_else(|| self.steps.only_waiting());
                let mut events = self.step_failed(reason, message, path);
                events.push(Event::Doomed);
                events
            }
            Finding::Run(reason, message) => {
                let of_tool = reason == Reason::StepFailed && self.steps.single();
                let path = of_tool.then(|| "/".to_owned());
                self.step_failed(reason, message, path)
            }
        }
    }

    fn step_failed(&mut self, reason: Reason, message: String, path: Option<String>) -> Vec<Event> {
        let failed = path.as_deref().map(|path| self.steps.failed(path));
        let message = match &path {
            Some(path) if reason == Reason::UnsupportedRequirement => {
                format!("step {path}: {message}")
            }
            _ => message,
        };
        let error = self.error_event(reason, message, path);
        [error].into_iter().chain(failed).collect()
    }

    fn error_event(&mut self, kind: Reason, message: String, step: Option<String>) -> Event {
        self.first_error.get_or_insert_with(|| message.clone());
        Event::Error {
            kind,
            message,
            step,
        }
    }
}

impl EngineLog for CwltoolLog {
    fn take(&mut self, line: &[u8]) -> Vec<Event> {
        let line = String::from_utf8_lossy(line.get(..LINE_LIMIT).unwrap_or(line));
        let line = line.trim_end_matches(['\r', '\n']);
        let Some((before, level, text)) = split(line) else {
            match &mut self.error {
                Some(error) if line.starts_with("Traceback (most recent") => error.closed = true,
                Some(error) if !error.closed && error.text.len() < ENTRY_LIMIT => {
                    error.text.push('\n');
                    error.text.push_str(line);
                }
                Some(_) => {}
                None => {
                    self.find_stderr(line);
                    self.output.take(line);
                }
            }
            return Vec::new();
        };
        if !before.is_empty() && self.error.is_none() {
            self.output.take_cut(before);
        }
        let mut events = self.finish();
        self.spoke = true;
        if matches!(level, "ERROR" | "CRITICAL") || text == "Failed to evaluate expression:" {
            let text = text.to_owned();
            self.error = Some(Entry {
                text,
                closed: false,
            });
        } else {
            events.extend(self.take_entry(text));
        }
        events
    }

    fn finish(&mut self) -> Vec<Event> {
        let Some(error) = self.error.take() else {
            return Vec::new();
        };
        match errors::read(&error.text, self.output.last()) {
            Some(finding) => self.take_finding(finding),
            None => Vec::new(),
        }
    }

    fn spoke(&self) -> bool {
        self.spoke
    }

    fn last_words(&self) -> Option<String> {
        let last = || {
            let last = self.output.last()?;
            Some(exception(last).unwrap_or(last).to_owned())
        };
        self.first_error.clone().or_else(last)
    }

    fn elsewhere(&self, job: &str) -> bool {
        self.elsewhere.contains(job)
    }
}

/// Level and text of an entry, `[2026-01-31 12:00:00] ERROR text`, and what a tool left before it in
/// its line.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    const LEVELS: [&str; 5] = ["INFO", "WARNING", "ERROR", "CRITICAL", "DEBUG"];
    line.match_indices('[').find_map(|(start, _)| {
        let (time, rest) = line.get(start + 1..)?.split_at_checked(19)?;
        let right = time.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            10 => byte == b' ',
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
        let (level, text) = rest.strip_prefix("] ")?.split_once(' ')?;
        (right && LEVELS.contains(&level)).then_some((line.get(..start)?, level, text))
    })
}

#[cfg(test)]
mod tests;
