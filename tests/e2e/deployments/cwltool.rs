//! The fallback engine, asked for outright and when StreamFlow is not available.

use dvre_operator::api::Reason;
use serde_json::json;

use super::Place;
use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, succeeded_with};

fn cwltool(spec: serde_json::Value) -> Place {
    Place {
        spec,
        engine: "cwltool",
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cwltool_works_in_the_runner() {
    let sandbox = Sandbox::new("cwltool").await;
    cwltool(json!({"engine": "Cwltool"})).works(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cwltool_works_with_docker() {
    let sandbox = Sandbox::privileged("cwltool-docker").await;
    let place = cwltool(json!({"engine": "Cwltool", "deployment": "docker"}));
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
async fn cwltool_is_deleted() {
    let sandbox = Sandbox::new("cwltool-del").await;
    cwltool(json!({"engine": "Cwltool"}))
        .is_deleted(&sandbox)
        .await;
}

/// A runner without StreamFlow.
const BROKEN: &str = "docker.io/dvre/runner-broken:dev";

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cwltool_takes_over_where_streamflow_is_not_available() {
    let sandbox = Sandbox::new("fallback").await;
    let place = cwltool(json!({"runner": {"image": BROKEN}}));
    let run = sandbox
        .run_spec("fallback", place.example("three-steps"))
        .await;
    let status = succeeded_with(&run, "cwltool");
    assert_text(
        output(status, "counts"),
        "      2 apple\n      1 fig\n      3 pear\n",
    );
    let message = status.message.as_deref().unwrap_or_default();
    assert!(message.contains("StreamFlow is not available"), "{message}");
    let event = sandbox.event(&run, "EngineFallback").await;
    assert!(event.message.unwrap().contains("cwltool"));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn there_is_no_fallback_for_pods_nor_for_who_wants_none() {
    let sandbox = Sandbox::new("no-fallback").await;
    let pods = Place::new(json!({"runner": {"image": BROKEN}, "deployment": "kubernetes"}));
    let only = Place::new(json!({"runner": {"image": BROKEN}, "engine": "StreamFlow"}));
    let (pods, only) = tokio::join!(
        sandbox.run_spec("pods", pods.shell("true")),
        sandbox.run_spec("only", only.shell("true")),
    );
    failed(
        &pods,
        Reason::DeploymentFailed,
        &["StreamFlow is not available", "no fallback", "kubernetes"],
    );
    failed(
        &only,
        Reason::DeploymentFailed,
        &["StreamFlow is not available"],
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cwltool_is_no_answer_for_pods() {
    let sandbox = Sandbox::new("cwltool-no").await;
    let spec = cwltool(json!({"engine": "Cwltool", "deployment": "kubernetes"})).shell("true");
    let run = sandbox.run_spec("pods", spec).await;
    failed(&run, Reason::InvalidDeployment, &["cwltool", "kubernetes"]);
}
