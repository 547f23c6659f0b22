//! Runs that are suspended, cancelled, late, tried again, queued and cleared away.

use dvre_operator::api::{DvreWorkflow, DvreWorkflowStatus, Phase, Reason};
use dvre_operator::names;
use futures::future::join_all;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::shell;
use crate::verdict::{attempts, failed, ran_once, succeeded};

/// Goes on until somebody stops it.
const ENDLESS: &str = "sleep 3600";

async fn change(sandbox: &Sandbox, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let runs = sandbox.api::<DvreWorkflow>();
    runs.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

fn status(run: &DvreWorkflow) -> &DvreWorkflowStatus {
    run.status.as_ref().unwrap()
}

/// Waits until no pod is left in the namespace.
async fn no_pods(sandbox: &Sandbox) {
    for pod in sandbox.list::<Pod>(&ListParams::default()).await {
        sandbox
            .wait(&pod.name_any(), "the pod is gone", |pod: Option<&Pod>| {
                pod.is_none()
            })
            .await;
    }
}

fn phase(run: &DvreWorkflow) -> Option<Phase> {
    status(run).phase
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn suspended_before_its_start() {
    let sandbox = Sandbox::new("held").await;
    sandbox
        .submit("held", &(shell("true") + "suspend: true"))
        .await;
    let run = sandbox.reaches("held", Phase::Suspended).await;
    assert_eq!(sandbox.children::<Job>(&run).await, [""; 0]);
    assert_eq!(status(&run).attempt, None);
    change(&sandbox, "held", json!({ "suspend": false })).await;
    let run = sandbox.finished("held").await;
    succeeded(&run);
    assert_eq!(attempts(&run), [Some(Reason::Completed)]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn suspended_while_it_runs_and_resumed() {
    let sandbox = Sandbox::new("suspended").await;
    sandbox.submit("suspended", &shell("sleep 4")).await;
    sandbox.in_step("suspended").await;
    change(&sandbox, "suspended", json!({ "suspend": true })).await;
    let run = sandbox.reaches("suspended", Phase::Suspended).await;
    assert_eq!(status(&run).attempt, Some(2));
    no_pods(&sandbox).await;
    // Asked for once more, and taken back.
    change(&sandbox, "suspended", json!({ "suspend": true })).await;
    change(&sandbox, "suspended", json!({ "suspend": null })).await;
    let run = sandbox.finished("suspended").await;
    assert_eq!(phase(&run), Some(Phase::Succeeded), "{:?}", run.status);
    assert_eq!(
        attempts(&run),
        [Some(Reason::Suspended), Some(Reason::Completed)]
    );
    assert_eq!(
        sandbox.children::<Job>(&run).await,
        ["suspended-1", "suspended-2"]
    );
    sandbox.event(&run, "Suspended").await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cancelled_while_it_runs() {
    let sandbox = Sandbox::new("cancelled").await;
    sandbox.submit("cancelled", &shell(ENDLESS)).await;
    sandbox.in_step("cancelled").await;
    change(&sandbox, "cancelled", json!({ "cancel": true })).await;
    let run = sandbox.finished("cancelled").await;
    assert_eq!(phase(&run), Some(Phase::Cancelled), "{:?}", run.status);
    assert_eq!(attempts(&run), [Some(Reason::Cancelled)]);
    sandbox
        .wait(
            "cancelled-1",
            "the Job has ended for good",
            |job: Option<&Job>| {
                let status = job.and_then(|job| job.status.as_ref());
                let conditions = status.and_then(|status| status.conditions.as_ref());
                conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Failed"))
            },
        )
        .await;
    no_pods(&sandbox).await;
    // Too late to be taken back, and to be suspended.
    change(
        &sandbox,
        "cancelled",
        json!({ "cancel": false, "suspend": true }),
    )
    .await;
    let run = sandbox
        .until("cancelled", "the change was seen", |run| {
            run.metadata.generation == Some(status(run).observed_generation)
        })
        .await;
    assert_eq!(phase(&run), Some(Phase::Cancelled));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cancelled_although_its_tool_does_not_want_to_end() {
    let sandbox = Sandbox::new("stubborn-cancel").await;
    let stubborn = "trap '' TERM INT HUP; while :; do sleep 1; done";
    sandbox.submit("stubborn-cancel", &shell(stubborn)).await;
    sandbox.in_step("stubborn-cancel").await;
    change(&sandbox, "stubborn-cancel", json!({ "cancel": true })).await;
    sandbox.reaches("stubborn-cancel", Phase::Cancelling).await;
    let run = sandbox.finished("stubborn-cancel").await;
    assert_eq!(phase(&run), Some(Phase::Cancelled), "{:?}", run.status);
    let taken = status(&run)
        .completion_time
        .as_ref()
        .unwrap()
        .0
        .duration_since(
            status(&run)
                .conditions
                .iter()
                .find(|c| c.type_ == "Accepted")
                .unwrap()
                .last_transition_time
                .0,
        );
    println!("from the runner's start to the end of a tool that does not want to: {taken}");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cancelled_while_suspended_and_before_its_start() {
    let sandbox = Sandbox::new("cancelled-early").await;
    sandbox
        .submit("held", &(shell("true") + "suspend: true"))
        .await;
    sandbox.reaches("held", Phase::Suspended).await;
    change(&sandbox, "held", json!({ "cancel": true })).await;
    sandbox
        .submit("never", &(shell("true") + "cancel: true"))
        .await;
    for name in ["held", "never"] {
        let run = sandbox.finished(name).await;
        assert_eq!(phase(&run), Some(Phase::Cancelled), "{:?}", run.status);
        assert_eq!(sandbox.children::<Job>(&run).await, [""; 0]);
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn longer_than_its_deadline() {
    let sandbox = Sandbox::new("late").await;
    let spec = shell(ENDLESS) + "activeDeadlineSeconds: 3";
    let run = sandbox.run("late", &spec).await;
    let parts = ["spec.activeDeadlineSeconds", "3 s"];
    failed(&run, Reason::DeadlineExceeded, &parts);
    assert_eq!(attempts(&run), [Some(Reason::DeadlineExceeded)]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn its_runner_is_lost_and_another_takes_over() {
    let sandbox = Sandbox::new("again").await;
    sandbox.submit("again", &shell("sleep 4")).await;
    sandbox.in_step("again").await;
    let pod = sandbox.pod("again", "the runner's pod", |_| true).await;
    let pods = sandbox.api::<Pod>();
    pods.delete(&pod.name_any(), &DeleteParams::default())
        .await
        .unwrap();
    let run = sandbox.finished("again").await;
    assert_eq!(phase(&run), Some(Phase::Succeeded), "{:?}", run.status);
    assert_eq!(
        attempts(&run),
        [Some(Reason::RunnerLost), Some(Reason::Completed)]
    );
    let first = &status(&run).attempts[0];
    assert!(
        first.message.as_ref().unwrap().contains("told to stop"),
        "{first:?}"
    );
    sandbox.event(&run, "Retrying").await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn its_job_is_deleted_and_another_takes_over() {
    let sandbox = Sandbox::new("job-again").await;
    sandbox.submit("job-again", &shell("sleep 4")).await;
    sandbox.reaches("job-again", Phase::Running).await;
    let jobs = sandbox.api::<Job>();
    jobs.delete("job-again-1", &DeleteParams::background())
        .await
        .unwrap();
    let run = sandbox.finished("job-again").await;
    assert_eq!(phase(&run), Some(Phase::Succeeded), "{:?}", run.status);
    assert_eq!(
        attempts(&run),
        [Some(Reason::RunnerLost), Some(Reason::Completed)]
    );
    assert_eq!(sandbox.children::<Job>(&run).await, ["job-again-2"]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn out_of_memory_and_given_more() {
    let sandbox = Sandbox::new("more-memory").await;
    let command = json!(["python3", "-c", "x = bytearray(400 << 20)"]);
    let spec = format!(
        "cwl: {{cwlVersion: v1.2, class: CommandLineTool, baseCommand: {command}, inputs: {{}}, outputs: {{}}}}\n\
         runner: {{resources: {{requests: {{cpu: 20m, memory: 64Mi}}, limits: {{memory: 256Mi}}}}}}\n\
         retry: {{memoryFactor: 4}}\n"
    );
    let run = sandbox.run("more-memory", &spec).await;
    assert_eq!(phase(&run), Some(Phase::Succeeded), "{:?}", run.status);
    assert_eq!(
        attempts(&run),
        [Some(Reason::OutOfMemory), Some(Reason::Completed)]
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_tool_that_fails_is_tried_again_when_that_is_asked_for() {
    let sandbox = Sandbox::new("any-failure").await;
    let spec = shell("exit 7") + "engine: Cwltool\nretry: {policy: OnAnyFailure, limit: 1}\n";
    let run = sandbox.run("any-failure", &spec).await;
    failed(&run, Reason::StepFailed, &["exit code 7"]);
    assert_eq!(
        attempts(&run),
        [Some(Reason::StepFailed), Some(Reason::StepFailed)]
    );
    let spec = shell("exit 7");
    let run = sandbox.run("tool-error", &spec).await;
    failed(&run, Reason::StepFailed, &["exit code 7"]);
    assert_eq!(attempts(&run), [Some(Reason::StepFailed)]);
}

/// Waits until nothing is left of a run but its resource, whose status is as it was.
async fn cleared(sandbox: &Sandbox, run: &DvreWorkflow) {
    let map = sandbox.children::<ConfigMap>(run).await;
    let job = names::job(&run.name_any(), 1);
    sandbox
        .wait(&job, "the Job is gone", |job: Option<&Job>| job.is_none())
        .await;
    for map in map {
        sandbox
            .wait(&map, "the ConfigMap is gone", |map: Option<&ConfigMap>| {
                map.is_none()
            })
            .await;
    }
    no_pods(sandbox).await;
    let after = sandbox.api::<DvreWorkflow>().get(&run.name_any()).await;
    let (after, before) = (after.unwrap().status.unwrap(), status(run));
    assert_eq!(
        (after.phase, &after.outputs),
        (before.phase, &before.outputs)
    );
    assert_eq!(after.attempts, before.attempts);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cleared_some_time_after_its_end() {
    let sandbox = Sandbox::new("ttl").await;
    let spec = shell("true") + "ttlSecondsAfterFinished: 1";
    let run = sandbox.run("ttl", &spec).await;
    succeeded(&run);
    cleared(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cleared_when_that_is_asked_for_after_its_end() {
    let sandbox = Sandbox::new("ttl-later").await;
    let run = sandbox.run("ttl-later", &shell("true")).await;
    succeeded(&run);
    ran_once(&sandbox, &run).await;
    let later = json!({ "ttlSecondsAfterFinished": 0 });
    change(&sandbox, "ttl-later", later).await;
    cleared(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn its_queue_takes_it_back_and_lets_it_go() {
    let sandbox = Sandbox::new("queued").await;
    let workflow = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": { "name": "queued", "labels": { "kueue.x-k8s.io/queue-name": "team" } },
        "spec": serde_yaml::from_str::<Value>(&shell("sleep 3")).unwrap(),
    });
    sandbox.try_apply(&workflow).await.unwrap();
    sandbox.in_step("queued").await;
    let jobs = sandbox.api::<Job>();
    let job = jobs.get("queued-1").await.unwrap();
    assert_eq!(job.labels()["kueue.x-k8s.io/queue-name"], "team");
    // Kueue does no more than this with a Job.
    hold(&jobs, "queued-1", true).await;
    let run = sandbox.says("queued", Reason::Queued).await;
    assert_eq!(phase(&run), Some(Phase::Pending));
    sandbox
        .wait("queued-1", "the Job has no pod", |job: Option<&Job>| {
            let status = job.and_then(|job| job.status.as_ref());
            status.is_some_and(|status| {
                status.active.unwrap_or(0) + status.terminating.unwrap_or(0) == 0
            })
        })
        .await;
    hold(&jobs, "queued-1", false).await;
    let run = sandbox.finished("queued").await;
    succeeded(&run);
    assert_eq!(attempts(&run), [Some(Reason::Completed)]);
}

/// Kueue suspends again what it has not admitted; how far the Job controller is by then is a matter of luck.
#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn what_is_cancelled_its_queue_cannot_keep() {
    let sandbox = Sandbox::new("kept").await;
    let one = async |name: String| {
        let job = format!("{name}-1");
        let is_held = |held: bool| {
            move |job: Option<&Job>| {
                let spec = job.and_then(|job| job.spec.as_ref());
                spec.is_some_and(|spec| spec.suspend == Some(held))
            }
        };
        let jobs = sandbox.api::<Job>();
        sandbox.submit(&name, &shell(ENDLESS)).await;
        sandbox.in_step(&name).await;
        hold(&jobs, &job, true).await;
        sandbox.says(&name, Reason::Queued).await;
        change(&sandbox, &name, json!({ "cancel": true })).await;
        sandbox
            .wait(&job, "the Job is let go", is_held(false))
            .await;
        hold(&jobs, &job, true).await;
        let run = sandbox.finished(&name).await;
        assert_eq!(phase(&run), Some(Phase::Cancelled), "{:?}", run.status);
        let is_over = |job: Option<&Job>| {
            let status = job.and_then(|job| job.status.as_ref());
            let conditions = status.and_then(|status| status.conditions.as_ref());
            let mut all = conditions.into_iter().flatten();
            all.any(|c| c.type_ == "Failed" && c.status == "True")
        };
        sandbox.wait(&job, "the Job has failed", is_over).await;
    };
    join_all((0..3).map(|number| one(format!("kept-{number}")))).await;
}

async fn hold(jobs: &Api<Job>, job: &str, held: bool) {
    let patch = Patch::Merge(json!({ "spec": { "suspend": held } }));
    let patched = jobs.patch(job, &PatchParams::default(), &patch).await;
    patched.unwrap();
}
