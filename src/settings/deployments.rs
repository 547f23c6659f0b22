//! What whoever runs the operator decides about the places where steps run.

use std::collections::BTreeMap;

use clap::Args;
use k8s_openapi::api::core::v1::ResourceRequirements;

use super::streamflow::{ConfigFile, SchemaFile};
use super::{parse_resources, resources};

/// Presets of the built-in deployments, and what is allowed. A resource changes single presets in
/// `spec.deployments`.
#[derive(Args, Clone, Debug)]
pub struct DeploymentSettings {
    /// Allow deployments that need a privileged container: `docker` with a daemon beside the runner,
    /// and `singularity`.
    #[arg(long, env = "DVRE_ALLOW_PRIVILEGED")]
    pub allow_privileged: bool,

    /// Image of steps on `docker` that name none.
    #[arg(long, env = "DVRE_DOCKER_IMAGE", default_value = "python:3.9-slim")]
    pub docker_image: String,

    /// Host name inside the containers of `docker`.
    #[arg(
        long,
        env = "DVRE_DOCKER_HOSTNAME",
        default_value = "dvre-docker-worker"
    )]
    pub docker_hostname: String,

    /// Working folder inside the containers of `docker`.
    #[arg(
        long,
        env = "DVRE_DOCKER_WORKDIR",
        default_value = "/tmp/streamflow/dvre-docker"
    )]
    pub docker_workdir: String,

    /// Environment of the containers of `docker`, as JSON.
    #[arg(long, env = "DVRE_DOCKER_ENV", value_parser = parse_map, default_value = r#"{"DVRE_ENV":"docker","PYTHONPATH":"/opt/dvre"}"#)]
    pub docker_env: Map,

    /// Image of the Docker daemon beside the runner.
    #[arg(
        long,
        env = "DVRE_DOCKER_DAEMON_IMAGE",
        default_value = "docker.io/library/docker:28-dind"
    )]
    pub docker_daemon_image: String,

    /// Requests and limits of that daemon, and so of the steps' containers, as JSON.
    #[arg(
        long,
        env = "DVRE_DOCKER_DAEMON_RESOURCES",
        value_parser = parse_resources,
        default_value = r#"{"requests":{"cpu":"250m","memory":"256Mi"},"limits":{"cpu":"2","memory":"2Gi"}}"#
    )]
    pub docker_daemon_resources: ResourceRequirements,

    /// Registries that the daemon asks before Docker Hub, separated by commas: `https://HOST[:PORT]`.
    #[arg(long, env = "DVRE_DOCKER_REGISTRY_MIRRORS", value_delimiter = ',')]
    pub docker_registry_mirrors: Vec<String>,

    /// Registries that the daemon may use without verified TLS, separated by commas: `HOST[:PORT]`.
    #[arg(long, env = "DVRE_DOCKER_INSECURE_REGISTRIES", value_delimiter = ',')]
    pub docker_insecure_registries: Vec<String>,

    /// Image of the runner for `singularity`: the runner with apptainer.
    #[arg(
        long,
        env = "DVRE_SINGULARITY_RUNNER_IMAGE",
        default_value = "dvre/runner-singularity:dev"
    )]
    pub singularity_runner_image: String,

    /// Image of steps on `singularity` that name none.
    #[arg(
        long,
        env = "DVRE_SINGULARITY_IMAGE",
        default_value = "docker://python:3.9-slim"
    )]
    pub singularity_image: String,

    /// Host name inside the containers of `singularity`.
    #[arg(
        long,
        env = "DVRE_SINGULARITY_HOSTNAME",
        default_value = "dvre-singularity-worker"
    )]
    pub singularity_hostname: String,

    /// Working folder inside the containers of `singularity`.
    #[arg(
        long,
        env = "DVRE_SINGULARITY_WORKDIR",
        default_value = "/tmp/streamflow/dvre-singularity"
    )]
    pub singularity_workdir: String,

    /// Environment of the containers of `singularity`, as JSON.
    #[arg(long, env = "DVRE_SINGULARITY_ENV", value_parser = parse_map, default_value = "{}")]
    pub singularity_env: Map,

    /// A registry that apptainer asks before Docker Hub: `[http://]HOST[:PORT]`.
    #[arg(long, env = "DVRE_SINGULARITY_REGISTRY_MIRROR")]
    pub singularity_registry_mirror: Option<String>,

    /// Image of steps on `kubernetes` that name none.
    #[arg(long, env = "DVRE_KUBERNETES_IMAGE", default_value = "python:3.9-slim")]
    pub kubernetes_image: String,

    /// Requests and limits of step pods, as JSON.
    #[arg(
        long,
        env = "DVRE_KUBERNETES_RESOURCES",
        value_parser = parse_resources,
        default_value = r#"{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"1Gi"}}"#
    )]
    pub kubernetes_resources: ResourceRequirements,

    /// Seconds that step pods may take until they are ready.
    #[arg(long, env = "DVRE_KUBERNETES_TIMEOUT_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(i64).range(1..=86_400))]
    pub kubernetes_timeout_seconds: i64,

    /// Name of the resource by which a node counts its accelerators.
    #[arg(long, env = "DVRE_GPU_RESOURCE", default_value = "nvidia.com/gpu")]
    pub gpu_resource: String,

    /// The role that the runner of a `kubernetes` deployment gets in its namespace: `ClusterRole/NAME`
    /// or `Role/NAME`. Without it, such a run has to name a service account of its own.
    #[arg(long, env = "DVRE_STEPS_ROLE")]
    pub steps_role: Option<String>,

    /// Seconds that the clean-up after a killed run may take.
    #[arg(long, env = "DVRE_CLEAN_UP_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=3600))]
    pub clean_up_seconds: i64,

    /// A `streamflow.yml` whose deployments and policies every run has that brings none of its own.
    #[arg(long, env = "DVRE_STREAMFLOW_CONFIG")]
    pub streamflow_config: Option<ConfigFile>,

    /// StreamFlow's own schema of that file, as `streamflow schema v1.0` prints it.
    #[arg(
        long,
        env = "DVRE_STREAMFLOW_SCHEMA",
        default_value = "/usr/share/dvre/streamflow-schema.json"
    )]
    pub streamflow_schema: SchemaFile,
}

/// Names and values.
pub type Map = BTreeMap<String, String>;

fn parse_map(text: &str) -> Result<Map, String> {
    serde_json::from_str(text)
        .map_err(|error| format!(r#"must be JSON such as {{"NAME":"value"}}: {error}"#))
}

impl DeploymentSettings {
    /// Requests and limits of a step's pod.
    #[must_use]
    pub fn step_resources(&self, own: Option<&ResourceRequirements>) -> ResourceRequirements {
        resources::merged(&self.kubernetes_resources, own)
    }
}
