//! The volumes of a run's pod, and where its containers see them.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource,
    SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::config_map::{OUTPUTS_FOLDER, SECRET_FILE, SECRETS_FOLDER, is_copied, items};
use super::run::{InputLayer, Run};
use crate::api::sources::Claim;
use crate::names::RUN_VOLUME;
use crate::runner::run_file::{DATA_FOLDER, RUN_FOLDER, VOLUMES_FOLDER, WORK_FOLDER};

/// Copied ConfigMaps and Secrets live in memory, so that no Secret reaches the node's disk.
const DATA_SIZE_LIMIT: &str = "64Mi";

/// What every run mounts.
pub fn volumes(run: &Run) -> Vec<(Volume, VolumeMount)> {
    let mut volumes = vec![
        (
            config_map_volume(RUN_VOLUME, &run.config_map, items(run)),
            mount(RUN_VOLUME, RUN_FOLDER, true),
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

/// A mount.
pub fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// A folder that lives as long as the pod.
pub fn empty_dir(name: &str, limit: &str, medium: Option<&str>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            size_limit: Some(Quantity(limit.to_owned())),
        }),
        ..Volume::default()
    }
}

/// A ConfigMap, or single keys of it.
pub fn config_map_volume(name: &str, config_map: &str, items: Vec<KeyToPath>) -> Volume {
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

/// A key of a ConfigMap or Secret as a file.
pub fn key(key: &str, path: &str) -> KeyToPath {
    KeyToPath {
        key: key.to_owned(),
        path: path.to_owned(),
        mode: None,
    }
}

/// A Secret, or single keys of it.
pub fn secret_volume(name: &str, secret: &str, items: Option<Vec<KeyToPath>>) -> Volume {
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

/// A claim, or a folder in it.
pub fn claim_volume(
    name: &str,
    claim: &Claim,
    path: &str,
    read_only: bool,
) -> (Volume, VolumeMount) {
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
