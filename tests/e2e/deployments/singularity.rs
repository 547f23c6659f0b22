//! Apptainer containers in the runner's own.

use dvre_operator::api::Reason;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::Place;
use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, succeeded, succeeded_with};

fn singularity() -> Place {
    Place::new(json!({"deployment": "singularity"}))
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn singularity_works() {
    let sandbox = Sandbox::privileged("sing").await;
    singularity().works(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn singularity_is_deleted() {
    let sandbox = Sandbox::privileged("sing-del").await;
    singularity().is_deleted(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn singularity_has_its_presets_a_cache_and_other_images() {
    let sandbox = Sandbox::privileged("sing-preset").await;
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: images},
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";
    sandbox.apply(claim).await;
    let place = Place::new(json!({
        "deployment": "singularity",
        "deployments": [{"name": "singularity", "singularity": {
            "cacheClaimName": "images", "env": [{"name": "DVRE_ENV", "value": "a $b \"c\""}],
        }}],
    }));
    let mut spec = place.shell("echo \"$(hostname) $DVRE_ENV\"");
    spec["cwl"]["outputs"] = json!({"seen": "stdout"});
    let run = sandbox.run_spec("preset", spec).await;
    assert_text(
        output(succeeded(&run), "seen"),
        "dvre-singularity-worker a $b \"c\"\n",
    );
    // The second one finds the image on the claim.
    let run = sandbox
        .run_spec("again", place.example("three-steps"))
        .await;
    succeeded(&run);
}

/// Packs an image into a file on the claim `images`.
const PACKER: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: registries}
data:
  registries.conf: |
    [[registry]]
    prefix = "docker.io"
    location = "docker.io"
    [[registry.mirror]]
    location = "REGISTRY"
    insecure = true
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: images}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: packer}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1000, fsGroup: 1000}
  containers:
  - name: packer
    image: docker.io/dvre/runner-singularity:dev
    command: [singularity, pull, /images/tools.sif, 'docker://busybox:1.37']
    env: [{name: HOME, value: /tmp}]
    securityContext: {privileged: true}
    volumeMounts: [{name: images, mountPath: /images}, {name: registries, mountPath: /etc/containers}]
  volumes: [{name: images, persistentVolumeClaim: {claimName: images}}, {name: registries, configMap: {name: registries}}]
"#;

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn an_image_may_be_a_file_on_a_volume() {
    let sandbox = Sandbox::privileged("sing-sif").await;
    let registry = std::env::var("REGISTRY").unwrap_or_else(|_| "registry-1.docker.io".to_owned());
    sandbox.apply(&PACKER.replace("REGISTRY", &registry)).await;
    let packed = |pod: Option<&Pod>| {
        let status = pod.and_then(|pod| pod.status.as_ref());
        status.is_some_and(|status| status.phase.as_deref() == Some("Succeeded"))
    };
    sandbox.wait("packer", "the image is packed", packed).await;
    let place = Place::new(json!({
        "deployment": "singularity",
        "deployments": [{"name": "singularity", "singularity": {"image": "/data/images/tools.sif"}}],
        "volumes": [{"name": "images", "persistentVolumeClaim": {"claimName": "images"}}],
    }));
    let run = sandbox
        .run_spec("three", place.example("three-steps"))
        .await;
    let counts = output(succeeded(&run), "counts");
    assert_eq!(counts["contents"].as_str().unwrap().lines().count(), 3);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cwltool_works_with_singularity() {
    let sandbox = Sandbox::privileged("sing-cwltool").await;
    let place = Place {
        spec: json!({"engine": "Cwltool", "deployment": "singularity"}),
        engine: "cwltool",
    };
    let run = sandbox
        .run_spec("three", place.example("three-steps"))
        .await;
    assert_text(
        output(succeeded_with(&run, "cwltool"), "counts"),
        "      2 apple\n      1 fig\n      3 pear\n",
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn singularity_names_an_image_that_is_not_there() {
    let sandbox = Sandbox::privileged("sing-pull").await;
    let mut spec = singularity().shell("true");
    spec["cwl"]["hints"] = json!({"DockerRequirement": {"dockerPull": "docker.io/dvre/nothing:1"}});
    let run = sandbox.run_spec("pull", spec).await;
    let parts = [
        "the container of a DockerRequirement: image",
        "docker://docker.io/dvre/nothing:1",
    ];
    failed(&run, Reason::ImagePullFailed, &parts);
}
