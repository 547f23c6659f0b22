//! What an engine's log says, each engine's in its own way.

use super::classify::Exit;
use super::event::Event;
use super::record::Reason;

mod cwltool;
mod streamflow;

pub use cwltool::CwltoolLog;
pub use streamflow::StreamFlowLog;

/// What is learned from the log of an engine, line by line.
pub trait EngineLog: Send {
    /// Takes the log's next line; gives back what it reports.
    fn take(&mut self, line: &[u8]) -> Vec<Event>;

    /// Takes the log's end; gives back what was still to be reported.
    fn finish(&mut self) -> Vec<Event> {
        Vec::new()
    }

    /// Whether the engine has written an entry of its log: before that, it has not really begun.
    fn spoke(&self) -> bool;

    /// Why the engine is not available, when its launcher says so.
    fn unavailable(&self) -> Option<&str> {
        None
    }

    /// Why the run failed, when only the log tells.
    fn explanation(&self, _exit: Exit, _any_ran: bool) -> Option<(Reason, String)> {
        None
    }

    /// What became of a step that failed though no command of it did, to be read after its name.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// The first error, else the last line that says something.
    fn last_words(&self) -> Option<String>;

    /// Whether the log says that a job ran elsewhere than right in this container.
    fn elsewhere(&self, job: &str) -> bool;

    /// The Slurm jobs that count: the last one of each job.
    fn slurm_jobs(&self) -> Vec<SlurmJob> {
        Vec::new()
    }
}

/// A job that was handed to Slurm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlurmJob {
    /// The path of its step.
    pub step: String,
    /// The deployment that ran it, when the log tells.
    pub deployment: Option<String>,
    /// Its id.
    pub id: String,
}

/// The message of a line such as `package.module.SomeError: message`.
fn exception(line: &str) -> Option<&str> {
    let (class, message) = line.split_once(": ")?;
    let name = class.rsplit('.').next()?;
    let named = ["Error", "Exception", "Interrupt"]
        .iter()
        .any(|end| name.ends_with(end));
    let plain = class
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    (named && plain && !message.trim().is_empty()).then_some(message.trim())
}
