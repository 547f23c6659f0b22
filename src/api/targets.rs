//! Typed settings of deployments: where steps run.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, LocalObjectReference, ResourceRequirements, Toleration};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sources::{KeyRef, ObjectName};

/// A named deployment. Exactly one kind must be given.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "[has(self.local), has(self.docker), has(self.singularity), has(self.kubernetes), has(self.ssh), has(self.slurm)].filter(x, x).size() == 1",
    "exactly one of local, docker, singularity, kubernetes, ssh and slurm must be given"
))]
pub struct Deployment {
    /// Name by which `deployment` and `bindings` refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z][a-zA-Z0-9._-]*$"))]
    pub name: String,

    /// Steps run in the runner's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalTarget>,

    /// Steps run in containers of a Docker daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<DockerTarget>,

    /// Steps run in apptainer containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub singularity: Option<SingularityTarget>,

    /// Steps run in pods of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesTarget>,

    /// Steps run on a host over ssh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshTarget>,

    /// Steps run as Slurm jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm: Option<SlurmTarget>,
}

/// Steps run in the runner's container.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalTarget {}

/// Steps run in containers of a Docker daemon.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerTarget {
    /// Image of steps without a DockerRequirement. Default: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z0-9/][A-Za-z0-9._:/@-]*$")
    )]
    pub image: Option<String>,

    /// Host name inside the containers. Default: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$")
    )]
    pub hostname: Option<String>,

    /// Working folder inside the containers. Default: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/[A-Za-z0-9._/-]*$"))]
    pub workdir: Option<String>,

    /// Environment of the containers, over the operator's setting. At most 128. With `valueFrom`, the
    /// variable is also one of the runner's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,

    /// An external daemon, such as `tcp://docker.example.org:2376`. Default: a daemon beside the
    /// runner, where the operator allows privileged deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^tcp://[A-Za-z0-9.:-]+$")
    )]
    pub host: Option<String>,

    /// Secret with `ca.pem`, `cert.pem` and `key.pem` for that daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret_ref: Option<ObjectName>,

    /// Secret of type `kubernetes.io/dockerconfigjson` with which images are pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret_ref: Option<ObjectName>,
}

/// Steps run in apptainer containers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SingularityTarget {
    /// Image: `docker://...`, or the path of a SIF under `/data`. Default: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z0-9/][A-Za-z0-9._:/@-]*$")
    )]
    pub image: Option<String>,

    /// Host name inside the containers. Default: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$")
    )]
    pub hostname: Option<String>,

    /// Working folder inside the containers. Default: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/[A-Za-z0-9._/-]*$"))]
    pub workdir: Option<String>,

    /// Environment of the containers. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,

    /// Claim that keeps pulled images between runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub cache_claim_name: Option<String>,

    /// Secret of type `kubernetes.io/dockerconfigjson` with which images are pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret_ref: Option<ObjectName>,
}

/// Steps run in pods of their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesTarget {
    /// Image of steps without a DockerRequirement. Default: the operator's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z0-9/][A-Za-z0-9._:/@-]*$")
    )]
    pub image: Option<String>,

    /// Requests and limits of a step's pod, merged over the operator's setting. What a
    /// ResourceRequirement names in numbers wins; one that is an expression is refused unless these
    /// are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Labels that a node must have. At most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,

    /// Taints that the step pods tolerate. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub tolerations: Vec<Toleration>,

    /// Secrets with which the steps' images are pulled. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// ServiceAccount of the step pods. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,

    /// Pods per step, and so the parallelism of a scatter. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: Option<i32>,

    /// Seconds to wait for step pods. Default: 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub timeout_seconds: Option<i64>,
}

/// Steps run on a host over ssh.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SshTarget {
    /// Host name or address.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9:][A-Za-z0-9.:_-]*$")
    )]
    pub host: String,

    /// Port. Default: 22.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,

    /// User on that host.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    )]
    pub user: String,

    /// Secret with the private key, `ssh-privatekey`, and the host's keys, `known_hosts`, which are
    /// always checked.
    pub secret_ref: ObjectName,

    /// Working folder on that host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/[A-Za-z0-9._/-]*$"))]
    pub workdir: Option<String>,
}

/// Steps run as Slurm jobs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlurmTarget {
    /// The login host. Default: the Slurm commands of the runner's own image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshTarget>,

    /// Folder visible on login and compute nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/[A-Za-z0-9._/-]*$"))]
    pub workdir: Option<String>,

    /// Account that the jobs are charged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.,:+=*@/-]*$")
    )]
    pub account: Option<String>,

    /// Quality of service of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.,:+=*@/-]*$")
    )]
    pub qos: Option<String>,

    /// Partition of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.,:+=*@/-]*$")
    )]
    pub partition: Option<String>,

    /// Time limit of a job, in Slurm's notation, such as `01:00:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.,:+=*@/-]*$")
    )]
    pub time: Option<String>,

    /// Memory of a job, in Slurm's notation, such as `8G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.,:+=*@/-]*$")
    )]
    pub memory: Option<String>,

    /// Processors of a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub cpus: Option<i32>,

    /// Accelerators of a job, in Slurm's notation, such as `1` or `a100:2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.,:+=*@/-]*$")
    )]
    pub gpus: Option<String>,

    /// A job template (Jinja2, with `{{streamflow_command}}`) in a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_from: Option<TemplateFrom>,

    /// Jobs in the queue at one time. Default: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_concurrent_jobs: Option<i32>,

    /// Seconds between two looks at the queue. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub polling_interval_seconds: Option<i32>,
}

/// A job template in a ConfigMap of the same namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateFrom {
    /// The key that holds the template.
    pub config_map_key_ref: KeyRef,
}
