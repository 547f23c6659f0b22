//! The resource itself and its spec.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::runner::RunnerSettings;
use super::schema;
use super::sources::{Binding, CwlFrom, InputsSource, Outputs, StreamflowFrom, Volume};
use super::status::DvreWorkflowStatus;
use super::targets::Deployment;

/// A CWL workflow run: the document, its inputs and where its steps run. One resource is one run:
/// everything in `spec` is immutable except `suspend`, `cancel` and `ttlSecondsAfterFinished`.
#[expect(
    clippy::duplicated_attributes,
    reason = "each print column has its own attributes"
)]
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "dvre.io",
    version = "v1alpha1",
    kind = "DvreWorkflow",
    plural = "dvreworkflows",
    shortname = "dwf",
    category = "dvre",
    namespaced,
    status = "DvreWorkflowStatus",
    selectable = ".status.phase",
    doc = "A CWL workflow run: the document, its inputs and where its steps run. One resource is one run, and its outcome stands in status.",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "Where the run stands"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "True once the run has succeeded"
    ),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.progress",
        description = "Finished and known jobs of the workflow's steps"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.reason",
        description = "Why the run stands there",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.message",
        description = "The same in words",
        priority = 1
    ),
    printcolumn(
        name = "Deployment",
        type_ = "string",
        json_path = ".spec.deployment",
        description = "Where its steps run",
        priority = 1
    ),
    printcolumn(
        name = "Engine",
        type_ = "string",
        json_path = ".status.executionEngine",
        description = "What runs it",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::immutable_spec)]
#[x_kube(
    validation = ("has(self.cwl) != has(self.cwlFrom)", "exactly one of cwl and cwlFrom must be given"),
    validation = (
        "!has(self.streamflowFrom) || !(has(self.deployments) || has(self.bindings))",
        "deployments and bindings stand in the file that streamflowFrom names: give one or the other"
    )
)]
pub struct DvreWorkflowSpec {
    /// The CWL document (v1.0, v1.1 or v1.2) as an object: a CommandLineTool, an ExpressionTool, a
    /// Workflow, or a packed document with `$graph`, whose entry point is `#main`. Exactly one of
    /// `cwl` and `cwlFrom` must be given. The workflow's files may take 1,000,000 bytes in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque_object")]
    pub cwl: Option<Map<String, Value>>,

    /// CWL documents that live in a ConfigMap, for workflows of several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwl_from: Option<CwlFrom>,

    /// The CWL input object. A relative `location` or `path` of a File or Directory is taken from the
    /// folder of the workflow files, `/data/NAME/...` from the volume of that name, and `https://...`
    /// is fetched by the runner. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque_object")]
    pub inputs: Option<Map<String, Value>>,

    /// Input objects to merge, in this order, under `inputs`: the later one wins, key by key. At most
    /// 16. A Secret's values appear in no status, event, log or ConfigMap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub inputs_from: Vec<InputsSource>,

    /// Data that the inputs refer to, read-only under `/data/NAME`. At most 32. The content of a
    /// ConfigMap or Secret is copied when the run starts: later changes do not reach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<Volume>,

    /// Where every step runs unless a binding says otherwise: `local` (the default: in the runner's
    /// container), `docker`, `singularity`, `kubernetes`, `slurm`, or the name of an entry of
    /// `deployments`, of the file that `streamflowFrom` names, or of the operator's own.
    #[serde(default = "default_deployment")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z][a-zA-Z0-9._-]*$"))]
    pub deployment: String,

    /// Settings of deployments, by name. A name equal to a built-in one overrides it. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub deployments: Vec<Deployment>,

    /// Targets of single steps; the most specific step path wins. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["step"]))]
    pub bindings: Vec<Binding>,

    /// A `streamflow.yml` of your own. The operator overlays only what it must own: the workflow file,
    /// its inputs, the database, the event plugin and the working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streamflow_from: Option<StreamflowFrom>,

    /// The engine that runs the workflow. Default: `Auto`.
    #[serde(default)]
    pub engine: Engine,

    /// Where output files are kept. Without it they live as long as the runner's Job, and only their
    /// description, with the content of small text files, stands in status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,

    /// Settings of the pod that runs the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerSettings>,

    /// Keeps the run from starting, or stops it until it is set back to false. Default: false. Mutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// Ends the run as `Cancelled`. Default: false. Mutable, but not taken back once the run has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,

    /// Seconds that the run may take, all attempts together, each from the start of its engine. The time
    /// between attempts, and while the run is suspended or queued, does not count. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 315_360_000))]
    pub active_deadline_seconds: Option<i64>,

    /// Seconds that an attempt may take from the creation of its Job until the engine runs: image
    /// pulls, quota and scheduling. After that the run fails with the cause. Default: the operator's
    /// setting, 600 unless changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub start_deadline_seconds: Option<i64>,

    /// Whether a failed attempt is followed by another. Default: two more for trouble of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,

    /// Seconds after its end when the run's Job, pods and ConfigMap are removed; never the resource.
    /// Default: the operator's setting. Mutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 315_360_000))]
    pub ttl_seconds_after_finished: Option<i64>,
}

/// Name of the deployment that a spec without one means.
#[must_use]
pub fn default_deployment() -> String {
    "local".to_owned()
}

/// The engine that runs a workflow.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Engine {
    /// StreamFlow; cwltool when StreamFlow is not available in the runner and the deployment is
    /// local, docker or singularity.
    #[default]
    Auto,
    /// StreamFlow only.
    StreamFlow,
    /// cwltool only.
    Cwltool,
}

/// Whether, and how often, a failed attempt is followed by another.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How often the run is tried again. Trouble of the cluster and other failures are counted apart, so
    /// that neither uses up the other's. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20))]
    pub limit: Option<i32>,

    /// Which failures are retried. Default: `OnInfrastructureFailure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RetryPolicy>,

    /// Tries a run that needed more memory than its limit again with this many times as much, such as
    /// `2` or `"1.5"`: the runner's memory, and that of step pods. From 1.1 to 10. Default: a run that
    /// is out of memory is not tried again, except by the policy `OnAnyFailure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::factor")]
    pub memory_factor: Option<IntOrString>,
}

/// Which failures are followed by another attempt.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum RetryPolicy {
    /// Lost nodes, evictions, preemption and trouble of the cluster; never a tool's error.
    OnInfrastructureFailure,
    /// Every failure that could be another the next time. StreamFlow tries a failed step again within
    /// its attempt, so that what is done is not repeated; cwltool begins anew.
    OnAnyFailure,
    /// None.
    Never,
}
