//! What StreamFlow's log says beyond the plugin's events.

use std::collections::{BTreeMap, HashMap};

use super::{EngineLog, SlurmJob, exception};
use crate::runner::classify::{Exit, clean};
use crate::runner::event::Event;
use crate::runner::record::Reason;

/// A line longer than this is not looked at beyond it.
const LINE_LIMIT: usize = 2048;
/// Lines of an error's message that are kept.
const ERROR_LINES: usize = 8;
/// Places of more jobs than this are not remembered.
const MOST_PLACES: usize = 100_000;
/// How the launcher says that it cannot start StreamFlow.
const UNAVAILABLE: &str = "dvre-streamflow: StreamFlow is not available: ";

/// How far the engine got, and its first error.
#[derive(Debug, Default)]
pub struct StreamFlowLog {
    reached: Reached,
    /// What the launcher said.
    unavailable: Option<String>,
    /// The first error came before the command of any step.
    error_before_steps: bool,
    /// The deployment that is being set up, until it stands.
    deploying: Option<String>,
    /// The deployment of each job that does not run right here.
    places: HashMap<String, String>,
    /// The last Slurm job of each job.
    slurm: BTreeMap<String, String>,
    /// The first error's message, up to a few lines.
    error: Vec<String>,
    /// The last line that names a Python exception with a message, within the first error.
    exception: Option<String>,
    /// The last lines that are none of the engine's own, for an engine that dies without an error.
    last: Option<String>,
    part: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    #[default]
    Nothing,
    /// An entry was written.
    Entry,
    /// The workflow was read and its execution began.
    Workflow,
    /// The command of some step began.
    Step,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    /// Outside of the first error.
    #[default]
    Other,
    /// In its message.
    Message,
    /// In the traceback behind it.
    Traceback,
}

impl EngineLog for StreamFlowLog {
    fn take(&mut self, line: &[u8]) -> Vec<Event> {
        let line = String::from_utf8_lossy(line.get(..LINE_LIMIT).unwrap_or(line));
        let line = line.trim_end();
        match split(line) {
            Some((level, text)) => self.take_entry(level, text),
            None => self.take_continuation(line),
        }
        Vec::new()
    }

    fn spoke(&self) -> bool {
        self.reached > Reached::Nothing
    }

    fn unavailable(&self) -> Option<&str> {
        self.unavailable.as_deref()
    }

    /// The engine gave up before any command ran.
    fn explanation(&self, exit: Exit, any_ran: bool) -> Option<(Reason, String)> {
        let error = self.error();
        if self.reached < Reached::Workflow && !any_ran {
            // A signal, or no error of its own: then the engine itself is at fault.
            return match (exit, error) {
                (Exit::Code(_), Some(error)) if !is_engines_own(&error) => {
                    Some((Reason::InvalidWorkflow, clean(&error)))
                }
                _ => None,
            };
        }
        let text = error?;
        let types = (text.starts_with("Expected ") && text.contains(" token of type "))
            || (text.starts_with("Token ") && text.contains(" is not optional"));
        if types && self.error_before_steps {
            return Some((Reason::InvalidInputs, clean(&text)));
        }
        let deployment = self.deploying.as_ref().filter(|_| !any_ran)?;
        let message = format!(
            "deployment {deployment} could not be set up: {}",
            clean(&text)
        );
        Some((Reason::DeploymentFailed, message))
    }

    fn trouble(&self) -> Option<String> {
        let error = self.error()?;
        let Some(rest) = error.strip_prefix("No suitable token processors in ") else {
            return Some(format!("failed: {}", clean(&error)));
        };
        let output = rest.split(':').next().unwrap_or_default();
        let why = rest
            .rsplit("but received error ")
            .next()
            .unwrap_or_default();
        Some(format!("did not give its output {output}: {}", clean(why)))
    }

    fn last_words(&self) -> Option<String> {
        self.error().or_else(|| self.last.clone())
    }

    fn elsewhere(&self, job: &str) -> bool {
        self.places.contains_key(job)
    }

    fn slurm_jobs(&self) -> Vec<SlurmJob> {
        let slurm_job = |(job, id): (&String, &String)| {
            let step = job.rsplit_once('/').map_or("", |(step, _)| step);
            SlurmJob {
                step: if step.is_empty() { "/" } else { step }.to_owned(),
                deployment: self.places.get(job).cloned(),
                id: id.clone(),
            }
        };
        self.slurm.iter().map(slurm_job).collect()
    }
}

impl StreamFlowLog {
    fn take_entry(&mut self, level: &str, text: &str) {
        self.reach(Reached::Entry);
        self.part = Part::Other;
        if text.starts_with("EXECUTING workflow") {
            self.reach(Reached::Workflow);
        } else if let Some(text) = text.strip_prefix("EXECUTING step ") {
            self.reach(Reached::Step);
            self.take_place(text);
        } else if let Some(text) = text.strip_prefix("Scheduled job ") {
            // The last one counts: a job that failed may have been handed in again.
            if let Some((job, id)) = text.split_once(" with job id ") {
                self.slurm.insert(job.to_owned(), id.trim().to_owned());
            }
        } else if let Some(name) = text.strip_prefix("DEPLOYING ") {
            self.deploying = Some(name.to_owned());
        } else if text.starts_with("COMPLETED deployment of ") {
            self.deploying = None;
        }
        let generic = text == "FAILED Workflow execution";
        if matches!(level, "ERROR" | "CRITICAL") && !self.has_error() && !generic {
            self.error_before_steps = self.reached < Reached::Step;
            self.part = Part::Message;
            self.add(text);
        }
    }

    fn reach(&mut self, point: Reached) {
        self.reached = self.reached.max(point);
    }

    /// Takes `/a (job /a/0) on location hpc/login into directory /x:`, or `locally` in its midst.
    fn take_place(&mut self, text: &str) {
        let job_and_place = text
            .split_once(" (job ")
            .and_then(|(_, text)| text.split_once(") "));
        let Some((job, place)) = job_and_place else {
            return;
        };
        match place.strip_prefix("on location ") {
            Some(place) if self.places.len() < MOST_PLACES => {
                let deployment = place.split(['/', ' ']).next().unwrap_or_default();
                self.places.insert(job.to_owned(), deployment.to_owned());
            }
            _ => {
                self.places.remove(job);
            }
        }
    }

    fn take_continuation(&mut self, line: &str) {
        if let Some(why) = line.strip_prefix(UNAVAILABLE) {
            self.unavailable = Some(why.trim().to_owned());
        }
        if line.starts_with("Traceback (most recent call last)") {
            if self.part == Part::Message {
                self.part = Part::Traceback;
            }
            return;
        }
        match self.part {
            Part::Message if self.error.len() < ERROR_LINES => self.add(line),
            Part::Message => {}
            Part::Traceback => {
                if let Some(text) = exception(line) {
                    self.exception.get_or_insert_with(|| text.to_owned());
                }
            }
            Part::Other => {
                if let Some(text) = exception(line) {
                    self.last = Some(text.to_owned());
                } else if !line.starts_with(' ') && !line.trim().is_empty() {
                    self.last = Some(line.to_owned());
                }
            }
        }
    }

    fn add(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.error.push(line.trim().to_owned());
        }
    }

    fn has_error(&self) -> bool {
        !self.error.is_empty() || self.exception.is_some()
    }

    /// The engine's first error: its message, else the exception behind it.
    fn error(&self) -> Option<String> {
        if self.error.is_empty() {
            self.exception.clone()
        } else {
            Some(self.error.join("\n"))
        }
    }
}

/// Errors that come from the image or the node rather than from the document.
fn is_engines_own(error: &str) -> bool {
    const OWN: [&str; 6] = [
        "No module named",
        "cannot import",
        "Permission denied",
        "Read-only file system",
        "No space left",
        "database",
    ];
    OWN.iter().any(|text| error.contains(text))
}

/// Level and text of an entry: `2026-01-31 12:00:00.123 ERROR    text`.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.splitn(3, ' ');
    let (date, time, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:.,".contains(&byte))
    };
    if date.len() != 10 || time.len() < 8 || !digits(date) || !digits(time) {
        return None;
    }
    let (level, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((level, text.trim_start()))
}

#[cfg(test)]
mod tests;
