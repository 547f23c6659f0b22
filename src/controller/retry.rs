//! Pure: whether a failed attempt is followed by another, and when.

use std::time::Duration;

use jiff::Timestamp;

use super::attempts::second;
use super::ending::Ending;
use super::observe::Observed;
use super::plan::Interlude;
use crate::api::{AttemptStatus, Phase, Reason, RetryPolicy};
use crate::runner::record::EngineName;
use crate::words::cut;

/// How many attempts may follow for each class of failure when nothing else is said.
const DEFAULT_LIMIT: i32 = 2;
/// Longest pause before an attempt.
const MAX_PAUSE: Duration = Duration::from_mins(5);
/// Longest piece of an attempt's message in the status of the pause after it.
const SHOWN_BYTES: usize = 600;

/// What a failure says of another attempt. Each class has a count of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// The cluster took the runner away, or lost it: the run is not to blame.
    Infrastructure,
    /// There was too little memory.
    Memory,
    /// It may be another the next time.
    Other,
    /// It would be the same, or was asked for.
    Final,
}

fn class(reason: Reason) -> Class {
    match reason {
        Reason::Evicted | Reason::RunnerLost => Class::Infrastructure,
        Reason::OutOfMemory => Class::Memory,
        Reason::StepFailed
        | Reason::ImagePullFailed
        | Reason::Unschedulable
        | Reason::QuotaExceeded
        | Reason::RunnerNotReady
        | Reason::StartDeadlineExceeded
        | Reason::DeploymentFailed
        | Reason::OutputsFailed
        | Reason::ChildRefused
        | Reason::InternalError => Class::Other,
        Reason::Pending
        | Reason::Queued
        | Reason::Retrying
        | Reason::ReferenceNotFound
        | Reason::Starting
        | Reason::Running
        | Reason::Suspended
        | Reason::Cancelling
        | Reason::Completed
        | Reason::Cancelled
        | Reason::InvalidObject
        | Reason::InvalidWorkflow
        | Reason::InvalidInputs
        | Reason::InvalidDeployment
        | Reason::UnsupportedRequirement
        | Reason::NameConflict
        | Reason::DeadlineExceeded => Class::Final,
    }
}

/// Whether a failure is the cluster's and not the run's.
#[must_use]
pub fn is_infrastructure(reason: Reason) -> bool {
    class(reason) == Class::Infrastructure
}

/// What comes between a failed attempt and the next; None when no other follows.
#[must_use]
pub fn again(observed: &Observed<'_>, ending: &Ending) -> Option<Interlude> {
    let class = class(ending.reason);
    let retry = observed.workflow.spec.retry.clone().unwrap_or_default();
    let policy = retry.policy.unwrap_or(RetryPolicy::OnInfrastructureFailure);
    let wanted = match (class, policy) {
        (Class::Final, _) | (_, RetryPolicy::Never) => false,
        (Class::Infrastructure, _) => true,
        (Class::Memory, policy) => {
            retry.memory_factor.is_some() || policy == RetryPolicy::OnAnyFailure
        }
        (Class::Other, policy) => {
            policy == RetryPolicy::OnAnyFailure && !tried_by_engine(observed, ending)
        }
    };
    let attempt = observed.attempt();
    let before = count(&observed.status.attempts, attempt, class);
    let limit = retry.limit.unwrap_or(DEFAULT_LIMIT);
    if !wanted || before >= limit {
        return None;
    }
    let next = attempt.checked_add(1)?;
    let ended = ending.times.1.as_ref().map_or(observed.now, |end| end.0);
    let due = after(second(ended), pause(observed, before + 1));
    Some(Interlude {
        message: format!(
            "attempt {attempt} ended with {}: {}; attempt {} starts at {due}",
            ending.reason,
            cut(&ending.message, SHOWN_BYTES),
            next,
        ),
        ending: ending.clone(),
        phase: Phase::Pending,
        reason: Reason::Retrying,
    })
}

/// StreamFlow tries a step again by itself, where the operator writes its configuration.
fn tried_by_engine(observed: &Observed<'_>, ending: &Ending) -> bool {
    let streamflow = |engine| engine == EngineName::Streamflow;
    ending.reason == Reason::StepFailed
        && observed.workflow.spec.streamflow_from.is_none()
        && ending
            .outcome
            .as_ref()
            .is_some_and(|outcome| streamflow(outcome.engine))
}

fn count(attempts: &[AttemptStatus], number: i32, wanted: Class) -> i32 {
    let of_it = attempts.iter().filter(|attempt| {
        attempt.number < number && attempt.reason.is_some_and(|reason| class(reason) == wanted)
    });
    i32::try_from(of_it.count()).unwrap_or(i32::MAX)
}

/// When the current attempt may start; None when it need not wait.
#[must_use]
pub fn due(observed: &Observed<'_>) -> Option<Timestamp> {
    let last = observed.status.attempts.last()?;
    let class = class(last.reason?);
    if class == Class::Final || last.number >= observed.attempt() {
        return None;
    }
    let failures = count(&observed.status.attempts, observed.attempt(), class);
    Some(after(
        last.completion_time.as_ref()?.0,
        pause(observed, failures),
    ))
}

/// A moment later, as far as there are times.
fn after(moment: Timestamp, pause: Duration) -> Timestamp {
    moment.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// How often the run has been out of memory.
#[must_use]
pub fn out_of_memory(observed: &Observed<'_>) -> i32 {
    count(&observed.status.attempts, observed.attempt(), Class::Memory)
}

/// The pause after a failure that is the n-th of its class: doubled with each, in whole seconds.
fn pause(observed: &Observed<'_>, failures: i32) -> Duration {
    let base = u64::try_from(observed.settings.retry_backoff_seconds).unwrap_or_default();
    let doublings = u32::try_from(failures - 1).unwrap_or_default().min(16);
    Duration::from_secs(base << doublings).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests;
