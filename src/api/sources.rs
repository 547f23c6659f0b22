//! What a run reads and writes: documents, input objects, volumes, bindings and outputs.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// CWL documents in a ConfigMap of the same namespace, in the shape of a ConfigMap volume.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CwlFrom {
    /// The ConfigMap. It is read once, when the run starts: later changes do not reach the run.
    pub config_map: ConfigMapFiles,

    /// The process to run: a file, and after `#` the id of a process in it. Default: `main.cwl`.
    #[serde(default = "default_entrypoint")]
    #[schemars(length(min = 1, max = 512))]
    pub entrypoint: String,
}

fn default_entrypoint() -> String {
    "main.cwl".to_owned()
}

/// Files of a ConfigMap.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapFiles {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Which keys become which files. Default: every key becomes a file of that name. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub items: Vec<FileItem>,

    /// Must be false, the default: a workflow cannot do without its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [false]))]
    pub optional: Option<bool>,
}

/// One key of a ConfigMap as a file.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!self.path.startsWith('/') && !self.path.split('/').exists(p, p == '..')",
    "path must be relative and may not contain '..'"
))]
pub struct FileItem {
    /// The key.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,

    /// The file's path, relative to the folder of the workflow files, such as `tools/count.cwl`.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,
}

/// An input object in a ConfigMap or Secret, as YAML or JSON. Exactly one source must be given.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.configMapKeyRef) != has(self.secretKeyRef)",
    "exactly one of configMapKeyRef and secretKeyRef must be given"
))]
pub struct InputsSource {
    /// A key of a ConfigMap of the same namespace. Read once, when the run starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,

    /// A key of a Secret of the same namespace. The operator never reads it: it is mounted into the
    /// run's own pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// A key of a ConfigMap or Secret of the same namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Data for the run, mounted read-only under `/data/NAME`. Exactly one source must be given.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "[has(self.persistentVolumeClaim), has(self.configMap), has(self.secret)].filter(x, x).size() == 1",
    "exactly one of persistentVolumeClaim, configMap and secret must be given"
))]
pub struct Volume {
    /// Name of the volume, and of its folder under `/data`.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// A claim of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<Claim>,

    /// A ConfigMap of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ObjectName>,

    /// A Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<ObjectName>,
}

/// A PersistentVolumeClaim of the same namespace, or a folder in it.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.subPath) || (!self.subPath.startsWith('/') && !self.subPath.split('/').exists(p, p == '..'))",
    "subPath must be relative and may not contain '..'"
))]
pub struct Claim {
    /// Name of the claim.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,

    /// A folder of the claim. Default: the claim's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub sub_path: Option<String>,
}

/// Name of an object of the same namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectName {
    /// The name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Where one step, and the steps below it, run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Path of the step, such as `/train` or `/train/fit`; `/` is the whole workflow.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/"))]
    pub step: String,

    /// A built-in deployment or the name of an entry of `deployments`.
    #[schemars(length(min = 1, max = 63))]
    pub deployment: String,

    /// A service of that deployment, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub service: Option<String>,
}

/// A `streamflow.yml` in a ConfigMap of the same namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamflowFrom {
    /// The key that holds the file.
    pub config_map_key_ref: KeyRef,
}

/// Where output files are kept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// A claim of the same namespace. Files are copied there before the run reports success.
    pub persistent_volume_claim: Claim,
}
