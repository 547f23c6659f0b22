//! Runs that do not start: status says why while they wait, and why in the end.

use dvre_operator::api::{Phase, Reason};
use k8s_openapi::api::batch::v1::Job;

use crate::sandbox::Sandbox;
use crate::verdict::{failed, told_once};
use crate::{OPERATOR, shell};

/// A run whose pod can go to any node that has room, with further settings of the pod.
fn runner(settings: &str) -> String {
    shell("true").replace("runner: {", &format!("runner: {{{settings}, "))
}

/// Submits a run that cannot start within its deadline: status gives the cause while it waits, and
/// the same cause at the end.
async fn does_not_start(sandbox: &Sandbox, name: &str, spec: &str, reason: Reason, parts: &[&str]) {
    let _there = OPERATOR.read().await;
    sandbox.submit(name, spec).await;
    let waiting = sandbox.says(name, reason).await;
    assert_eq!(
        waiting.status.unwrap_or_default().phase,
        Some(Phase::Starting)
    );
    let run = sandbox.finished(name).await;
    let status = failed(&run, reason, parts);
    assert_eq!(status.start_time, None, "it never ran");
    told_once(sandbox, &run, &["RunnerJobCreated", reason.as_str()]).await;
    // Nothing is left that would still start.
    let is_stopped = |job: Option<&Job>| {
        job.is_some_and(|job| {
            job.status
                .as_ref()
                .is_some_and(|status| status.active.unwrap_or(0) == 0)
        })
    };
    sandbox
        .wait(&format!("{name}-1"), "the Job has no pod", is_stopped)
        .await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn an_image_that_cannot_be_pulled() {
    let sandbox = Sandbox::new("no-image").await;
    let spec = runner("image: 'docker.io/dvre/no-such-image:never'") + "startDeadlineSeconds: 8";
    let parts = [
        "did not start within 8 s",
        "docker.io/dvre/no-such-image:never",
    ];
    does_not_start(&sandbox, "no-image", &spec, Reason::ImagePullFailed, &parts).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_node_that_does_not_exist() {
    let sandbox = Sandbox::new("no-node").await;
    let spec = runner("nodeSelector: {dvre.io/e2e: nowhere}") + "startDeadlineSeconds: 8";
    let parts = ["did not start within 8 s", "nodes are available"];
    does_not_start(&sandbox, "no-node", &spec, Reason::Unschedulable, &parts).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_quota_without_room() {
    let sandbox = Sandbox::new("no-quota").await;
    sandbox
        .apply(
            "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: 0}}, \
             status: {hard: {pods: 0}, used: {pods: 0}}}",
        )
        .await;
    let spec = shell("true") + "startDeadlineSeconds: 12";
    let parts = ["did not start within 12 s", "exceeded quota"];
    does_not_start(&sandbox, "no-quota", &spec, Reason::QuotaExceeded, &parts).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_secret_that_does_not_exist() {
    let sandbox = Sandbox::new("no-secret").await;
    let spec = shell("true")
        + "startDeadlineSeconds: 12\n\
           inputsFrom: [{secretKeyRef: {name: never-created, key: inputs.yaml}}]";
    let parts = ["did not start within 12 s", "never-created"];
    does_not_start(&sandbox, "no-secret", &spec, Reason::RunnerNotReady, &parts).await;
}
