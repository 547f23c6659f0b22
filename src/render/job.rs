//! The runner's Job: one pod, one try. The operator alone decides about another attempt.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Container, PodSecurityContext, PodSpec, PodTemplateSpec, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::parts::{self, Parts, variable};
use super::run::Run;
use super::{shared_claims, volumes};
use crate::names::{self, RUNNER_CONTAINER};
use crate::runner::run_file::{ATTEMPT, WORK_FOLDER};
use crate::settings::resources;

/// Seconds between the runner's own deadline after SIGTERM and the kubelet's.
const GRACE_MARGIN: i64 = 10;

/// The Job of this attempt.
#[must_use]
pub fn job(run: &Run) -> Job {
    let mut labels = run.runner.pod_labels.clone();
    labels.extend(names::labels(&run.name, &run.uid, "runner"));
    let mut annotations = run.runner.pod_annotations.clone();
    annotations.insert(names::WORKFLOW.to_owned(), run.name.clone());
    let mut metadata = run.metadata(run.job_name(), "runner");
    metadata
        .labels
        .get_or_insert_default()
        .extend(run.queue.clone());
    if let Some(seconds) = run.ttl_seconds {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(names::TTL.to_owned(), seconds.to_string());
    }
    Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            completions: Some(1),
            parallelism: Some(1),
            pod_replacement_policy: Some("Failed".to_owned()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(run)),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn pod(run: &Run) -> PodSpec {
    let (mut volumes, mut mounts): (Vec<_>, Vec<_>) = volumes::volumes(run).into_iter().unzip();
    let runner = &run.runner;
    let mut parts = Parts::of(run);
    for (volume, mount) in parts.volumes.drain(..) {
        volumes.push(volume);
        mounts.extend(mount);
    }
    let account = parts.account.take();
    let mut pod = PodSpec {
        automount_service_account_token: Some(account.is_some()),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        termination_grace_period_seconds: Some(run.settings.grace_seconds + GRACE_MARGIN),
        security_context: Some(PodSecurityContext {
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            ..parts::restricted_pod()
        }),
        service_account_name: runner.service_account_name.clone().or(account),
        node_selector: some(&runner.node_selector),
        tolerations: (!runner.tolerations.is_empty()).then(|| runner.tolerations.clone()),
        affinity: runner.affinity.clone(),
        priority_class_name: runner.priority_class_name.clone(),
        image_pull_secrets: (!runner.image_pull_secrets.is_empty())
            .then(|| runner.image_pull_secrets.clone()),
        init_containers: (!parts.sidecars.is_empty()).then(|| std::mem::take(&mut parts.sidecars)),
        containers: vec![container(run, parts, mounts)],
        volumes: Some(volumes),
        ..PodSpec::default()
    };
    shared_claims::share(&mut pod);
    pod
}

fn container(run: &Run, parts: Parts, mounts: Vec<VolumeMount>) -> Container {
    let mut env = vec![
        variable("HOME", &format!("{WORK_FOLDER}/home")),
        variable("TMPDIR", "/tmp"),
    ];
    env.extend(parts.env);
    env.extend(run.runner.env.iter().cloned());
    if run.outputs.is_some() {
        env.push(variable(ATTEMPT, &run.attempt.to_string()));
    }
    Container {
        name: RUNNER_CONTAINER.to_owned(),
        image: Some(image(run, parts.image)),
        image_pull_policy: Some(run.settings.runner_image_pull_policy.clone()),
        env: Some(env),
        resources: Some(resources::more_memory(
            resources::merged(
                &run.settings.runner_resources,
                run.runner.resources.as_ref(),
            ),
            run.memory_factor,
        )),
        security_context: Some(parts.security.unwrap_or_else(|| SecurityContext {
            read_only_root_filesystem: Some(true),
            ..parts::restricted()
        })),
        // A runner that could not leave its record, for instance because it was killed, still leaves
        // the end of its log.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The runner's image: the resource's, else that of a place of steps, else the operator's.
#[must_use]
pub fn image(run: &Run, of_place: Option<String>) -> String {
    let own = run.runner.image.clone().or(of_place);
    own.unwrap_or_else(|| run.settings.runner_image.clone())
}

fn some(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}
