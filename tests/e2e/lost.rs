//! Runs whose runner is taken away, and runs that are deleted.

use std::time::{Duration, Instant};

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use dvre_operator::names;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{DeleteParams, EvictParams};

use crate::sandbox::{Sandbox, reason};
use crate::verdict::failed;
use crate::{OPERATOR, shell};

/// A run that goes on until somebody stops it.
async fn running(purpose: &str) -> (Sandbox, Pod) {
    let sandbox = Sandbox::new(purpose).await;
    sandbox.submit(purpose, &shell("sleep 3600")).await;
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

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_resource_that_is_deleted_while_it_runs() {
    let (sandbox, pod) = running("deleted").await;
    let run = sandbox.api::<DvreWorkflow>().get("deleted").await.unwrap();
    let since = Instant::now();
    sandbox
        .api::<DvreWorkflow>()
        .delete("deleted", &DeleteParams::default())
        .await
        .unwrap();
    sandbox
        .wait(&pod.name_any(), "the pod is gone", |pod: Option<&Pod>| {
            pod.is_none()
        })
        .await;
    sandbox
        .wait("deleted-1", "the Job is gone", |job: Option<&Job>| {
            job.is_none()
        })
        .await;
    let map = names::config_map("deleted");
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
