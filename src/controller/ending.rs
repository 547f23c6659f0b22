//! Pure: how a run ended, by what its runner recorded and what is left of its pod and Job.

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::observe::Observed;
use super::pod::{self, Trouble};
use super::queue::Queue;
use crate::api::{Phase, Reason};
use crate::runner::record::{self, Outcome};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Succeeded, Failed or Cancelled.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
    /// What the runner recorded.
    pub outcome: Option<Outcome>,
    /// When the runner started and ended, by the kubelet.
    pub times: (Option<Time>, Option<Time>),
}

impl Ending {
    /// A failure of which nothing else is known.
    #[must_use]
    pub fn failed(cause: Trouble) -> Self {
        Self {
            phase: Phase::Failed,
            reason: cause.reason,
            message: cause.message,
            outcome: None,
            times: (None, None),
        }
    }
}

/// The end of an attempt whose Job is gone.
#[must_use]
pub fn vanished(observed: &Observed<'_>) -> Ending {
    let name = observed.job_name();
    Ending {
        times: times(observed),
        ..Ending::failed(Trouble {
            reason: Reason::RunnerLost,
            message: format!("Job {name} was deleted before the run ended"),
        })
    }
}

/// The end that the runner recorded, unless it only says that somebody stopped the runner.
#[must_use]
pub fn of_itself(observed: &Observed<'_>) -> Option<Ending> {
    let outcome = observed.outcome.clone()?;
    let (phase, reason) = match outcome.phase {
        record::Phase::Succeeded => (Phase::Succeeded, Reason::Completed),
        record::Phase::Failed => (Phase::Failed, reason_of(outcome.reason)),
        record::Phase::Cancelled | record::Phase::Unknown => return None,
    };
    Some(Ending {
        phase,
        reason,
        message: outcome.message.clone(),
        times: times(observed),
        outcome: Some(outcome),
    })
}

/// The end of an attempt whose pod is over, or cannot be reached any more, before the run was.
#[must_use]
pub fn interrupted(observed: &Observed<'_>, pod: &Pod) -> Ending {
    let cause = if observed.outcome.is_some() {
        pod::disruption(pod).unwrap_or_else(|| Trouble {
            reason: Reason::RunnerLost,
            message:
                "the runner was told to stop before the run ended: its Job or pod was deleted, or \
                      its node shut down"
                    .to_owned(),
        })
    } else {
        pod::cause_of_end(pod)
    };
    Ending {
        outcome: observed.outcome.clone(),
        times: times(observed),
        ..Ending::failed(cause)
    }
}

fn reason_of(reason: record::Reason) -> Reason {
    match reason {
        record::Reason::Completed => Reason::Completed,
        record::Reason::InvalidWorkflow => Reason::InvalidWorkflow,
        record::Reason::InvalidInputs => Reason::InvalidInputs,
        record::Reason::UnsupportedRequirement => Reason::UnsupportedRequirement,
        record::Reason::StepFailed => Reason::StepFailed,
        record::Reason::OutOfMemory => Reason::OutOfMemory,
        record::Reason::DeploymentFailed => Reason::DeploymentFailed,
        record::Reason::ImagePullFailed => Reason::ImagePullFailed,
        record::Reason::Unschedulable => Reason::Unschedulable,
        record::Reason::QuotaExceeded => Reason::QuotaExceeded,
        record::Reason::Evicted => Reason::Evicted,
        record::Reason::OutputsFailed => Reason::OutputsFailed,
        record::Reason::Cancelled => Reason::Cancelled,
        record::Reason::InternalError | record::Reason::Unknown => Reason::InternalError,
    }
}

/// When the runner started and ended, by the kubelet.
pub fn times(observed: &Observed<'_>) -> (Option<Time>, Option<Time>) {
    let ended = observed.pod.as_deref().and_then(pod::terminated);
    ended.map_or((None, None), |ended| {
        (ended.started_at.clone(), ended.finished_at.clone())
    })
}

/// The condition with which a Job is over for good: no pod of it runs any more. One that is on its way
/// to its end (`FailureTarget`) may have some.
#[must_use]
pub fn finished(job: &Job) -> Option<&JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ended =
        |c: &&JobCondition| c.status == "True" && matches!(c.type_.as_str(), "Complete" | "Failed");
    conditions.iter().find(ended)
}

/// Whether nothing of an attempt runs any more, or can be reached.
#[must_use]
pub fn is_over(observed: &Observed<'_>, job: &Job) -> bool {
    match observed.pod.as_deref() {
        Some(pod) if pod::is_lost(pod, observed.now) => true,
        Some(pod) if Queue::of(job).admits(pod) => pod::is_over(pod),
        // A pod may just have been made that no watch has shown yet; one from before a queue took the Job
        // back says nothing of it.
        _ => finished(job).is_some(),
    }
}

/// Why a Job is over although no pod of it can be seen.
#[must_use]
pub fn without_pod(job: &Job) -> Option<Trouble> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ended = conditions.iter().find(|c| {
        c.status == "True" && matches!(c.type_.as_str(), "Failed" | "Complete" | "FailureTarget")
    })?;
    Some(Trouble {
        reason: Reason::RunnerLost,
        message: format!(
            "the runner's pod disappeared before its result could be read ({}: {})",
            ended.reason.as_deref().unwrap_or(&ended.type_),
            ended.message.as_deref().unwrap_or("no message")
        ),
    })
}
