//! Runs whose runner is taken away, and runs that are deleted.

use std::time::{Duration, Instant};

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use dvre_operator::names;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{DeleteParams, EvictParams};

use crate::sandbox::{Sandbox, reason};
use crate::verdict::{failed, ran_once, succeeded};
use crate::{OPERATOR, shell};

/// A run that goes on until somebody stops it, and is not tried again.
async fn running(purpose: &str) -> (Sandbox, Pod) {
    let sandbox = Sandbox::new(purpose).await;
    let once = "retry: {policy: Never}";
    let spec = shell("sleep 3600") + once;
    sandbox.submit(purpose, &spec).await;
    sandbox.reaches(purpose, Phase::Running).await;
    let pod = sandbox.pod(purpose, "the runner's pod", |_| true).await;
    (sandbox, pod)
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_job_that_is_deleted() {
    let (sandbox, _) = running("job-deleted").await;
    sandbox
        .api::<Job>()
        .delete("job-deleted-1", &DeleteParams::background())
        .await
        .unwrap();
    let run = sandbox.finished("job-deleted").await;
    let status = failed(&run, Reason::RunnerLost, &["Job"]);
    assert!(status.start_time.is_some());
    assert_eq!(
        sandbox.children::<Job>(&run).await,
        [""; 0],
        "a run is never started twice"
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_pod_that_is_deleted() {
    let (sandbox, pod) = running("pod-deleted").await;
    sandbox
        .api::<Pod>()
        .delete(&pod.name_any(), &DeleteParams::default())
        .await
        .unwrap();
    let run = sandbox.finished("pod-deleted").await;
    let wanted = reason(&run).filter(|reason| *reason == Reason::Evicted);
    failed(&run, wanted.unwrap_or(Reason::RunnerLost), &["runner"]);
    assert_eq!(sandbox.children::<Job>(&run).await, ["pod-deleted-1"]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_pod_that_is_evicted() {
    let (sandbox, pod) = running("pod-evicted").await;
    let _there = OPERATOR.read().await;
    sandbox
        .api::<Pod>()
        .evict(&pod.name_any(), &EvictParams::default())
        .await
        .unwrap();
    let run = sandbox.finished("pod-evicted").await;
    failed(&run, Reason::Evicted, &["took the runner's pod away"]);
}

/// Deletes a running resource, and checks that within 30 s nothing of it is left.
async fn deletes(purpose: &str, script: &str) {
    let sandbox = Sandbox::new(purpose).await;
    sandbox.submit(purpose, &shell(script)).await;
    sandbox.in_step(purpose).await;
    let pod = sandbox.pod(purpose, "the runner's pod", |_| true).await;
    let runs = sandbox.api::<DvreWorkflow>();
    let run = runs.get(purpose).await.unwrap();
    let map = sandbox.children::<ConfigMap>(&run).await.remove(0);
    let since = Instant::now();
    runs.delete(purpose, &DeleteParams::default())
        .await
        .unwrap();
    sandbox
        .wait(&pod.name_any(), "the pod is gone", |pod: Option<&Pod>| {
            pod.is_none()
        })
        .await;
    let job = names::job(purpose, 1);
    sandbox
        .wait(&job, "the Job is gone", |job: Option<&Job>| job.is_none())
        .await;
    sandbox
        .wait(&map, "the ConfigMap is gone", |map: Option<&ConfigMap>| {
            map.is_none()
        })
        .await;
    let taken = since.elapsed();
    assert!(
        taken < Duration::from_secs(30),
        "it took {taken:?} until nothing was left"
    );
    assert_eq!(sandbox.children::<Pod>(&run).await, [""; 0]);
    assert_eq!(
        sandbox.children::<Job>(&run).await,
        [""; 0],
        "a deleted run is not started again"
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_resource_that_is_deleted_while_it_runs() {
    deletes("deleted", "sleep 3600").await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_resource_whose_tool_does_not_want_to_end() {
    deletes(
        "stubborn",
        "trap '' TERM INT HUP; while :; do sleep 1; done",
    )
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_resource_that_is_created_anew_under_its_old_name() {
    let (sandbox, _) = running("anew").await;
    let runs = sandbox.api::<DvreWorkflow>();
    let old = runs.get("anew").await.unwrap();
    runs.delete("anew", &DeleteParams::default()).await.unwrap();
    // Children of the old one are still there, under the very names that the new one needs.
    let run = sandbox.run("anew", &shell("true")).await;
    assert_ne!(run.uid(), old.uid());
    succeeded(&run);
    ran_once(&sandbox, &run).await;
}
