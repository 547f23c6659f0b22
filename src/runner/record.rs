//! What a runner tells the operator: progress while it runs, and how the run ended.
//!
//! Both are JSON. Progress and the whole outcome are lines of the container's log that begin with
//! [`MARK`]; the outcome also stands, shortened to fit, in the pod's termination message.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod termination;

pub use termination::{MESSAGE_LIMIT, TERMINATION_LIMIT};
pub(crate) use termination::{cut, hex};

/// What each line of the log begins with that is a record and not the engine's own log.
pub const MARK: &str = "@dvre ";
/// The most steps that one [`Progress`] names.
pub const PROGRESS_STEPS: usize = 100;
/// While a run lasts, a log that has any progress has it in these last entries: a line, or a piece of
/// 16 KiB of one.
pub const PROGRESS_TAIL: usize = 1000;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Every step that had to run did, and the outputs are where they belong.
    Succeeded,
    /// It did not; the reason says why.
    #[default]
    Failed,
    /// The container was told to stop before the end.
    Cancelled,
    /// Written by a newer runner.
    #[serde(other)]
    Unknown,
}

/// Why a run ended as it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// It ran to its end.
    Completed,
    /// The CWL document, or the engine's configuration, is wrong.
    InvalidWorkflow,
    /// An input is missing, of the wrong type, or names a file that is not there.
    InvalidInputs,
    /// The workflow requires what the engine or the deployment cannot give.
    UnsupportedRequirement,
    /// A step's command failed.
    StepFailed,
    /// A step's command was killed because the container used up its memory.
    OutOfMemory,
    /// The place where steps run could not be set up.
    DeploymentFailed,
    /// The image of a step cannot be pulled.
    ImagePullFailed,
    /// No node takes a step's pod.
    Unschedulable,
    /// A quota does not leave room for a step's pod.
    QuotaExceeded,
    /// The cluster, of whatever kind, took a step's place away.
    Evicted,
    /// The outputs could not be collected or stored.
    OutputsFailed,
    /// The container was told to stop.
    Cancelled,
    /// Anything else: the message has what is known.
    #[default]
    InternalError,
    /// Written by a newer runner.
    #[serde(other)]
    Unknown,
}

/// The state of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepPhase {
    /// No job of it has started.
    #[default]
    Pending,
    /// At least one job of it has started, and the step has not ended.
    Running,
    /// All its jobs completed.
    Succeeded,
    /// A job of it failed for good.
    Failed,
    /// Its condition said not to run it.
    Skipped,
    /// It was stopped, or never started because the run ended before.
    Cancelled,
    /// Written by a newer runner.
    #[serde(other)]
    Unknown,
}

/// The engine that ran the workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// StreamFlow.
    #[default]
    Streamflow,
    /// cwltool.
    Cwltool,
    /// Written by a newer runner.
    #[serde(other)]
    Unknown,
}

/// Where a runner is in its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Files and inputs are being put in place.
    #[default]
    Staging,
    /// The engine runs.
    Running,
    /// The engine ended; outputs are being collected.
    Collecting,
    /// Written by a newer runner.
    #[serde(other)]
    Unknown,
}

/// One step of the workflow: its state and its jobs so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// The step's path: `/` for a tool, `/a`, `/a/b` for a step of a nested workflow.
    pub name: String,
    /// Its state.
    #[serde(default)]
    pub phase: StepPhase,
    /// Jobs that ended well or were skipped.
    #[serde(default)]
    pub completed: u64,
    /// Jobs known so far; a scatter may add to them.
    #[serde(default)]
    pub total: u64,
    /// When its first job started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Timestamp>,
    /// Exit code of its command: of the one that failed, else of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Of a failed step the last lines of its error output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The state of a run that lasts, with totals since its start: the last one says all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// When this was true.
    #[serde(default)]
    pub time: Timestamp,
    /// Where the runner is in its work.
    #[serde(default)]
    pub stage: Stage,
    /// The engine that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// Why StreamFlow is not available, when another engine does its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Jobs that ended well or were skipped.
    #[serde(default)]
    pub completed: u64,
    /// Jobs known so far.
    #[serde(default)]
    pub total: u64,
    /// How many steps the workflow has.
    #[serde(default)]
    pub step_count: usize,
    /// The steps in workflow order, at most [`PROGRESS_STEPS`]: those that failed or run come first
    /// in the choice.
    #[serde(default)]
    pub steps: Vec<StepRecord>,
}

/// How a run ended, and what it gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Version of this record: 1.
    #[serde(default)]
    pub version: u32,
    /// How it ended.
    pub phase: Phase,
    /// Why it ended so.
    #[serde(default)]
    pub reason: Reason,
    /// The same for people, at most [`MESSAGE_LIMIT`] bytes.
    #[serde(default)]
    pub message: String,
    /// The engine that ran it.
    #[serde(default)]
    pub engine: EngineName,
    /// Why StreamFlow was not available, when another engine did its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Whether nothing is left outside of the pod; meaningless when the run could leave nothing there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleaned: bool,
    /// The step to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<String>,
    /// Exit code of that step's command; 128 + N for signal N.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When the runner started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When the outcome was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Timestamp>,
    /// Jobs that ended well or were skipped.
    #[serde(default)]
    pub completed: u64,
    /// Jobs known.
    #[serde(default)]
    pub total: u64,
    /// How many steps the workflow has; more than `steps` names when those are truncated.
    #[serde(default)]
    pub step_count: usize,
    /// The steps, in workflow order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// Whether some steps are left out, or messages of steps shortened.
    #[serde(default)]
    pub steps_truncated: bool,
    /// The CWL output object; absent after a failure, and when truncated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Map<String, Value>>,
    /// `sha256:` and the digest of `outputs` as compact JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs_digest: Option<String>,
    /// Whether `outputs` are left out here: the whole stands in the log's final line.
    #[serde(default)]
    pub outputs_truncated: bool,
}

impl Outcome {
    /// Reads a termination message; `None` when it is not an outcome, such as the end of a log.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text.trim()).ok()
    }

    /// The whole outcome in the last final line of a log.
    #[must_use]
    pub fn from_log(log: &str) -> Option<Self> {
        log.lines().rev().find_map(|line| match Line::parse(line) {
            Some(Line::Final(outcome)) => Some(*outcome),
            _ => None,
        })
    }
}

/// A line of the log that is a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// The state of a run that lasts.
    Progress(Progress),
    /// How it ended, in full.
    Final(Box<Outcome>),
}

#[derive(Deserialize, Serialize)]
struct FinalLine<T> {
    r#final: T,
}

impl Line {
    /// Reads one line of the log; `None` when it is the engine's own.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let json = line.strip_prefix(MARK)?;
        if json.starts_with(r#"{"final":"#) {
            let line: FinalLine<Outcome> = serde_json::from_str(json).ok()?;
            return Some(Self::Final(Box::new(line.r#final)));
        }
        serde_json::from_str(json).ok().map(Self::Progress)
    }
}

/// Chooses at most `limit` of the steps, those that failed first, then those that run, then those
/// that ended otherwise; the ones chosen stay in their order.
#[must_use]
pub fn notable_steps(steps: &[StepRecord], limit: usize) -> Vec<StepRecord> {
    if steps.len() <= limit {
        return steps.to_vec();
    }
    let mut order: Vec<(u8, usize)> = steps.iter().map(rank).zip(0..).collect();
    order.sort_unstable();
    order.truncate(limit);
    order.sort_unstable_by_key(|&(_, index)| index);
    order
        .iter()
        .filter_map(|&(_, index)| steps.get(index).cloned())
        .collect()
}

/// Cuts the messages of steps: each to `each` bytes, and from the step on where they take more than
/// `all` together, to nothing. True when anything was cut.
pub fn shorten_messages(steps: &mut [StepRecord], each: usize, all: usize) -> bool {
    let (mut left, mut shortened) = (all, false);
    for step in steps {
        let Some(message) = &mut step.message else {
            continue;
        };
        let length = message.len();
        message.truncate(cut(message, each).len());
        if message.len() > left {
            left = 0;
            message.clear();
        }
        left -= message.len();
        shortened |= message.len() < length;
        if message.is_empty() {
            step.message = None;
        }
    }
    shortened
}

fn rank(step: &StepRecord) -> u8 {
    match step.phase {
        StepPhase::Failed => 0,
        StepPhase::Running => 1,
        StepPhase::Succeeded | StepPhase::Skipped | StepPhase::Cancelled => 2,
        StepPhase::Pending | StepPhase::Unknown => 3,
    }
}

#[cfg(test)]
mod tests;
