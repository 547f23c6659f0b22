//! The runner's Job: one pod, one try. The operator alone decides about another attempt.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, KeyToPath,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec,
    ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::config_map::{OUTPUTS_FOLDER, SECRET_FILE, SECRETS_FOLDER, is_copied, items};
use super::run::{InputLayer, Run};
use crate::api::sources::Claim;
use crate::names::{self, RUNNER_CONTAINER};
use crate::runner::run_file::{DATA_FOLDER, RUN_FOLDER, VOLUMES_FOLDER, WORK_FOLDER};

/// User and group of the runner's image.
const RUNNER_UID: i64 = 1000;
/// Seconds between the runner's own deadline after SIGTERM and the kubelet's.
const GRACE_MARGIN: i64 = 10;
/// Copied ConfigMaps and Secrets live in memory, so that no Secret reaches the node's disk.
const DATA_SIZE_LIMIT: &str = "64Mi";

/// The Job of this attempt.
#[must_use]
pub fn job(run: &Run) -> Job {
    let mut labels = run.runner.pod_labels.clone();
    labels.extend(names::labels(&run.name, &run.uid, "runner"));
    let mut annotations = run.runner.pod_annotations.clone();
    annotations.insert(names::WORKFLOW.to_owned(), run.name.clone());
    Job {
        metadata: run.metadata(run.job_name(), "runner"),
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
    let (volumes, mounts) = volumes(run).into_iter().unzip();
    let runner = &run.runner;
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        termination_grace_period_seconds: Some(run.settings.grace_seconds + GRACE_MARGIN),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(RUNNER_UID),
            run_as_group: Some(RUNNER_UID),
            fs_group: Some(RUNNER_UID),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        service_account_name: runner.service_account_name.clone(),
        node_selector: some(&runner.node_selector),
        tolerations: (!runner.tolerations.is_empty()).then(|| runner.tolerations.clone()),
        affinity: runner.affinity.clone(),
        priority_class_name: runner.priority_class_name.clone(),
        image_pull_secrets: (!runner.image_pull_secrets.is_empty())
            .then(|| runner.image_pull_secrets.clone()),
        containers: vec![container(run, mounts)],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn container(run: &Run, mounts: Vec<VolumeMount>) -> Container {
    let mut env = vec![
        variable("HOME", &format!("{WORK_FOLDER}/home")),
        variable("TMPDIR", "/tmp"),
    ];
    env.extend(run.runner.env.iter().cloned());
    Container {
        name: RUNNER_CONTAINER.to_owned(),
        image: Some(
            run.runner
                .image
                .clone()
                .unwrap_or_else(|| run.settings.runner_image.clone()),
        ),
        image_pull_policy: Some(run.settings.runner_image_pull_policy.clone()),
        env: Some(env),
        resources: Some(resources(
            &run.settings.runner_resources,
            run.runner.resources.as_ref(),
        )),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        // A runner that could not leave its record, for instance because it was killed, still leaves
        // the end of its log.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

/// The operator's requests and limits with the resource's own over them.
fn resources(
    base: &ResourceRequirements,
    own: Option<&ResourceRequirements>,
) -> ResourceRequirements {
    let mut merged = base.clone();
    let Some(own) = own else { return merged };
    let limits = merge(merged.limits.take(), own.limits.as_ref());
    let mut requests = merge(merged.requests.take(), own.requests.as_ref());
    // A limit without a request of its own is requested whole, as Kubernetes does by itself: the
    // operator's default request might even be above it, which the API server refuses.
    for (name, limit) in own.limits.iter().flatten() {
        if !own
            .requests
            .as_ref()
            .is_some_and(|requests| requests.contains_key(name))
        {
            requests
                .get_or_insert_default()
                .insert(name.clone(), limit.clone());
        }
    }
    merged.limits = limits;
    merged.requests = requests;
    merged.claims.clone_from(&own.claims);
    merged
}

type Quantities = Option<BTreeMap<String, Quantity>>;

fn merge(base: Quantities, own: Option<&BTreeMap<String, Quantity>>) -> Quantities {
    match (base, own) {
        (base, None) => base,
        (base, Some(own)) => {
            let mut merged = base.unwrap_or_default();
            merged.extend(
                own.iter()
                    .map(|(name, quantity)| (name.clone(), quantity.clone())),
            );
            Some(merged)
        }
    }
}

fn some(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}

fn volumes(run: &Run) -> Vec<(Volume, VolumeMount)> {
    let mut volumes = vec![
        (
            config_map_volume("run", &run.config_map_name(), items(run)),
            mount("run", RUN_FOLDER, true),
        ),
        (
            empty_dir("work", &run.settings.work_size_limit, None),
            mount("work", WORK_FOLDER, false),
        ),
        (
            empty_dir("tmp", &run.settings.tmp_size_limit, None),
            mount("tmp", "/tmp", false),
        ),
    ];
    for (index, layer) in run.inputs.iter().enumerate() {
        if let InputLayer::Secret(key) = layer {
            let name = format!("inputs-{index}");
            let item = KeyToPath {
                key: key.key.clone(),
                path: SECRET_FILE.to_owned(),
                mode: None,
            };
            let mount = mount(&name, &format!("{SECRETS_FOLDER}/{index}"), true);
            volumes.push((secret_volume(&name, &key.name, Some(vec![item])), mount));
        }
    }
    if run.volumes.iter().any(is_copied) {
        let data = empty_dir("data", DATA_SIZE_LIMIT, Some("Memory"));
        volumes.push((data, mount("data", DATA_FOLDER, false)));
    }
    for volume in &run.volumes {
        let name = format!("volume-{}", volume.name);
        let copied = mount(&name, &format!("{VOLUMES_FOLDER}/{}", volume.name), true);
        if let Some(claim) = &volume.persistent_volume_claim {
            let folder = format!("{DATA_FOLDER}/{}", volume.name);
            volumes.push(claim_volume(&name, claim, &folder, true));
        } else if let Some(source) = &volume.config_map {
            volumes.push((config_map_volume(&name, &source.name, vec![]), copied));
        } else if let Some(source) = &volume.secret {
            volumes.push((secret_volume(&name, &source.name, None), copied));
        }
    }
    if let Some(claim) = &run.outputs {
        volumes.push(claim_volume("outputs", claim, OUTPUTS_FOLDER, false));
    }
    volumes
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn empty_dir(name: &str, limit: &str, medium: Option<&str>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            size_limit: Some(Quantity(limit.to_owned())),
        }),
        ..Volume::default()
    }
}

fn config_map_volume(name: &str, config_map: &str, items: Vec<KeyToPath>) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            items: (!items.is_empty()).then_some(items),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn secret_volume(name: &str, secret: &str, items: Option<Vec<KeyToPath>>) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            items,
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn claim_volume(name: &str, claim: &Claim, path: &str, read_only: bool) -> (Volume, VolumeMount) {
    let volume = Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.claim_name.clone(),
            read_only: read_only.then_some(true),
        }),
        ..Volume::default()
    };
    let mount = VolumeMount {
        sub_path: claim.sub_path.clone(),
        ..mount(name, path, read_only)
    };
    (volume, mount)
}
