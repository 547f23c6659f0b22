//! One volume for each claim of a pod: for a second one of the same claim a kubelet waits for ever
//! (kubernetes/kubernetes#132921), as when a run keeps its outputs where its inputs are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, Volume};

/// Leaves the first volume of each claim, and lets all mounts use it. Which of them may write is
/// said by each mount.
pub fn share(pod: &mut PodSpec) {
    let mut kept: Vec<Volume> = Vec::new();
    let mut replaced = BTreeMap::new();
    for volume in pod.volumes.take().unwrap_or_default() {
        match kept.iter_mut().find(|first| same_claim(first, &volume)) {
            None => kept.push(volume),
            Some(first) => {
                if let Some(claim) = &mut first.persistent_volume_claim {
                    let second = volume.persistent_volume_claim;
                    claim.read_only = claim
                        .read_only
                        .and(second.and_then(|claim| claim.read_only));
                }
                replaced.insert(volume.name, first.name.clone());
            }
        }
    }
    pod.volumes = Some(kept);
    let inits = pod.init_containers.iter_mut().flatten();
    for container in inits.chain(&mut pod.containers) {
        for mount in container.volume_mounts.iter_mut().flatten() {
            if let Some(name) = replaced.get(&mount.name) {
                mount.name.clone_from(name);
            }
        }
    }
}

fn same_claim(one: &Volume, other: &Volume) -> bool {
    match (&one.persistent_volume_claim, &other.persistent_volume_claim) {
        (Some(one), Some(other)) => one.claim_name == other.claim_name,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(read_only: &Value) -> PodSpec {
        serde_json::from_value(json!({
            "volumes": [
                {"name": "work", "emptyDir": {}},
                {"name": "before", "persistentVolumeClaim": {"claimName": "rounds", "readOnly": true}},
                {"name": "reads", "persistentVolumeClaim": {"claimName": "reads", "readOnly": true}},
                {"name": "outputs", "persistentVolumeClaim": {"claimName": "rounds", "readOnly": read_only}},
            ],
            "initContainers": [
                {"name": "daemon", "volumeMounts": [{"name": "outputs", "mountPath": "/outputs"}]},
            ],
            "containers": [
                {"name": "runner", "volumeMounts": [
                    {"name": "before", "mountPath": "/data/before", "subPath": "1", "readOnly": true},
                    {"name": "outputs", "mountPath": "/outputs", "subPath": "2"},
                    {"name": "reads", "mountPath": "/data/reads", "readOnly": true},
                ]},
            ],
        }))
        .unwrap()
    }

    #[test]
    fn claims_are_shared() {
        let mut pod = pod(&Value::Null);
        share(&mut pod);
        let pod = serde_json::to_value(pod).unwrap();
        assert_eq!(
            pod["volumes"],
            json!([
                {"name": "work", "emptyDir": {}},
                {"name": "before", "persistentVolumeClaim": {"claimName": "rounds"}},
                {"name": "reads", "persistentVolumeClaim": {"claimName": "reads", "readOnly": true}},
            ])
        );
        assert_eq!(
            pod["initContainers"][0]["volumeMounts"],
            json!([{"name": "before", "mountPath": "/outputs"}])
        );
        assert_eq!(
            pod["containers"][0]["volumeMounts"],
            json!([
                {"name": "before", "mountPath": "/data/before", "subPath": "1", "readOnly": true},
                {"name": "before", "mountPath": "/outputs", "subPath": "2"},
                {"name": "reads", "mountPath": "/data/reads", "readOnly": true},
            ])
        );
    }

    #[test]
    fn a_claim_that_nobody_writes_stays_read_only() {
        let mut pod = pod(&json!(true));
        share(&mut pod);
        let volumes = serde_json::to_value(pod.volumes).unwrap();
        assert_eq!(volumes[1]["persistentVolumeClaim"]["readOnly"], true);
    }
}
