//! One workflow on several places, with files that move between them.

use dvre_operator::api::Reason;
use serde_json::{Value, json};

use super::Place;
use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, succeeded};

/// Steps on places that are named in pairs.
fn bound(bindings: &[(&str, &str)]) -> Place {
    let bindings: Vec<Value> = bindings
        .iter()
        .map(|(step, deployment)| json!({"step": step, "deployment": deployment}))
        .collect();
    Place::new(json!({"deployment": "local", "bindings": bindings}))
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn files_move_between_local_docker_and_pods() {
    let sandbox = Sandbox::privileged("hybrid").await;
    let place = bound(&[("/sort", "docker"), ("/count", "kubernetes")]);
    let run = sandbox
        .run_spec("hybrid", place.example("three-steps"))
        .await;
    let status = succeeded(&run);
    assert_text(
        output(status, "counts"),
        "      2 apple\n      1 fig\n      3 pear\n",
    );
    assert_eq!(status.progress.as_deref(), Some("3/3"));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn unknown_steps_and_deployments_are_refused_with_the_known_ones() {
    let sandbox = Sandbox::new("hybrid-no").await;
    let (step, target) = (bound(&[("/srot", "docker")]), bound(&[("/sort", "dokcer")]));
    let step = sandbox.run_spec("step", step.example("three-steps")).await;
    failed(
        &step,
        Reason::InvalidDeployment,
        &["/srot", "/count, /sort, /write"],
    );
    let target = sandbox
        .run_spec("target", target.example("three-steps"))
        .await;
    failed(
        &target,
        Reason::InvalidDeployment,
        &["dokcer", "docker, kubernetes, local, singularity"],
    );
}
