//! A `streamflow.yml` of one's own.

use dvre_operator::api::Reason;
use serde_json::json;

use super::Place;
use crate::sandbox::Sandbox;
use crate::verdict::{failed, refused};

/// A place that a file describes.
async fn place(sandbox: &Sandbox, name: &str, file: &str) -> Place {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"file": file}});
    sandbox.try_apply(&map).await.unwrap();
    Place::new(json!({"streamflowFrom": {"configMapKeyRef": {"name": name, "key": "file"}}}))
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_file_of_ones_own_works() {
    let sandbox = Sandbox::new("custom").await;
    let file = "{version: v1.0, deployments: {local: {type: local, config: {}}}}";
    place(&sandbox, "mine", file).await.works(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_run_with_a_file_of_its_own_is_deleted() {
    let sandbox = Sandbox::new("custom-del").await;
    let file = "{version: v1.0, deployments: {local: {type: local, config: {}}}}";
    place(&sandbox, "mine", file)
        .await
        .is_deleted(&sandbox)
        .await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn docker_of_a_file_of_ones_own_gets_its_daemon() {
    let sandbox = Sandbox::privileged("custom-docker").await;
    let file = "
version: v1.0
workflows: {mine: {type: cwl, config: {file: x.cwl}, bindings: [{step: /sort, target: {deployment: box}}, {step: /, target: {deployment: here}}]}}
deployments:
  here: {type: local, config: {}}
  box: {type: docker, config: {image: 'busybox:1.37', hostname: mine}}
";
    let mut spec = place(&sandbox, "mine", file).await.example("three-steps");
    spec["deployment"] = json!("here");
    let run = sandbox.run_spec("three", spec).await;
    crate::verdict::succeeded(&run);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_file_that_streamflow_rejects_is_refused_in_its_words() {
    let sandbox = Sandbox::new("custom-no").await;
    let seed = "{version: v1.0, deployments: {local: {type: local, config: {workdir: /tmp/x}}}}";
    let run = sandbox
        .run_spec("seed", place(&sandbox, "seed", seed).await.shell("true"))
        .await;
    let words = "Additional properties are not allowed ('workdir' was unexpected)";
    refused(&sandbox, &run, Reason::InvalidDeployment, &[words]).await;
    let far = "{version: v1.0, deployments: {far: {type: local, config: {}}}}";
    let run = sandbox
        .run_spec("far", place(&sandbox, "far", far).await.shell("true"))
        .await;
    failed(&run, Reason::InvalidDeployment, &["local", "far"]);
}
