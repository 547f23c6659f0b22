//! The Job that cleans up what a killed run left outside of the cluster: Slurm jobs, folders and
//! processes on hosts, containers on a Docker daemon elsewhere.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Container, PodSpec, PodTemplateSpec, ResourceRequirements, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::parts::{Parts, restricted, restricted_pod, variable};
use super::volumes::{empty_dir, mount};
use super::{docker, ssh};
use crate::api::runner::RunnerSettings;
use crate::api::targets::{DockerTarget, SshTarget};
use crate::names;
use crate::runner::run_file::Leftover;
use crate::settings::RunSettings;

/// The image's command for it; it reads what is left from its environment.
const COMMAND: [&str; 2] = ["/usr/local/bin/dvre-leftovers", "clean"];
/// Variable with what is left, as JSON.
const LEFTOVERS: &str = "DVRE_LEFTOVERS";
/// Seconds after its end when the Job goes by itself.
const TTL_SECONDS: i32 = 300;
/// How often it is tried again.
const RETRIES: i32 = 2;

/// What the Job needs to know.
pub struct CleanUp<'a> {
    /// Namespace of the resource.
    pub namespace: &'a str,
    /// Name of the resource.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// Number of the attempt.
    pub attempt: i32,
    /// What may be left.
    pub leftovers: &'a [Leftover],
    /// The ssh hosts of the run.
    pub hosts: &'a [SshTarget],
    /// The Docker daemon elsewhere.
    pub docker: Option<&'a DockerTarget>,
    /// Settings of the runner's pod.
    pub runner: Option<&'a RunnerSettings>,
    /// What the operator decides.
    pub settings: &'a RunSettings,
}

/// The Job. The resource does not own it, or a deletion that takes what it owns along first would take
/// this, too.
#[must_use]
pub fn job(clean: &CleanUp<'_>) -> Job {
    let labels = names::labels(clean.name, clean.uid, "clean-up");
    let annotations = [(names::WORKFLOW.to_owned(), clean.name.to_owned())];
    let metadata = ObjectMeta {
        labels: Some(labels),
        annotations: Some(annotations.into()),
        ..ObjectMeta::default()
    };
    Job {
        metadata: ObjectMeta {
            name: Some(names::clean_up(clean.name, clean.uid, clean.attempt)),
            namespace: Some(clean.namespace.to_owned()),
            ..metadata.clone()
        },
        spec: Some(JobSpec {
            active_deadline_seconds: Some(clean.settings.deployments.clean_up_seconds),
            backoff_limit: Some(RETRIES),
            ttl_seconds_after_finished: Some(TTL_SECONDS),
            template: PodTemplateSpec {
                metadata: Some(metadata),
                spec: Some(pod(clean)),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Little, but said: a namespace with a quota demands it.
fn resources() -> ResourceRequirements {
    let quantities = |cpu: &str, memory: &str| {
        let quantity = |text: &str| Quantity(text.to_owned());
        let pairs = [("cpu", quantity(cpu)), ("memory", quantity(memory))];
        Some(
            pairs
                .map(|(name, quantity)| (name.to_owned(), quantity))
                .into(),
        )
    };
    ResourceRequirements {
        requests: quantities("20m", "64Mi"),
        limits: quantities("500m", "256Mi"),
        ..ResourceRequirements::default()
    }
}

fn pod(clean: &CleanUp<'_>) -> PodSpec {
    let mut parts = Parts::default();
    ssh::add_hosts(clean.hosts, &mut parts);
    if let Some(target) = clean.docker {
        let secret = target.tls_secret_ref.as_ref();
        let host = target.host.as_deref().unwrap_or_default();
        docker::external(host, secret.map(|secret| secret.name.as_str()), &mut parts);
    }
    // Plain structs with string keys always serialise.
    let left = serde_json::to_string(clean.leftovers).unwrap_or_default();
    parts.env.push(variable(LEFTOVERS, &left));
    parts.env.push(variable("HOME", "/tmp"));
    parts.volumes.push((
        empty_dir("tmp", "64Mi", None),
        vec![mount("tmp", "/tmp", false)],
    ));
    let (volumes, mounts): (Vec<_>, Vec<_>) = parts.volumes.into_iter().unzip();
    let runner = clean.runner.cloned().unwrap_or_default();
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(restricted_pod()),
        node_selector: (!runner.node_selector.is_empty()).then_some(runner.node_selector),
        tolerations: (!runner.tolerations.is_empty()).then_some(runner.tolerations),
        image_pull_secrets: (!runner.image_pull_secrets.is_empty())
            .then_some(runner.image_pull_secrets),
        containers: vec![Container {
            name: "clean-up".to_owned(),
            image: Some(
                runner
                    .image
                    .unwrap_or_else(|| clean.settings.runner_image.clone()),
            ),
            image_pull_policy: Some(clean.settings.runner_image_pull_policy.clone()),
            command: Some(COMMAND.map(str::to_owned).into()),
            env: Some(parts.env),
            resources: Some(resources()),
            security_context: Some(SecurityContext {
                read_only_root_filesystem: Some(true),
                ..restricted()
            }),
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            volume_mounts: Some(mounts.into_iter().flatten().collect()),
            ..Container::default()
        }],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}
