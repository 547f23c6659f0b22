//! Conditions of a run, the phase that follows from them, and their merge with earlier ones.
//!
//! The table these follow: a run that is not over is `Ready=Unknown`, `Succeeded=Unknown`; a
//! finished one True or False in both; `Reconciling` and `Stalled` are present only while True and
//! never together, as kstatus and Argo CD's health checks expect.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::reason::Reason;
use super::status::Phase;

/// The document, the inputs and the deployment were checked.
pub const ACCEPTED: &str = "Accepted";
/// The run has succeeded; the condition that kstatus reads.
pub const READY: &str = "Ready";
/// The run has succeeded; the condition for objects that end.
pub const SUCCEEDED: &str = "Succeeded";
/// The operator is at work; present only while True.
pub const RECONCILING: &str = "Reconciling";
/// The run has failed for good; present only while True.
pub const STALLED: &str = "Stalled";
/// Outputs or steps did not fit into status; present only while True.
pub const STATUS_TRUNCATED: &str = "StatusTruncated";

/// What is to be said of a run, from which conditions and phase follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Where the run stands.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
    /// Whether the spec was accepted; None before it was checked. The reason and message of a
    /// refusal are those of the verdict unless given here.
    pub accepted: Accepted,
    /// Why status is incomplete, when it is.
    pub truncated: Option<String>,
}

/// What is known of the spec.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// Not checked yet.
    Unknown,
    /// Checked and served.
    Yes,
    /// Refused, or, on a running run, a changed field that is not served.
    No(Reason, String),
}

/// The conditions of a run, taking transition times from `previous` where the status did not flip.
#[must_use]
pub fn conditions(
    verdict: &Verdict,
    previous: &[Condition],
    generation: i64,
    now: &Time,
) -> Vec<Condition> {
    let outcome = match verdict.phase {
        Phase::Succeeded => "True",
        Phase::Failed | Phase::Cancelled => "False",
        _ => "Unknown",
    };
    let reason = verdict.reason.as_str();
    // While a run is not over, Succeeded names the phase and Ready the detail.
    let succeeded_reason = if verdict.phase.is_final() {
        reason
    } else {
        verdict.phase.as_str()
    };
    let message = verdict.message.as_str();
    let mut wanted = vec![match &verdict.accepted {
        Accepted::Unknown => (
            ACCEPTED,
            "Unknown",
            Reason::Pending.as_str(),
            "not checked yet",
        ),
        Accepted::Yes => (
            ACCEPTED,
            "True",
            "Accepted",
            "the workflow and its inputs were checked",
        ),
        Accepted::No(reason, message) => (ACCEPTED, "False", reason.as_str(), message.as_str()),
    }];
    wanted.push((READY, outcome, reason, message));
    wanted.push((SUCCEEDED, outcome, succeeded_reason, message));
    match verdict.phase {
        Phase::Failed | Phase::Cancelled => wanted.push((STALLED, "True", reason, message)),
        Phase::Pending | Phase::Starting | Phase::Running | Phase::Cancelling => {
            wanted.push((RECONCILING, "True", verdict.phase.as_str(), message));
        }
        Phase::Suspended | Phase::Succeeded => {}
    }
    if let Some(text) = &verdict.truncated {
        wanted.push((STATUS_TRUNCATED, "True", "TooLarge", text));
    }
    wanted
        .into_iter()
        .map(|(type_, status, reason, message)| {
            let since = previous
                .iter()
                .find(|old| old.type_ == type_ && old.status == status)
                .map_or_else(|| now.clone(), |old| old.last_transition_time.clone());
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
                observed_generation: Some(generation),
                last_transition_time: since,
            }
        })
        .collect()
}

/// The phase that conditions speak of; None when there is no `Succeeded` among them.
#[must_use]
pub fn phase(conditions: &[Condition]) -> Option<Phase> {
    let succeeded = conditions
        .iter()
        .find(|condition| condition.type_ == SUCCEEDED)?;
    Some(
        match (succeeded.status.as_str(), succeeded.reason.as_str()) {
            ("True", _) => Phase::Succeeded,
            ("False", "Cancelled") => Phase::Cancelled,
            ("False", _) => Phase::Failed,
            (_, "Starting") => Phase::Starting,
            (_, "Running") => Phase::Running,
            (_, "Suspended") => Phase::Suspended,
            (_, "Cancelling") => Phase::Cancelling,
            _ => Phase::Pending,
        },
    )
}
