//! Why a run stands where it stands: a closed enum, explained in `docs/status.md`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a run stands where it stands. Clients must treat values they do not know as not final.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum Reason {
    /// The run waits for its turn.
    Pending,
    /// A queue holds the runner's Job until there is room.
    Queued,
    /// An attempt failed, and another one follows.
    Retrying,
    /// A ConfigMap that the resource names does not exist, or lacks a key.
    ReferenceNotFound,
    /// The runner's Job exists and its container is not running yet.
    Starting,
    /// The runner runs the workflow.
    Running,
    /// `spec.suspend` holds the run.
    Suspended,
    /// The run is being ended because `spec.cancel` asks for it.
    Cancelling,
    /// The workflow ended well.
    Completed,
    /// The run was ended because `spec.cancel` asked for it.
    Cancelled,
    /// The stored object does not have the shape that this operator knows.
    InvalidObject,
    /// The CWL document is wrong.
    InvalidWorkflow,
    /// The input object does not fit the workflow, or an input file does not exist.
    InvalidInputs,
    /// A deployment or binding is unknown, lacks settings, or is not allowed by the operator.
    InvalidDeployment,
    /// The workflow requires something that the engine or the deployment cannot give.
    UnsupportedRequirement,
    /// An object with the name of one of the run's children belongs to somebody else.
    NameConflict,
    /// The API server refused one of the run's children.
    ChildRefused,
    /// An image cannot be pulled.
    ImagePullFailed,
    /// No node takes the pod.
    Unschedulable,
    /// A quota does not leave room for the pod.
    QuotaExceeded,
    /// The runner's container could not be set up, for instance because a Secret does not exist.
    RunnerNotReady,
    /// A step's tool failed.
    StepFailed,
    /// The run needed more memory than its limit.
    OutOfMemory,
    /// The pod was evicted, preempted or its node drained.
    Evicted,
    /// The run took longer than `spec.activeDeadlineSeconds`.
    DeadlineExceeded,
    /// The runner did not start within `spec.startDeadlineSeconds`.
    StartDeadlineExceeded,
    /// The runner's Job or pod disappeared before the run ended.
    RunnerLost,
    /// A deployment could not be brought up.
    DeploymentFailed,
    /// Outputs could not be copied to where they are kept.
    OutputsFailed,
    /// The operator or the runner met something it does not understand.
    InternalError,
}

impl Reason {
    /// The name that stands in status, conditions and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Queued => "Queued",
            Self::Retrying => "Retrying",
            Self::ReferenceNotFound => "ReferenceNotFound",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Suspended => "Suspended",
            Self::Cancelling => "Cancelling",
            Self::Completed => "Completed",
            Self::Cancelled => "Cancelled",
            Self::InvalidObject => "InvalidObject",
            Self::InvalidWorkflow => "InvalidWorkflow",
            Self::InvalidInputs => "InvalidInputs",
            Self::InvalidDeployment => "InvalidDeployment",
            Self::UnsupportedRequirement => "UnsupportedRequirement",
            Self::NameConflict => "NameConflict",
            Self::ChildRefused => "ChildRefused",
            Self::ImagePullFailed => "ImagePullFailed",
            Self::Unschedulable => "Unschedulable",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::RunnerNotReady => "RunnerNotReady",
            Self::StepFailed => "StepFailed",
            Self::OutOfMemory => "OutOfMemory",
            Self::Evicted => "Evicted",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::StartDeadlineExceeded => "StartDeadlineExceeded",
            Self::RunnerLost => "RunnerLost",
            Self::DeploymentFailed => "DeploymentFailed",
            Self::OutputsFailed => "OutputsFailed",
            Self::InternalError => "InternalError",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_serialised_form() {
        for reason in [Reason::Pending, Reason::StepFailed, Reason::InternalError] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
