//! Pure: what a runner's pod says of itself.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStateWaiting, Pod,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::Reason;
use crate::names::RUNNER_CONTAINER;

/// How long a deleted pod may outlive its grace: a busy kubelet needs some seconds.
const LOST_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// What keeps a pod from starting.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Its class.
    pub reason: Reason,
    /// The words of whoever reported it.
    pub message: String,
}

/// State of the runner's container.
#[must_use]
pub fn runner_state(pod: &Pod) -> Option<&ContainerState> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses
        .iter()
        .find(|status| status.name == RUNNER_CONTAINER)?
        .state
        .as_ref()
}

/// When the runner's container started, while it runs.
#[must_use]
pub fn running_since(pod: &Pod) -> Option<&Time> {
    runner_state(pod)?.running.as_ref()?.started_at.as_ref()
}

/// How the runner's container ended.
#[must_use]
pub fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    runner_state(pod)?.terminated.as_ref()
}

/// Whether the pod is over, with or without a container that ever ran.
#[must_use]
pub fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    terminated(pod).is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether a pod should be gone by now and is not: the kubelet of its node does not answer. A deleted pod
/// carries the time when its grace ends.
#[must_use]
pub fn is_lost(pod: &Pod, now: Timestamp) -> bool {
    let deleted = pod.metadata.deletion_timestamp.as_ref();
    deleted.is_some_and(|time| now.duration_since(time.0) > LOST_AFTER)
}

/// Marks the last state of a pod that was deleted: whatever it said, it is over.
pub fn deleted(pod: &mut Pod) {
    if !is_over(pod) {
        let status = pod.status.get_or_insert_default();
        status.phase = Some("Failed".to_owned());
        status.message = Some("it was deleted".to_owned());
    }
}

/// What the runner's container waits for, and those that have to be there before it.
fn waiting(pod: &Pod) -> impl Iterator<Item = &ContainerStateWaiting> {
    let sidecars = pod
        .status
        .iter()
        .flat_map(|status| status.init_container_statuses.iter().flatten());
    let sidecars = sidecars.filter_map(|status| status.state.as_ref());
    let states = sidecars.chain(runner_state(pod));
    states.filter_map(|state| state.waiting.as_ref())
}

/// Why the pod does not start, when it says so.
#[must_use]
pub fn trouble(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    for waiting in waiting(pod) {
        let text = waiting.message.clone().unwrap_or_default();
        let reason = match waiting.reason.as_deref().unwrap_or_default() {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable" => Some(Reason::ImagePullFailed),
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                Some(Reason::RunnerNotReady)
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return Some(Trouble {
                reason,
                message: first_error(&text),
            });
        }
    }
    let scheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "PodScheduled")?;
    (scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable")).then(
        || Trouble {
            reason: Reason::Unschedulable,
            message: scheduled.message.clone().unwrap_or_default(),
        },
    )
}

/// Whether the pod does not run and does not say why: only events can tell, for instance of a volume
/// that cannot be mounted.
#[must_use]
pub fn is_silent(pod: &Pod) -> bool {
    let waits = runner_state(pod).is_none_or(|state| state.waiting.is_some());
    waits && !is_over(pod) && trouble(pod).is_none()
}

/// The error inside a back-off message, so that the text stays the same while the kubelet alternates
/// between trying and waiting.
fn first_error(text: &str) -> String {
    let error = text
        .strip_prefix("Back-off pulling image ")
        .and_then(|rest| rest.split_once(": "));
    let error = match error {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, error)| error),
        None => text,
    };
    error.to_owned()
}

/// Why a pod that ended without a record of its own did so.
#[must_use]
pub fn cause_of_end(pod: &Pod) -> Trouble {
    let status = pod.status.as_ref();
    let ended = terminated(pod);
    if let Some(ended) = ended.filter(|ended| ended.reason.as_deref() == Some("OOMKilled")) {
        return Trouble {
            reason: Reason::OutOfMemory,
            message: format!(
                "the runner needed more memory than its limit and was killed (exit code {}): raise \
                 spec.runner.resources.limits.memory, or let spec.retry.memoryFactor do so",
                ended.exit_code
            ),
        };
    }
    let evicted = status.and_then(|status| status.reason.as_deref()) == Some("Evicted");
    let text = status
        .and_then(|status| status.message.clone())
        .unwrap_or_default();
    if evicted {
        return Trouble {
            reason: Reason::Evicted,
            message: format!("the runner's pod was evicted: {text}"),
        };
    }
    if let Some(disruption) = disruption(pod) {
        return disruption;
    }
    match ended {
        Some(ended) if ended.exit_code == 137 || ended.exit_code == 143 => Trouble {
            reason: Reason::RunnerLost,
            message: format!(
                "the runner was killed from outside (exit code {}) before the run ended",
                ended.exit_code
            ),
        },
        Some(ended) => Trouble {
            reason: Reason::InternalError,
            message: format!(
                "the runner ended with exit code {} and left no record: {}",
                ended.exit_code,
                ended
                    .message
                    .as_deref()
                    .or(ended.reason.as_deref())
                    .unwrap_or("no message")
            ),
        },
        None if !is_over(pod) => Trouble {
            reason: Reason::RunnerLost,
            message: "the runner's pod was deleted, and its node does not answer".to_owned(),
        },
        None => Trouble {
            reason: Reason::RunnerLost,
            message: format!("the runner's pod ended before the run did: {text}"),
        },
    }
}

/// Whether the cluster took the pod away: eviction, preemption or a drained node.
#[must_use]
pub fn disruption(pod: &Pod) -> Option<Trouble> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let target = conditions
        .iter()
        .find(|c| c.type_ == "DisruptionTarget" && c.status == "True")?;
    let message = target
        .message
        .as_deref()
        .or(target.reason.as_deref())
        .unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let from = node.map_or_else(String::new, |node| format!(" from node {node}"));
    Some(Trouble {
        reason: Reason::Evicted,
        message: format!("the cluster took the runner's pod away{from}: {message}"),
    })
}
