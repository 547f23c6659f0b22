//! The totals of a run, from the plugin's events.

use std::collections::HashMap;

use jiff::{Timestamp, Unit};

use super::classify::{clean, last_lines};
use super::event::{Event, Status};
use super::provenance::Image;
use super::record::{MESSAGE_LIMIT, Reason, StepPhase, StepRecord};

mod view;

/// More steps or jobs than this are not counted, so that a flood of events cannot use up memory.
const MOST_STEPS: usize = 10_000;
const MOST_JOBS: usize = 1_000_000;
/// What is kept of a failed command's error output.
const STDERR_LIMIT: usize = 4096;

/// A command that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedCommand {
    /// The job's path.
    pub job: String,
    /// Its exit code; 128 + N for signal N.
    pub exit_code: i32,
    /// The end of its error output.
    pub stderr: String,
    /// The class of the failure and a message, where more is known than the exit code says.
    pub why: Option<(Reason, String)>,
}

impl FailedCommand {
    /// The last lines of its error output, else what is known of the failure.
    fn last_words(&self) -> Option<String> {
        let told = || self.why.as_ref().map(|(_, message)| clean(message));
        let last = last_lines(&self.stderr, MESSAGE_LIMIT);
        let words = Some(last).filter(|text| !text.is_empty()).or_else(told);
        words.filter(|text| !text.is_empty())
    }
}

/// An error as the plugin explains it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineError {
    /// Its class.
    pub reason: Reason,
    /// Its first useful line.
    pub message: String,
    /// The step that it belongs to.
    pub step: Option<String>,
    /// Whether a command had failed before, of which this may be a consequence.
    pub after_command: bool,
}

#[derive(Debug, Default)]
struct Step {
    record: StepRecord,
    /// Jobs seen, and jobs announced by the plugin.
    jobs: u64,
    announced: u64,
    failed: Option<FailedCommand>,
}

struct Job {
    step: usize,
    status: Status,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    exit_code: Option<i32>,
}

/// A job, once the run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// Its path.
    pub job: String,
    /// The path of its step.
    pub step: String,
    /// When it started for the last time; none when it never did.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// Whether it ended well.
    pub succeeded: bool,
    /// Exit code of its command, where that is known.
    pub exit_code: Option<i32>,
}

/// The state of each step, and of the jobs in it.
#[derive(Default)]
pub struct Tally {
    steps: Vec<Step>,
    index: HashMap<String, usize>,
    jobs: HashMap<String, Job>,
    error: Option<EngineError>,
    version: Option<String>,
    images: Vec<(Option<String>, Image)>,
}

impl Tally {
    /// Takes one event; true when a step changed its state.
    pub fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Workflow { steps } => {
                for step in steps {
                    self.step(step);
                }
                true
            }
            Event::Job {
                job,
                step,
                status,
                time,
                total,
            } => {
                let total = total.unwrap_or_default().min(MOST_JOBS as u64);
                if let Some(step) = self.step_mut(step.clone()) {
                    step.announced = step.announced.max(total);
                }
                self.take_job(&job, step, status, time)
            }
            Event::Command {
                job,
                step,
                exit_code,
                stderr,
                words,
                kind,
                message,
                ..
            } => {
                let why = kind.map(|kind| (kind, message));
                let words = if words.is_empty() { &stderr } else { &words };
                self.take_command(job, step, exit_code, words, why);
                false
            }
            Event::Step { step, status, time } => self.take_step(step, status, time),
            Event::Error {
                kind,
                message,
                step,
            } => {
                let after_command = self.steps.iter().any(|step| step.failed.is_some());
                // The first explains the failure; later ones are mostly its consequences.
                self.error.get_or_insert(EngineError {
                    reason: kind,
                    message,
                    step,
                    after_command,
                });
                false
            }
            Event::Engine { version } => {
                self.version = Some(version);
                false
            }
            Event::Image { step, image } => {
                let told = (step, image);
                if self.images.len() < MOST_STEPS && !self.images.contains(&told) {
                    self.images.push(told);
                }
                false
            }
            Event::Doomed => false,
        }
    }

    fn step(&mut self, name: String) -> Option<usize> {
        if let Some(&index) = self.index.get(&name) {
            return Some(index);
        }
        let index = self.steps.len();
        if index >= MOST_STEPS {
            return None;
        }
        self.index.insert(name.clone(), index);
        let record = StepRecord {
            name,
            ..StepRecord::default()
        };
        self.steps.push(Step {
            record,
            ..Step::default()
        });
        Some(index)
    }

    fn step_mut(&mut self, name: String) -> Option<&mut Step> {
        let index = self.step(name)?;
        self.steps.get_mut(index)
    }

    fn take_job(&mut self, job: &str, step: String, status: Status, time: Option<f64>) -> bool {
        let Some(index) = self.step(step) else {
            return false;
        };
        let full = self.jobs.len() >= MOST_JOBS;
        let before = match self.jobs.get_mut(job) {
            // A job belongs to the step that it was first seen in.
            Some(known) if known.step != index => return false,
            Some(known) => Some(known.turn(status, time)),
            None if full => return false,
            None => {
                let mut new = Job {
                    step: index,
                    status,
                    start: None,
                    end: None,
                    exit_code: None,
                };
                new.turn(status, time);
                self.jobs.insert(job.to_owned(), new);
                None
            }
        };
        let Some(step) = self.steps.get_mut(index) else {
            return false;
        };
        step.jobs += u64::from(before.is_none());
        let (was, is) = (before.is_some_and(ended_well), ended_well(status));
        step.record.completed += u64::from(is && !was);
        step.record.completed -= u64::from(was && !is);
        if is && step.failed.as_ref().is_some_and(|failed| failed.job == job) {
            step.failed = None;
        }
        if status == Status::Running && before != Some(Status::Running) {
            step.record.start_time.get_or_insert_with(|| at(time));
            // A step that had ended runs again when a failure is recovered from.
            step.record.completion_time = None;
            return std::mem::replace(&mut step.record.phase, StepPhase::Running)
                != StepPhase::Running;
        }
        false
    }

    fn take_command(
        &mut self,
        job: String,
        step: String,
        exit_code: i32,
        stderr: &str,
        why: Option<(Reason, String)>,
    ) {
        let exit_code = if exit_code < 0 {
            128 - exit_code
        } else {
            exit_code
        };
        if let Some(job) = self.jobs.get_mut(&job) {
            job.exit_code = Some(exit_code);
        }
        let Some(step) = self.step_mut(step) else {
            return;
        };
        step.record.exit_code = Some(exit_code);
        if exit_code != 0 || why.is_some() {
            let stderr = tail(stderr, STDERR_LIMIT).to_owned();
            step.failed = Some(FailedCommand {
                job,
                exit_code,
                stderr,
                why,
            });
        }
    }

    fn take_step(&mut self, step: String, status: Status, time: Option<f64>) -> bool {
        let phase = match status {
            Status::Completed => StepPhase::Succeeded,
            Status::Failed => StepPhase::Failed,
            Status::Skipped => StepPhase::Skipped,
            Status::Cancelled => StepPhase::Cancelled,
            _ => return false,
        };
        let error = self.error.as_ref().and_then(|error| error.step.as_ref());
        if phase == StepPhase::Succeeded && error == Some(&step) {
            // It was recovered from, and explains nothing.
            self.error = None;
        }
        let Some(step) = self.step_mut(step) else {
            return false;
        };
        if step.record.phase == phase {
            return false;
        }
        step.record.phase = phase;
        step.record.completion_time = Some(at(time));
        true
    }
}

impl Job {
    /// Takes a new status; gives back the one before.
    fn turn(&mut self, status: Status, time: Option<f64>) -> Status {
        match status {
            Status::Running => {
                self.start = Some(at(time));
                self.end = None;
            }
            Status::Completed | Status::Failed | Status::Cancelled => self.end = Some(at(time)),
            _ => {}
        }
        std::mem::replace(&mut self.status, status)
    }
}

fn record(step: &Step) -> StepRecord {
    let mut record = step.record.clone();
    record.total = step.jobs.max(step.announced);
    if !matches!(record.phase, StepPhase::Succeeded | StepPhase::Skipped) {
        record.total = record.total.max(1);
    }
    if let Some(failed) = &step.failed {
        record.exit_code = Some(failed.exit_code);
    }
    record
}

fn ended_well(status: Status) -> bool {
    matches!(status, Status::Completed | Status::Skipped)
}

/// The end of `text`, at most `limit` bytes of it.
fn tail(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}

/// This moment, to the millisecond.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}

/// Unix seconds as a time; this moment when they are none.
fn at(seconds: Option<f64>) -> Timestamp {
    seconds
        .and_then(|seconds| jiff::SignedDuration::try_from_secs_f64(seconds).ok())
        .and_then(|duration| Timestamp::from_duration(duration).ok())
        .and_then(|time| time.round(Unit::Millisecond).ok())
        .unwrap_or_else(now)
}

#[cfg(test)]
mod tests;
