//! Containers of a Docker daemon beside the runner.

use dvre_operator::api::Reason;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::Place;
use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, succeeded};

fn docker() -> Place {
    Place::new(json!({"deployment": "docker"}))
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn docker_works() {
    let sandbox = Sandbox::privileged("docker").await;
    docker().works(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn docker_is_deleted() {
    let sandbox = Sandbox::privileged("docker-del").await;
    docker().is_deleted(&sandbox).await;
}

/// Prints what the presets say, as a step sees it.
const LOOK: &str = "echo \"$(hostname) $DVRE_ENV $PYTHONPATH\"; python --version | cut -c 1-8; cat /etc/mark 2>/dev/null || true";

fn look(docker: &Value, hint: &Value) -> Value {
    let mut spec = json!({
        "cwl": {
            "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": ["sh", "-c", LOOK],
            "hints": hint, "inputs": {}, "outputs": {"seen": "stdout"}, "stdout": "seen.txt",
        },
        "deployment": "docker",
    });
    if !docker.is_null() {
        spec["deployments"] = json!([{"name": "docker", "docker": docker}]);
    }
    spec
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn docker_has_the_presets_and_changes_of_them() {
    let sandbox = Sandbox::privileged("docker-preset").await;
    let place = docker();
    let own = json!({"hostname": "mine", "workdir": "/scratch", "env": [{"name": "DVRE_ENV", "value": "it's $HOME \"here\""}]});
    let docker_hint =
        json!({"DockerRequirement": {"dockerPull": "docker.io/library/python:3.9-slim"}});
    let preset = look(&Value::Null, &json!({}));
    let (preset, changed, hinted) = tokio::join!(
        sandbox.run_spec("preset", place.with(preset)),
        sandbox.run_spec("changed", look(&own, &json!({}))),
        sandbox.run_spec("hinted", look(&own, &docker_hint)),
    );
    assert_text(
        output(succeeded(&preset), "seen"),
        "dvre-docker-worker docker /opt/dvre\nPython 3\n",
    );
    for run in [changed, hinted] {
        assert_text(
            output(succeeded(&run), "seen"),
            "mine it's $HOME \"here\" /opt/dvre\nPython 3\n",
        );
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn docker_names_an_image_that_is_not_there() {
    let sandbox = Sandbox::privileged("docker-pull").await;
    let hint = json!({"DockerRequirement": {"dockerPull": "docker.io/dvre/nothing:1"}});
    let run = sandbox.run_spec("pull", look(&Value::Null, &hint)).await;
    let parts = ["the container of a DockerRequirement: image docker.io/dvre/nothing:1"];
    failed(&run, Reason::ImagePullFailed, &parts);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_namespace_that_forbids_privileges_says_so() {
    let sandbox = Sandbox::new("docker-psa").await;
    sandbox.submit_spec("psa", docker().shell("true")).await;
    let run = sandbox.says("psa", Reason::ChildRefused).await;
    let message = run.status.unwrap().message.unwrap_or_default();
    assert!(message.contains("privileged"), "{message}");
    let jobs = sandbox.list::<Job>(&kube::api::ListParams::default()).await;
    assert_eq!(jobs.len(), 1);
}
