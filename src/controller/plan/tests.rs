use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::DvreWorkflow;
use crate::controller::fixtures::{ended, hello, job, observed, runner, with_pod, workflow};

const SUCCEEDED: &str = r#"{"version":1,"phase":"Succeeded","reason":"Completed","message":"1 step completed in 1.2 s"}"#;
const STEP_FAILED: &str = r#"{"version":1,"phase":"Failed","reason":"StepFailed","message":"step /b failed with exit code 7: boom","failedStep":"/b","exitCode":7}"#;
const STOPPED: &str =
    r#"{"version":1,"phase":"Cancelled","reason":"Cancelled","message":"stopped"}"#;

fn waiting(reason: &str, message: &str) -> Value {
    runner(&json!({"waiting": {"reason": reason, "message": message}}))
}

fn running() -> Value {
    runner(&json!({"running": {"startedAt": "2026-01-01T00:00:02Z"}}))
}

fn evicted() -> Value {
    json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."})
}

fn drained(mut status: Value) -> Value {
    status["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}]);
    status
}

fn unschedulable() -> Value {
    json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    ]})
}

/// A resource whose first attempt is the only one.
fn once() -> DvreWorkflow {
    let mut workflow = hello();
    workflow.spec.retry = serde_json::from_value(json!({"policy": "Never"})).unwrap();
    workflow
}

#[test]
fn a_new_resource_is_launched() {
    let workflow = hello();
    let Plan::Launch(run) = plan(&observed(&workflow, 0)) else {
        panic!("not launched")
    };
    assert_eq!((run.job_name().as_str(), run.attempt), ("hello-1", 1));
}

#[rstest]
#[case::being_deleted(json!({}), true)]
#[case::succeeded(json!({"phase": "Succeeded"}), false)]
#[case::failed(json!({"phase": "Failed"}), false)]
#[case::cancelled(json!({"phase": "Cancelled"}), false)]
fn what_is_over_is_left_alone(#[case] status: Value, #[case] deleting: bool) {
    let workflow = hello();
    let mut observed = with_pod(&workflow, 1, Some(ended(1, "Error", STEP_FAILED)));
    observed.status = serde_json::from_value(status).unwrap();
    observed.deleting = deleting;
    assert!(matches!(plan(&observed), Plan::Done));
}

#[rstest]
#[case::succeeded(
    ended(0, "Completed", SUCCEEDED),
    Phase::Succeeded,
    Reason::Completed,
    "1 step completed"
)]
#[case::step(
    ended(1, "Error", STEP_FAILED),
    Phase::Failed,
    Reason::StepFailed,
    "exit code 7: boom"
)]
#[case::newer_reason(ended(1, "Error", &STEP_FAILED.replace("StepFailed", "Later")), Phase::Failed, Reason::InternalError, "boom")]
#[case::stopped(
    ended(143, "Error", STOPPED),
    Phase::Failed,
    Reason::RunnerLost,
    "told to stop"
)]
#[case::drained(
    drained(ended(143, "Error", STOPPED)),
    Phase::Failed,
    Reason::Evicted,
    "evicting"
)]
#[case::killed(
    ended(137, "Error", ""),
    Phase::Failed,
    Reason::RunnerLost,
    "exit code 137"
)]
#[case::out_of_memory(
    ended(137, "OOMKilled", ""),
    Phase::Failed,
    Reason::OutOfMemory,
    "limits.memory"
)]
#[case::no_record(
    ended(1, "Error", "some log"),
    Phase::Failed,
    Reason::InternalError,
    "some log"
)]
#[case::evicted(evicted(), Phase::Failed, Reason::Evicted, "low on resource")]
#[case::failed_before_it_ran(json!({"phase": "Failed", "message": "Pod was rejected"}), Phase::Failed, Reason::RunnerLost, "rejected")]
fn an_ended_pod_ends_the_run(
    #[case] status: Value,
    #[case] phase: Phase,
    #[case] reason: Reason,
    #[case] message: &str,
) {
    let workflow = once();
    let Plan::Finish(ending) = plan(&with_pod(&workflow, 5, Some(status))) else {
        panic!("not over")
    };
    assert_eq!((ending.phase, ending.reason), (phase, reason));
    assert!(ending.message.contains(message), "{}", ending.message);
}

#[rstest]
#[case::just_created(1, None, Reason::Starting, true)]
#[case::still_no_pod(6, None, Reason::Starting, false)]
#[case::slow(6, Some(waiting("ContainerCreating", "")), Reason::Starting, false)]
#[case::quick(2, Some(waiting("ContainerCreating", "")), Reason::Starting, true)]
#[case::no_image(
    2,
    Some(waiting("ErrImagePull", "not found")),
    Reason::ImagePullFailed,
    false
)]
#[case::bad_image(
    2,
    Some(waiting("InvalidImageName", "x")),
    Reason::ImagePullFailed,
    false
)]
#[case::config(
    2,
    Some(waiting("CreateContainerConfigError", "secret \"s\" not found")),
    Reason::RunnerNotReady,
    false
)]
#[case::no_node(2, Some(unschedulable()), Reason::Unschedulable, false)]
#[case::running(2, Some(running()), Reason::Running, false)]
fn a_start_is_followed(
    #[case] age: i64,
    #[case] status: Option<Value>,
    #[case] reason: Reason,
    #[case] quiet: bool,
) {
    let workflow = hello();
    let Plan::Follow(view) = plan(&with_pod(&workflow, age, status)) else {
        panic!("not followed")
    };
    assert_eq!((view.reason, view.quiet), (reason, quiet));
}

#[test]
fn the_message_is_the_same_whether_the_kubelet_tries_or_waits() {
    let workflow = hello();
    let error = "failed to pull and unpack image: not found";
    let back_off = format!(r#"Back-off pulling image "x:y": ErrImagePull: {error}"#);
    let message = |status| match plan(&with_pod(&workflow, 2, Some(status))) {
        Plan::Follow(view) => view.message,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        message(waiting("ErrImagePull", error)),
        message(waiting("ImagePullBackOff", &back_off))
    );
}

#[rstest]
#[case::image(Some(waiting("ErrImagePull", "not found")), Reason::ImagePullFailed)]
#[case::node(Some(unschedulable()), Reason::Unschedulable)]
#[case::unknown(None, Reason::StartDeadlineExceeded)]
fn a_start_that_takes_too_long_is_stopped_with_its_cause(
    #[case] status: Option<Value>,
    #[case] reason: Reason,
) {
    let mut workflow = hello();
    workflow.spec.start_deadline_seconds = Some(10);
    let Plan::Stop(stopped) = plan(&with_pod(&workflow, 10, status)) else {
        panic!("not stopped")
    };
    assert_eq!((stopped.phase, stopped.reason), (Phase::Failed, reason));
    assert!(
        stopped.message.contains("within 10 s"),
        "{}",
        stopped.message
    );
}

#[test]
fn a_stop_survives_a_restart_of_the_operator() {
    let workflow = hello();
    let stopped = Stopped {
        phase: Phase::Failed,
        reason: Reason::ImagePullFailed,
        message: "m".to_owned(),
    };
    let patch = stopped.patch(&job(json!({})));
    let mut observed = with_pod(&workflow, 20, Some(waiting("ErrImagePull", "not found")));
    observed.job = JobState::Live(std::sync::Arc::new(job(patch)));
    assert!(
        matches!(plan(&observed), Plan::Follow(_)),
        "the pod is still there"
    );
    observed.pod = None;
    assert!(
        matches!(plan(&observed), Plan::Follow(_)),
        "a pod may just have been made"
    );
    let mut ended = job(stopped.patch(&job(json!({}))));
    ended.status =
        serde_json::from_value(json!({"conditions": [{"type": "Failed", "status": "True"}]}))
            .unwrap();
    observed.job = JobState::Live(std::sync::Arc::new(ended));
    let Plan::Finish(ending) = plan(&observed) else {
        panic!("not over")
    };
    assert_eq!(
        (ending.reason, ending.message.as_str()),
        (Reason::ImagePullFailed, "m")
    );
}

#[test]
fn a_job_that_vanished_is_never_replaced_by_its_like() {
    let workflow = once();
    let mut observed = observed(&workflow, 20);
    observed.job = JobState::Vanished;
    let Plan::Finish(ending) = plan(&observed) else {
        panic!("not over")
    };
    assert_eq!(
        (ending.phase, ending.reason),
        (Phase::Failed, Reason::RunnerLost)
    );
}

#[test]
fn a_result_that_was_recorded_counts_although_the_job_is_gone() {
    let workflow = hello();
    let mut observed = with_pod(&workflow, 20, Some(ended(0, "Completed", SUCCEEDED)));
    observed.job = JobState::Vanished;
    let Plan::Finish(ending) = plan(&observed) else {
        panic!("not over")
    };
    assert_eq!(ending.phase, Phase::Succeeded);
}

#[test]
fn a_job_that_failed_without_a_pod_is_lost() {
    let workflow = once();
    let mut observed = with_pod(&workflow, 20, None);
    observed.job = JobState::Live(std::sync::Arc::new(job(json!({"status": {"conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
    ]}}))));
    let Plan::Finish(ending) = plan(&observed) else {
        panic!("not over")
    };
    assert_eq!(ending.reason, Reason::RunnerLost);
}

#[test]
fn a_missing_config_map_is_waited_for_and_then_refused() {
    let workflow =
        workflow(json!({"cwlFrom": {"configMap": {"name": "files"}}, "startDeadlineSeconds": 30}));
    let Plan::Hold(cause, pause) = plan(&observed(&workflow, 1)) else {
        panic!("not held")
    };
    assert_eq!(
        (cause.reason, pause),
        (Reason::ReferenceNotFound, Duration::from_secs(1))
    );
    let Plan::Reject(cause) = plan(&observed(&workflow, 30)) else {
        panic!("not refused")
    };
    assert!(
        cause.message.contains("ConfigMap files does not exist"),
        "{}",
        cause.message
    );
}

#[rstest]
#[case::workflow(json!({"cwl": {"class": "CommandLineTool"}}), Reason::InvalidWorkflow)]
#[case::inputs(json!({"cwl": crate::controller::fixtures::echo(), "inputs": {"message": 7}}), Reason::InvalidInputs)]
#[case::missing(json!({"cwl": crate::controller::fixtures::echo()}), Reason::InvalidInputs)]
#[case::deployment(json!({"cwl": crate::controller::fixtures::echo(), "deployment": "slurm"}), Reason::InvalidDeployment)]
#[case::size(json!({"cwl": crate::controller::fixtures::echo(), "inputs": {"message": "x".repeat(1_000_001)}}), Reason::InvalidInputs)]
fn what_cannot_run_is_refused(#[case] spec: Value, #[case] reason: Reason) {
    let workflow = workflow(spec);
    let Plan::Reject(cause) = plan(&observed(&workflow, 0)) else {
        panic!("not refused")
    };
    assert_eq!(cause.reason, reason, "{}", cause.message);
}
