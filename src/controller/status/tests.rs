use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::status::MAX_STEPS;
use crate::controller::fixtures::{ended, hello, runner, with_pod};
use crate::controller::plan::plan;
use crate::controller::pod::Trouble;
use crate::runner::record::Progress;

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
fn what_the_schema_would_refuse_is_not_repeated() {
    let mut workflow = hello();
    workflow.spec.deployment = "w".repeat(70_000);
    let status = of(&crate::controller::fixtures::observed(&workflow, 1)).unwrap();
    assert_eq!(status.reason, Some(Reason::InvalidDeployment));
    assert!(status.deployment.unwrap().len() <= 63);
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

fn progress(extra: &Value) -> std::sync::Arc<Progress> {
    let mut progress = json!({"stage": "Running", "engine": "cwltool", "completed": 1, "total": 6, "stepCount": 2, "steps": [
        {"name": "/a", "phase": "Succeeded", "completed": 1, "total": 1, "exitCode": 0},
        {"name": "/b", "phase": "Running", "completed": 0, "total": 5}]});
    for (key, value) in extra.as_object().unwrap() {
        progress[key] = value.clone();
    }
    std::sync::Arc::new(serde_json::from_value(progress).unwrap())
}

/// A run whose runner runs.
fn running(workflow: &crate::api::DvreWorkflow) -> Observed<'_> {
    let state = json!({"running": {"startedAt": "2026-01-01T00:00:02Z"}});
    with_pod(workflow, 5, Some(runner(&state)))
}

#[test]
fn a_running_run_tells_its_progress() {
    let workflow = hello();
    let mut observed = running(&workflow);
    observed.status = of(&observed).unwrap();
    assert_eq!(observed.status.progress, None);
    assert_eq!(
        observed.status.execution_engine.as_deref(),
        Some("streamflow")
    );
    observed.progress = Some(progress(&json!({})));
    let status = of(&observed).unwrap();
    insta::assert_yaml_snapshot!(status);
    observed.status = status.clone();
    assert_eq!(of(&observed).unwrap(), status, "no news, no write");
    // An operator that has just started knows nothing yet, and takes nothing back but the words.
    observed.progress = None;
    let restarted = of(&observed).unwrap();
    assert_eq!(restarted.steps, status.steps);
    assert_eq!(restarted.execution_engine, status.execution_engine);
}

#[test]
fn progress_is_written_no_more_often_than_every_two_seconds() {
    let workflow = hello();
    let mut observed = running(&workflow);
    observed.status = of(&observed).unwrap();
    observed.written = Some(Duration::from_millis(500));
    assert_eq!(pause(&observed, &observed.status), None, "nothing is new");
    observed.progress = Some(progress(&json!({})));
    let status = of(&observed).unwrap();
    let left = pause(&observed, &status);
    assert_eq!(left, Some(Duration::from_millis(1500)));
    observed.written = Some(Duration::from_secs(2));
    assert_eq!(pause(&observed, &status), None);
    observed.written = Some(Duration::ZERO);
    let over = super::status(&observed, &finish(Phase::Succeeded, Reason::Completed)).unwrap();
    assert_eq!(pause(&observed, &over), None, "an end does not wait");
}

#[test]
fn nothing_runs_in_a_run_that_ended_without_a_record() {
    let workflow = hello();
    let mut observed = running(&workflow);
    observed.progress = Some(progress(&json!({})));
    observed.status = of(&observed).unwrap();
    let status = status(&observed, &finish(Phase::Failed, Reason::RunnerLost)).unwrap();
    let phases: Vec<_> = status.steps.iter().map(|s| s.phase.as_str()).collect();
    assert_eq!(phases, ["Succeeded", "Cancelled"]);
    assert_eq!(status.progress.as_deref(), Some("1/6"));
}

#[test]
fn a_thousand_steps_with_long_names_are_cut_and_that_is_said() {
    let workflow = hello();
    let mut observed = running(&workflow);
    let steps: Vec<Value> = (0..1000)
        .map(|n| json!({"name": format!("/{n:0>511}"), "phase": (if n == 999 {"Failed"} else {"Running"}), "completed": 1, "total": 2, "startTime": "2026-01-01T00:00:00Z"}))
        .collect();
    observed.progress = Some(progress(
        &json!({"steps": steps, "stepCount": 1000, "completed": 1000, "total": 2000}),
    ));
    let status = of(&observed).unwrap();
    let size = serde_json::to_string(&status).unwrap().len();
    assert!(size <= MAX_STATUS_BYTES, "{size}");
    assert!(
        size > MAX_STATUS_BYTES / 2,
        "not more than necessary: {size}"
    );
    let rest = status.steps.last().unwrap();
    let listed = i64::try_from(status.steps.len() - 1).unwrap();
    assert_eq!(rest.phase, format!("{}MoreSteps", 1000 - listed));
    assert_eq!(
        (rest.completed, rest.total),
        (1000 - listed, 2 * (1000 - listed))
    );
    assert!(status.steps.iter().any(|step| step.phase == "Failed"));
    let said = status
        .conditions
        .iter()
        .find(|c| c.type_ == conditions::STATUS_TRUNCATED)
        .unwrap();
    assert!(said.message.contains("steps"), "{}", said.message);
    // Nothing of it is new the next time.
    observed.status = status.clone();
    assert_eq!(of(&observed).unwrap(), status);
}

#[test]
fn what_the_api_server_would_refuse_is_left_out() {
    let step = |name: &str| json!({"name": name, "completed": u64::MAX, "total": u64::MAX, "startTime": "-000044-03-15T12:00:00Z"});
    let steps = json!([
        step("/a"),
        step("/a"),
        step(""),
        step("..."),
        step(&"ä".repeat(600))
    ]);
    let workflow = hello();
    let mut observed = running(&workflow);
    observed.progress = Some(progress(
        &json!({"steps": steps, "stepCount": u64::MAX, "completed": u64::MAX, "total": u64::MAX}),
    ));
    let status = of(&observed).unwrap();
    let names: Vec<_> = status.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["/a", &"ä".repeat(512), "..."]);
    assert!(
        status
            .steps
            .iter()
            .all(|s| s.start_time.is_none() && s.completed >= 0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever a run tells, its status keeps to the limit.
    #[test]
    fn a_status_is_never_too_large(
        names in prop::collection::vec(any::<(String, u8)>(), 0..150),
        long in 1_usize..400,
        text in any::<String>(),
        repeated in 1_usize..200,
        outputs in 0_usize..90_000,
        failed in any::<bool>(),
    ) {
        let phases = ["Failed", "Running", "Succeeded", "Pending"];
        let steps: Vec<Value> = names.iter().map(|(name, phase)| json!({
            "name": name.repeat(long),
            "phase": (phases[usize::from(phase % 4)]),
            "message": text.repeat(repeated),
        })).collect();
        let message = text.repeat(repeated);
        let record = json!({"phase": (if failed {"Failed"} else {"Succeeded"}), "reason": "StepFailed", "message": message,
            "steps": steps, "completed": 1, "total": 2, "outputs": {"text": "x".repeat(outputs)}});
        let workflow = hello();
        let mut observed = running(&workflow);
        observed.progress = Some(progress(&json!({"steps": steps})));
        let under_way = of(&observed).unwrap();
        prop_assert!(serde_json::to_string(&under_way).unwrap().len() <= MAX_STATUS_BYTES);
        let mut observed = with_pod(&workflow, 5, Some(ended(0, "Completed", &record.to_string())));
        observed.status = under_way;
        let status = of(&observed).unwrap();
        prop_assert!(serde_json::to_string(&status).unwrap().len() <= MAX_STATUS_BYTES);
        prop_assert!(status.outputs.is_some() || outputs > 20_000);
        let unique: std::collections::HashSet<_> = status.steps.iter().map(|step| &step.name).collect();
        prop_assert_eq!(unique.len(), status.steps.len());
    }
}
