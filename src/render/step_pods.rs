//! The manifests of step pods. The runner's engine creates them: what only the running Job knows, its
//! name and uid, is put in by `dvre-runner`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::network_policy::ISOLATED;
use super::parts::{restricted, restricted_pod};
use super::placement::Pods;
use super::run::Run;
use super::volumes::{empty_dir, mount};
use crate::names;
use crate::runner::run_file::{JOB_NAME, JOB_UID};

/// Working folder of the engine in step pods.
pub const FOLDER: &str = "/tmp/streamflow";
/// Seconds between the end that a pod is asked for and the one it gets: nothing in it has to be saved.
const GRACE_SECONDS: i64 = 1;

/// Name of the container of one sort of pods. The engine looks for it, so it is the run's own.
#[must_use]
pub fn container_name(run: &Run, pods: &Pods) -> String {
    format!("{}-{}", names::outside(&run.uid), pods.number)
}

/// The pods of one sort, as YAML documents.
#[must_use]
pub fn manifests(run: &Run, pods: &Pods) -> String {
    let mut text = String::new();
    for replica in 0..pods.replicas {
        text.push_str("---\n");
        // Plain structs with string keys always serialise.
        text.push_str(&serde_yaml::to_string(&pod(run, pods, replica)).unwrap_or_default());
    }
    text
}

fn pod(run: &Run, pods: &Pods, replica: i32) -> Pod {
    Pod {
        metadata: ObjectMeta {
            name: Some(format!("$({JOB_NAME})-{}-{replica}", pods.number)),
            labels: Some(labels(run, pods)),
            annotations: Some([("dvre.io/step".to_owned(), pods.step.clone())].into()),
            owner_references: Some(vec![OwnerReference {
                api_version: "batch/v1".to_owned(),
                kind: "Job".to_owned(),
                name: format!("$({JOB_NAME})"),
                uid: format!("$({JOB_UID})"),
                // Not its controller: the Job would count the pod among its own.
                controller: Some(false),
                block_owner_deletion: Some(false),
            }]),
            ..ObjectMeta::default()
        },
        spec: Some(spec(run, pods)),
        ..Pod::default()
    }
}

/// Other than those of the runner, so that the operator does not watch step pods.
fn labels(run: &Run, pods: &Pods) -> BTreeMap<String, String> {
    let mut labels = names::labels(&run.name, &run.uid, "step");
    let mut set = |name: &str, value: String| labels.insert(name.to_owned(), value);
    set("app.kubernetes.io/managed-by", "dvre-runner".to_owned());
    set(names::STEPS, container_name(run, pods));
    let network = if pods.network { "full" } else { ISOLATED };
    set(names::NETWORK, network.to_owned());
    labels.extend(run.queue.clone());
    labels
}

fn spec(run: &Run, pods: &Pods) -> PodSpec {
    PodSpec {
        automount_service_account_token: Some(pods.service_account.is_some()),
        service_account_name: pods.service_account.clone(),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(restricted_pod()),
        node_selector: (!pods.node_selector.is_empty()).then(|| pods.node_selector.clone()),
        tolerations: (!pods.tolerations.is_empty()).then(|| pods.tolerations.clone()),
        image_pull_secrets: (!pods.pull_secrets.is_empty()).then(|| pods.pull_secrets.clone()),
        priority_class_name: run.runner.priority_class_name.clone(),
        containers: vec![Container {
            name: container_name(run, pods),
            image: Some(pods.image.clone()),
            // The engine runs the steps in it, one after another.
            command: Some(vec!["sleep".to_owned(), "infinity".to_owned()]),
            resources: Some(pods.resources.clone()),
            security_context: Some(restricted()),
            volume_mounts: Some(vec![mount("work", FOLDER, false)]),
            ..Container::default()
        }],
        volumes: Some(vec![empty_dir("work", &run.settings.work_size_limit, None)]),
        ..PodSpec::default()
    }
}
