//! What users ask for while a run waits, starts, runs and ends, in whatever order.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use rstest::rstest;
use serde_json::{Value, json};

use crate::api::{DvreWorkflow, DvreWorkflowStatus, Phase, Reason};
use crate::controller::fixtures::{ended, hello, job, observed, runner, with_pod};
use crate::controller::observe::{JobState, Observed};
use crate::controller::plan::{Plan, plan};
use crate::controller::status::status;
use crate::controller::stopped::Stopped;

const STOPPED: &str =
    r#"{"version":1,"phase":"Cancelled","reason":"Cancelled","message":"stopped"}"#;
const SUCCEEDED: &str =
    r#"{"version":1,"phase":"Succeeded","reason":"Completed","message":"done"}"#;
const FAILED: &str = r#"{"version":1,"phase":"Failed","reason":"StepFailed","message":"no"}"#;

fn running() -> Value {
    runner(&json!({"running": {"startedAt": "2026-01-01T00:00:02Z"}}))
}

fn asked(what: &Value) -> DvreWorkflow {
    let mut workflow = hello();
    let mut spec = serde_json::to_value(&workflow.spec).unwrap();
    for (field, value) in what.as_object().unwrap() {
        spec[field] = value.clone();
    }
    workflow.spec = serde_json::from_value(spec).unwrap();
    workflow
}

/// A word for what is planned, and the phase that status tells.
fn told(observed: &Observed<'_>) -> (&'static str, Option<Phase>, Option<Reason>) {
    let plan = plan(observed);
    let word = match &plan {
        Plan::Launch(_) => "launch",
        Plan::Suspend => "suspend",
        Plan::Stop(_) => "stop",
        Plan::Follow(_) => "follow",
        Plan::Again(_) => "again",
        Plan::Finish(_) => "finish",
        Plan::Hold(..) => "hold",
        _ => "other",
    };
    let status = status(observed, &plan).unwrap_or_default();
    (word, status.phase, status.reason)
}

fn mark(observed: &mut Observed<'_>, phase: Phase, reason: Reason) {
    let stopped = Stopped {
        phase,
        reason,
        message: "stopped".to_owned(),
    };
    observed.job = JobState::Live(Arc::new(job(stopped.patch(&job(json!({}))))));
}

/// Kueue suspends a Job again that the operator let go without being asked.
#[test]
fn a_stop_that_a_queue_undoes_is_repeated() {
    let workflow = asked(&json!({"cancel": true}));
    let mut seen = with_pod(&workflow, 30, None);
    mark(&mut seen, Phase::Cancelled, Reason::Cancelled);
    let stopped = told(&seen);
    assert_eq!(stopped.0, "follow");
    let JobState::Live(marked) = &seen.job else {
        panic!("no Job")
    };
    let mut held = Job::clone(marked);
    held.spec.as_mut().unwrap().suspend = Some(true);
    for (deleting, condition) in [(false, None), (true, None), (false, Some("FailureTarget"))] {
        let mut seen = with_pod(&workflow, 30, None);
        (seen.deleting, seen.finalizer) = (deleting, deleting);
        let held = with_condition(held.clone(), condition);
        let mark = Stopped::of(&held);
        seen.job = JobState::Live(Arc::new(held));
        let Plan::Stop(again) = plan(&seen) else {
            panic!("not stopped again; deleted: {deleting}, {condition:?}")
        };
        assert_eq!(Some(*again), mark);
    }
}

/// Without a pod it may still be undone; and once it is over, nothing undoes it.
#[rstest]
#[case::on_its_way(false, "FailureTarget", "follow")]
#[case::over(false, "Failed", "finish")]
#[case::over_and_held(true, "Failed", "finish")]
fn a_stop_is_done_when_its_job_is_over(
    #[case] held: bool,
    #[case] condition: &str,
    #[case] word: &str,
) {
    let workflow = asked(&json!({"cancel": true}));
    let mut seen = with_pod(&workflow, 30, None);
    mark(&mut seen, Phase::Cancelled, Reason::Cancelled);
    let JobState::Live(marked) = &seen.job else {
        panic!("no Job")
    };
    let mut job = with_condition(Job::clone(marked), Some(condition));
    job.spec.as_mut().unwrap().suspend = Some(held);
    seen.job = JobState::Live(Arc::new(job));
    assert_eq!(told(&seen).0, word);
}

#[test]
fn a_pod_from_before_its_queue_took_it_back_does_not_end_a_stop() {
    let workflow = asked(&json!({"cancel": true}));
    let mut seen = with_pod(&workflow, 30, Some(ended(143, "Error", STOPPED)));
    mark(&mut seen, Phase::Cancelled, Reason::Cancelled);
    assert_eq!(told(&seen).0, "finish");
    let JobState::Live(marked) = &seen.job else {
        panic!("no Job")
    };
    let mut job = Job::clone(marked);
    let mut conditions = vec![json!(
        {"type": "Suspended", "status": "False", "lastTransitionTime": "2026-01-01T00:00:20Z"}
    )];
    for (condition, word) in [("FailureTarget", "follow"), ("Failed", "finish")] {
        conditions.push(json!({"type": condition, "status": "True"}));
        job.status = serde_json::from_value(json!({"conditions": conditions})).unwrap();
        seen.job = JobState::Live(Arc::new(job.clone()));
        assert_eq!(told(&seen).0, word);
    }
}

fn with_condition(mut job: Job, condition: Option<&str>) -> Job {
    let conditions = condition.map(|name| json!({"type": name, "status": "True"}));
    let conditions: Vec<_> = conditions.into_iter().collect();
    job.status = serde_json::from_value(json!({"conditions": conditions})).unwrap();
    job
}

#[rstest]
#[case::suspended(json!({"suspend": true}), "suspend", Phase::Suspended)]
#[case::cancelled(json!({"cancel": true}), "finish", Phase::Cancelled)]
#[case::both(json!({"suspend": true, "cancel": true}), "finish", Phase::Cancelled)]
fn before_the_start_there_is_no_job(#[case] what: Value, #[case] word: &str, #[case] phase: Phase) {
    let workflow = asked(&what);
    let (planned, told, _) = told(&observed(&workflow, 0));
    assert_eq!((planned, told), (word, Some(phase)));
}

#[rstest]
#[case::suspended(json!({"suspend": true}), Some(running()), Phase::Suspended)]
#[case::cancelled(json!({"cancel": true}), Some(running()), Phase::Cancelled)]
#[case::both(json!({"suspend": true, "cancel": true}), Some(running()), Phase::Cancelled)]
#[case::in_its_start(json!({"cancel": true}), None, Phase::Cancelled)]
fn a_run_under_way_is_stopped(
    #[case] what: Value,
    #[case] pod: Option<Value>,
    #[case] phase: Phase,
) {
    let workflow = asked(&what);
    let Plan::Stop(stopped) = plan(&with_pod(&workflow, 30, pod)) else {
        panic!("not stopped")
    };
    assert_eq!(stopped.phase, phase);
}

/// A watch may have shown nothing until then.
#[test]
fn a_run_that_takes_too_long_is_stopped_once_status_tells_since_when() {
    let workflow = asked(&json!({"activeDeadlineSeconds": 28}));
    let mut seen = with_pod(&workflow, 30, Some(running()));
    let first = plan(&seen);
    assert_eq!(
        told(&seen),
        ("follow", Some(Phase::Running), Some(Reason::Running))
    );
    seen.status = status(&seen, &first).unwrap();
    let Plan::Stop(stopped) = plan(&seen) else {
        panic!("not stopped")
    };
    assert_eq!(stopped.reason, Reason::DeadlineExceeded);
}

#[test]
fn a_deadline_is_met_in_time() {
    let workflow = asked(&json!({"activeDeadlineSeconds": 29}));
    let Plan::Follow(view) = plan(&with_pod(&workflow, 30, Some(running()))) else {
        panic!("not followed")
    };
    assert_eq!(view.again.as_secs(), 1);
}

#[rstest]
#[case::cancelling(Phase::Cancelled, Reason::Cancelled, json!({"cancel": true}), running(), ("follow", Some(Phase::Cancelling)))]
#[case::cancelled(Phase::Cancelled, Reason::Cancelled, json!({"cancel": true}), ended(143, "Error", STOPPED), ("finish", Some(Phase::Cancelled)))]
#[case::not_taken_back(Phase::Cancelled, Reason::Cancelled, json!({}), ended(143, "Error", STOPPED), ("finish", Some(Phase::Cancelled)))]
#[case::done_before(Phase::Cancelled, Reason::Cancelled, json!({"cancel": true}), ended(0, "Completed", SUCCEEDED), ("finish", Some(Phase::Succeeded)))]
#[case::failed_while_stopped(Phase::Cancelled, Reason::Cancelled, json!({"cancel": true}), ended(1, "Error", FAILED), ("finish", Some(Phase::Cancelled)))]
#[case::suspending(Phase::Suspended, Reason::Suspended, json!({"suspend": true}), running(), ("follow", Some(Phase::Running)))]
#[case::suspended(Phase::Suspended, Reason::Suspended, json!({"suspend": true}), ended(143, "Error", STOPPED), ("again", Some(Phase::Suspended)))]
#[case::resumed_at_once(Phase::Suspended, Reason::Suspended, json!({}), ended(143, "Error", STOPPED), ("again", Some(Phase::Suspended)))]
#[case::cancelled_while_suspending(Phase::Suspended, Reason::Suspended, json!({"suspend": true, "cancel": true}), running(), ("follow", Some(Phase::Cancelling)))]
#[case::cancelled_when_suspended(Phase::Suspended, Reason::Suspended, json!({"cancel": true}), ended(143, "Error", STOPPED), ("finish", Some(Phase::Cancelled)))]
#[case::killed(Phase::Suspended, Reason::Suspended, json!({"suspend": true}), ended(137, "Error", ""), ("again", Some(Phase::Suspended)))]
#[case::too_long(Phase::Failed, Reason::DeadlineExceeded, json!({}), ended(143, "Error", STOPPED), ("finish", Some(Phase::Failed)))]
fn what_was_stopped_ends_as_it_was_asked(
    #[case] phase: Phase,
    #[case] reason: Reason,
    #[case] what: Value,
    #[case] pod: Value,
    #[case] expected: (&str, Option<Phase>),
) {
    let workflow = asked(&what);
    let mut observed = with_pod(&workflow, 30, Some(pod));
    observed.status.phase = Some(Phase::Running);
    mark(&mut observed, phase, reason);
    let (word, phase, _) = told(&observed);
    assert_eq!((word, phase), expected);
}

#[rstest]
#[case::cancelled(json!({"cancel": true}), "finish", Phase::Cancelled)]
#[case::suspended(json!({"suspend": true}), "again", Phase::Suspended)]
#[case::neither(json!({}), "again", Phase::Pending)]
fn a_job_that_is_gone_ends_as_it_was_asked(
    #[case] what: Value,
    #[case] word: &str,
    #[case] phase: Phase,
) {
    let workflow = asked(&what);
    let mut observed = observed(&workflow, 30);
    observed.job = JobState::Vanished;
    let (planned, told, _) = told(&observed);
    assert_eq!((planned, told), (word, Some(phase)));
}

/// The status after the first attempt was suspended.
fn suspended(workflow: &DvreWorkflow) -> DvreWorkflowStatus {
    let mut observed = with_pod(workflow, 30, Some(ended(143, "Error", STOPPED)));
    mark(&mut observed, Phase::Suspended, Reason::Suspended);
    status(&observed, &plan(&observed)).unwrap()
}

#[test]
fn a_suspended_attempt_stays_visible_and_the_next_begins_anew() {
    let mut workflow = asked(&json!({"suspend": true}));
    workflow.status = Some(suspended(&workflow));
    insta::assert_yaml_snapshot!(workflow.status);
    let held = observed(&workflow, 31);
    assert!(matches!(plan(&held), Plan::Suspend));
    assert_eq!(
        status(&held, &Plan::Suspend),
        workflow.status,
        "nothing is written again"
    );
    workflow.spec.suspend = None;
    let Plan::Launch(run) = plan(&observed(&workflow, 31)) else {
        panic!("not launched")
    };
    assert_eq!(run.job_name(), "hello-2");
}

#[test]
fn the_time_of_all_attempts_counts_and_pauses_do_not() {
    let mut workflow = asked(&json!({"activeDeadlineSeconds": 20}));
    let attempts = |end: &str| {
        json!({"observedGeneration": 1, "attempt": 2, "attempts": [{"number": 1, "jobName": "hello-1", "reason": "Suspended",
            "startTime": "2026-01-01T00:00:02Z", "completionTime": end}]})
    };
    workflow.status = serde_json::from_value(attempts("2026-01-01T00:00:12Z")).unwrap();
    assert!(matches!(plan(&observed(&workflow, 90)), Plan::Launch(_)));
    workflow.status = serde_json::from_value(attempts("2026-01-01T00:00:22Z")).unwrap();
    let Plan::Finish(ending) = plan(&observed(&workflow, 90)) else {
        panic!("not over")
    };
    assert_eq!(ending.reason, Reason::DeadlineExceeded);
    assert!(
        ending.message.contains("20 s, 2 attempts together"),
        "{}",
        ending.message
    );
}

#[rstest]
#[case::running(running())]
#[case::gone_before_it_ran(json!({"phase": "Failed"}))]
#[case::ended_by_the_queue(ended(143, "Error", STOPPED))]
fn a_job_in_a_queue_waits_as_long_as_it_likes(#[case] pod: Value) {
    let workflow = asked(&json!({"startDeadlineSeconds": 10}));
    let mut observed = with_pod(&workflow, 3600, Some(pod));
    observed.job = JobState::Live(Arc::new(job(json!({"spec": {"suspend": true}}))));
    let expected = ("follow", Some(Phase::Pending), Some(Reason::Queued));
    assert_eq!(told(&observed), expected);
}

#[test]
fn a_start_is_timed_from_the_moment_that_the_queue_let_it_go() {
    let workflow = asked(&json!({"startDeadlineSeconds": 10}));
    let mut observed = with_pod(&workflow, 3600, None);
    let let_go = |at: &str| {
        JobState::Live(Arc::new(job(json!({"status": {"conditions": [
            {"type": "Suspended", "status": "False", "lastTransitionTime": at}
        ]}}))))
    };
    observed.job = let_go("2026-01-01T00:59:55Z");
    assert_eq!(told(&observed).0, "follow");
    observed.job = let_go("2026-01-01T00:59:45Z");
    assert_eq!(told(&observed).0, "stop");
}

#[test]
fn a_pod_whose_node_does_not_answer_is_given_up() {
    let workflow = hello();
    let mut observed = with_pod(&workflow, 120, Some(running()));
    let mut pod = observed.pod.as_deref().cloned().unwrap();
    let deleted = |at: &str| serde_json::from_value(json!(at)).unwrap();
    pod.metadata.deletion_timestamp = deleted("2026-01-01T00:01:10Z");
    observed.pod = Some(Arc::new(pod.clone()));
    assert_eq!(told(&observed).0, "follow");
    pod.metadata.deletion_timestamp = deleted("2026-01-01T00:00:50Z");
    observed.pod = Some(Arc::new(pod));
    let expected = ("again", Some(Phase::Pending), Some(Reason::Retrying));
    assert_eq!(told(&observed), expected);
}

#[test]
fn a_run_that_was_held_is_not_late_when_it_is_let_go() {
    let mut workflow =
        asked(&json!({"startDeadlineSeconds": 30, "cwlFrom": {"configMap": {"name": "files"}}}));
    workflow.spec.cwl = None;
    let mut observed = observed(&workflow, 3600);
    observed.resumed = Some(observed.now);
    assert_eq!(told(&observed).0, "hold");
    observed.resumed = None;
    assert_eq!(told(&observed).1, Some(Phase::Failed));
}
