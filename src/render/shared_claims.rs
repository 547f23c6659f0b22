//! One volume for each claim of a pod. A kubelet waits for ever to mount a claim that a pod names twice, and a
//! run may read what another wrote to the claim that it writes to itself.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, Volume};

/// Makes all mounts of a claim use its first volume. That is read-only where all were; what a container may
/// do with a mount stays as it is.
pub fn share(pod: &mut PodSpec) {
    let mut first = BTreeMap::<String, String>::new();
    let mut renamed = BTreeMap::<String, String>::new();
    let mut writable = Vec::new();
    for volume in pod.volumes.iter().flatten() {
        let Some(claim) = &volume.persistent_volume_claim else {
            continue;
        };
        let shared = first.entry(claim.claim_name.clone());
        let shared = shared.or_insert_with(|| volume.name.clone());
        if *shared != volume.name {
            renamed.insert(volume.name.clone(), shared.clone());
        }
        if claim.read_only != Some(true) {
            writable.push(shared.clone());
        }
    }
    if renamed.is_empty() {
        return;
    }
    let volumes = pod.volumes.iter_mut().flatten();
    for volume in volumes.filter(|volume| writable.contains(&volume.name)) {
        if let Some(claim) = &mut volume.persistent_volume_claim {
            claim.read_only = None;
        }
    }
    let stays = |volume: &Volume| !renamed.contains_key(&volume.name);
    pod.volumes
        .iter_mut()
        .for_each(|volumes| volumes.retain(stays));
    let containers = pod.init_containers.iter_mut().flatten();
    for container in containers.chain(&mut pod.containers) {
        for mount in container.volume_mounts.iter_mut().flatten() {
            if let Some(shared) = renamed.get(&mount.name) {
                mount.name.clone_from(shared);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Container;

    use super::*;
    use crate::api::sources::Claim;
    use crate::render::volumes::{claim_volume, empty_dir, mount};

    #[test]
    fn a_claim_is_one_volume_however_often_it_is_mounted() {
        let claim = |name: &str| Claim {
            claim_name: name.to_owned(),
            ..Claim::default()
        };
        let (volumes, mounts): (Vec<_>, Vec<_>) = [
            (
                empty_dir("work", "1Gi", None),
                mount("work", "/work", false),
            ),
            claim_volume("volume-data", &claim("rounds"), "/data/data", true),
            claim_volume("volume-other", &claim("other"), "/data/other", true),
            claim_volume("outputs", &claim("rounds"), "/outputs", false),
        ]
        .into_iter()
        .unzip();
        let mut pod = PodSpec {
            containers: vec![Container {
                volume_mounts: Some(mounts),
                ..Container::default()
            }],
            volumes: Some(volumes),
            ..PodSpec::default()
        };
        share(&mut pod);
        let volumes: Vec<_> = pod
            .volumes
            .iter()
            .flatten()
            .map(|volume| {
                let claim = volume.persistent_volume_claim.as_ref();
                (
                    volume.name.as_str(),
                    claim.and_then(|claim| claim.read_only),
                )
            })
            .collect();
        assert_eq!(
            volumes,
            [
                ("work", None),
                ("volume-data", None),
                ("volume-other", Some(true))
            ]
        );
        let mounts = pod.containers[0].volume_mounts.iter().flatten();
        let mounts: Vec<_> = mounts
            .map(|mount| {
                (
                    mount.name.as_str(),
                    mount.mount_path.as_str(),
                    mount.read_only,
                )
            })
            .collect();
        assert_eq!(
            mounts,
            [
                ("work", "/work", None),
                ("volume-data", "/data/data", Some(true)),
                ("volume-other", "/data/other", Some(true)),
                ("volume-data", "/outputs", None),
            ]
        );
    }
}
