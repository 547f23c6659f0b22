//! What the operator says of a run. Written by the operator only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::schema;

/// Steps listed in status; the ones beyond are summed up in one entry.
pub const MAX_STEPS: usize = 100;
/// Size of a whole status, in bytes of JSON.
pub const MAX_STATUS_BYTES: usize = 64 * 1024;
/// Attempts listed in status.
pub const MAX_ATTEMPTS: usize = 64;
/// Size of a message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024;

/// What the operator says of a run.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(oldSelf.phase) || !(oldSelf.phase in ['Succeeded', 'Failed', 'Cancelled']) || (has(self.phase) && self.phase == oldSelf.phase)",
    "the outcome of a run is immutable"
))]
pub struct DvreWorkflowStatus {
    /// Generation of the spec that this status speaks of; -1 until the operator has seen the resource.
    #[serde(default)]
    pub observed_generation: i64,

    /// Where the run stands: a summary of the conditions, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,

    /// Why it stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<super::reason::Reason>,

    /// The same in words: for a failed run the step, its exit code and the last lines of its error
    /// output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,

    /// Engine that runs the workflow: `streamflow` or `cwltool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub execution_engine: Option<String>,

    /// Deployment that the run asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub deployment: Option<String>,

    /// Number of the current or last attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempt: Option<i32>,

    /// Name of that attempt's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub job_name: Option<String>,

    /// The attempts so far, the current one included once it runs. At most 64: of more, those that were
    /// suspended are left out first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["number"]))]
    pub attempts: Vec<AttemptStatus>,

    /// When the engine started, in the first attempt that came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the run ended, well or not; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// Finished and known jobs of the workflow's steps, such as `7/12`. The second number grows as
    /// scatters unfold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub progress: Option<String>,

    /// The workflow's steps. Beyond 100 the rest is summed up in an entry named `...`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 101), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub steps: Vec<StepStatus>,

    /// The CWL output object. Text files up to 1 KiB carry their `contents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque_object")]
    pub outputs: Option<Map<String, Value>>,

    /// Accepted, Ready and Succeeded; Reconciling or Stalled only while they are True;
    /// StatusTruncated when outputs or steps did not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Where a run stands. The last three are final.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum Phase {
    /// Not started yet.
    Pending,
    /// The Job exists; the engine does not run yet.
    Starting,
    /// The engine runs.
    Running,
    /// Held by `spec.suspend`.
    Suspended,
    /// Being ended because `spec.cancel` asks for it.
    Cancelling,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ended because `spec.cancel` asked for it.
    Cancelled,
}

impl Phase {
    /// Whether the run is over: such a status never changes again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name that stands in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Suspended => "Suspended",
            Self::Cancelling => "Cancelling",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// One attempt at the run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// Its number, from 1.
    #[schemars(range(min = 1))]
    pub number: i32,

    /// Name of its Job.
    #[schemars(length(max = 63))]
    pub job_name: String,

    /// When its engine started; absent when it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When it ended; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<super::reason::Reason>,

    /// The same in words, shortened. That of the last attempt stands in the status itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}

/// Where one step of the workflow stands.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// Path of the step; `/` for a single tool.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,

    /// Pending, Running, Succeeded, Failed, Skipped or Cancelled.
    #[schemars(length(max = 63))]
    pub phase: String,

    /// Jobs of the step that have ended well; a scatter has many.
    #[schemars(range(min = 0))]
    pub completed: i64,

    /// Jobs of the step known so far.
    #[schemars(range(min = 0))]
    pub total: i64,

    /// When its first job started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,

    /// Exit code of its tool; of a failed one where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,

    /// Of a failed step the last lines of its error output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}
