use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::status::MAX_STEPS;
use crate::controller::fixtures::{ended, hello, with_pod};
use crate::controller::plan::plan;
use crate::controller::pod::Trouble;

fn of(observed: &Observed<'_>) -> Option<DvreWorkflowStatus> {
    status(observed, &plan(observed))
}

fn record(extra: &Value) -> String {
    let mut record = json!({"version": 1, "phase": "Succeeded", "reason": "Completed", "message": "done",
        "engine": "streamflow", "completed": 1, "total": 1,
        "steps": [{"name": "/", "phase": "Succeeded", "completed": 1, "total": 1, "exitCode": 0}]});
    for (key, value) in extra.as_object().unwrap() {
        record[key] = value.clone();
    }
    record.to_string()
}

/// The rules of kstatus, in the order in which it applies them.
fn kstatus(status: &DvreWorkflowStatus, generation: i64) -> &'static str {
    let is = |type_: &str, value: &str| {
        status
            .conditions
            .iter()
            .any(|c| c.type_ == type_ && c.status == value)
    };
    if status.observed_generation != generation || is("Reconciling", "True") {
        "InProgress"
    } else if is("Stalled", "True") {
        "Failed"
    } else if is("Ready", "False") || is("Ready", "Unknown") {
        "InProgress"
    } else {
        "Current"
    }
}

#[test]
fn a_success_carries_outputs_steps_and_times() {
    let workflow = hello();
    let text = record(
        &json!({"outputs": {"output": {"class": "File", "contents": "Hello StreamFlow!\n"}, "none": null}}),
    );
    let status = of(&with_pod(&workflow, 5, Some(ended(0, "Completed", &text)))).unwrap();
    insta::assert_yaml_snapshot!(status);
}

#[rstest]
#[case::pending(
    Plan::Hold(trouble(), std::time::Duration::ZERO),
    "Pending",
    "Unknown",
    "InProgress"
)]
#[case::rejected(Plan::Reject(trouble()), "Failed", "False", "Failed")]
#[case::starting(follow(Phase::Starting), "Starting", "Unknown", "InProgress")]
#[case::running(follow(Phase::Running), "Running", "Unknown", "InProgress")]
#[case::suspended(follow(Phase::Suspended), "Suspended", "Unknown", "InProgress")]
#[case::cancelling(follow(Phase::Cancelling), "Cancelling", "Unknown", "InProgress")]
#[case::succeeded(
    finish(Phase::Succeeded, Reason::Completed),
    "Succeeded",
    "True",
    "Current"
)]
#[case::failed(finish(Phase::Failed, Reason::StepFailed), "Failed", "False", "Failed")]
#[case::cancelled(
    finish(Phase::Cancelled, Reason::Cancelled),
    "Cancelled",
    "False",
    "Failed"
)]
fn phase_conditions_and_kstatus_agree(
    #[case] plan: Plan,
    #[case] phase: &str,
    #[case] outcome: &str,
    #[case] seen: &str,
) {
    let workflow = hello();
    let status = status(&with_pod(&workflow, 1, None), &plan).unwrap();
    assert_eq!(status.phase.unwrap().as_str(), phase);
    for type_ in ["Ready", "Succeeded"] {
        let condition = status.conditions.iter().find(|c| c.type_ == type_).unwrap();
        assert_eq!(condition.status, outcome);
        assert_eq!(condition.observed_generation, Some(1));
        assert!(!condition.reason.is_empty());
    }
    let abnormal = status
        .conditions
        .iter()
        .filter(|c| matches!(c.type_.as_str(), "Reconciling" | "Stalled"));
    assert!(abnormal.count() <= 1, "never both");
    assert_eq!(kstatus(&status, 1), seen);
    assert_eq!(
        status.completion_time.is_some(),
        status.phase.unwrap().is_final()
    );
}

fn trouble() -> Trouble {
    Trouble {
        reason: Reason::ReferenceNotFound,
        message: "m".to_owned(),
    }
}

fn follow(phase: Phase) -> Plan {
    let reason = if phase == Phase::Running {
        Reason::Running
    } else {
        Reason::Starting
    };
    Plan::Follow(View {
        phase,
        reason,
        message: "m".to_owned(),
        since: None,
        quiet: false,
        again: std::time::Duration::ZERO,
    })
}

fn finish(phase: Phase, reason: Reason) -> Plan {
    Plan::Finish(Box::new(Ending {
        phase,
        reason,
        message: "m".to_owned(),
        outcome: None,
        times: (None, None),
    }))
}

#[test]
fn transition_times_move_only_with_the_status() {
    let workflow = hello();
    let mut observed = with_pod(&workflow, 1, None);
    observed.status = status(&observed, &follow(Phase::Starting)).unwrap();
    observed.now += jiff::SignedDuration::from_secs(60);
    let later = status(&observed, &follow(Phase::Running)).unwrap();
    let time = |status: &DvreWorkflowStatus, type_: &str| {
        status
            .conditions
            .iter()
            .find(|c| c.type_ == type_)
            .unwrap()
            .last_transition_time
            .clone()
    };
    assert_eq!(time(&observed.status, "Ready"), time(&later, "Ready"));
    let done = status(&observed, &finish(Phase::Succeeded, Reason::Completed)).unwrap();
    assert_ne!(time(&observed.status, "Ready"), time(&done, "Ready"));
}

#[test]
fn the_same_observation_gives_the_same_status() {
    let workflow = hello();
    let mut observed = with_pod(&workflow, 1, None);
    observed.status = status(&observed, &follow(Phase::Running)).unwrap();
    observed.now += jiff::SignedDuration::from_secs(60);
    assert_eq!(
        status(&observed, &follow(Phase::Running)).unwrap(),
        observed.status
    );
}

#[test]
fn outputs_that_do_not_fit_are_cut_and_that_is_said() {
    let workflow = hello();
    let text = record(&json!({"outputs": {"output": "x".repeat(60_000)}}));
    let status = of(&with_pod(&workflow, 5, Some(ended(0, "Completed", &text)))).unwrap();
    assert!(serde_json::to_string(&status).unwrap().len() <= MAX_STATUS_BYTES);
    assert!(status.outputs.is_none());
    let said = status
        .conditions
        .iter()
        .find(|c| c.type_ == conditions::STATUS_TRUNCATED)
        .unwrap();
    assert!(said.message.contains("hello-1-abcde"), "{}", said.message);
}

#[test]
fn a_thousand_steps_are_summed_up() {
    let workflow = hello();
    let steps: Vec<Value> = (0..1000)
        .map(|n| json!({"name": format!("/step-{n}"), "phase": "Succeeded", "completed": 2, "total": 2}))
        .collect();
    let text =
        record(&json!({"steps": steps, "stepCount": 1000, "completed": 2000, "total": 2000}));
    let status = of(&with_pod(&workflow, 5, Some(ended(0, "Completed", &text)))).unwrap();
    assert_eq!(status.steps.len(), MAX_STEPS + 1);
    let rest = status.steps.last().unwrap();
    assert_eq!(
        (rest.name.as_str(), rest.phase.as_str(), rest.completed),
        ("...", "900MoreSteps", 1800)
    );
    assert_eq!(status.progress.as_deref(), Some("2000/2000"));
    assert!(serde_json::to_string(&status).unwrap().len() <= MAX_STATUS_BYTES);
}
