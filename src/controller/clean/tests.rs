use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

use super::*;
use crate::api::DvreWorkflow;
use crate::controller::fixtures::{echo, ended, job, runner, with_pod, workflow};
use crate::controller::plan::plan;

fn slurm() -> DvreWorkflow {
    workflow(json!({
        "cwl": echo(), "inputs": {"message": "x"}, "deployment": "hpc", "retry": {"policy": "Never"},
        "deployments": [{"name": "hpc", "slurm": {
            "ssh": {"host": "login", "user": "ada", "secretRef": {"name": "key"}}, "workdir": "/scratch",
        }}],
    }))
}

fn record(cleaned: bool) -> Value {
    let message = json!({"version": 1, "phase": "Failed", "reason": "StepFailed", "message": "no", "cleaned": cleaned});
    ended(1, "Error", &message.to_string())
}

fn killed() -> Value {
    ended(137, "Error", "")
}

fn clean_up(status: &Value) -> Arc<Job> {
    Arc::new(job(json!({
        "metadata": {"name": "hello-clean-1", "creationTimestamp": "2026-01-01T00:00:05Z"}, "status": status,
    })))
}

fn short(plan: &Plan) -> String {
    match plan {
        Plan::Finish(ending) => format!("Finish: {}", ending.message),
        Plan::Follow(view) => format!("Follow: {}", view.message),
        other => format!("{other:?}"),
    }
}

#[rstest]
#[case::the_runner_did(record(true), None, "Finish: no")]
#[case::killed(killed(), None, "Clean")]
#[case::runner_could_not(record(false), None, "Clean")]
#[case::under_way(killed(), Some(clean_up(&json!({}))), "Follow: the attempt is over, and what")]
#[case::done(killed(), Some(clean_up(&json!({"conditions": [{"type": "Complete", "status": "True"}]}))), "Finish: the runner was killed")]
#[case::in_vain(record(false), Some(clean_up(&json!({"conditions": [{"type": "Failed", "status": "True"}]}))), "Finish: no; something of the run may be left on deployment hpc: Job hello-clean-1 failed")]
fn a_run_ends_once_nothing_is_left(
    #[case] pod: Value,
    #[case] clean_up: Option<Arc<Job>>,
    #[case] expected: &str,
) {
    let workflow = slurm();
    let mut observed = with_pod(&workflow, 30, Some(pod));
    observed.finalizer = true;
    observed.clean_up = clean_up;
    let plan = short(&plan(&observed));
    assert!(plan.starts_with(expected), "{plan}");
}

#[test]
fn what_a_clean_up_came_to_is_said_though_the_finalizer_went_before() {
    let workflow = slurm();
    let mut observed = with_pod(&workflow, 30, Some(record(false)));
    observed.clean_up = Some(clean_up(
        &json!({"conditions": [{"type": "Failed", "status": "True"}]}),
    ));
    let plan = short(&plan(&observed));
    assert!(plan.contains("something of the run may be left"), "{plan}");
}

#[test]
fn a_clean_up_that_does_not_end_is_not_waited_for_forever() {
    let workflow = slurm();
    let mut observed = with_pod(&workflow, 300, Some(killed()));
    observed.finalizer = true;
    observed.clean_up = Some(clean_up(&json!({})));
    let plan = short(&plan(&observed));
    assert!(plan.contains("did not end within 180 s"), "{plan}");
}

#[rstest]
#[case::runs(Some(runner(&json!({"running": {"startedAt": "2026-01-01T00:00:02Z"}}))), "Stop(")]
#[case::no_pod_seen_yet(None, "Stop(")]
#[case::cleaned(Some(record(true)), "Release(None)")]
#[case::killed(Some(killed()), "Clean")]
fn a_deleted_run_is_stopped_and_then_cleaned_up(
    #[case] pod: Option<Value>,
    #[case] expected: &str,
) {
    let workflow = slurm();
    let mut observed = with_pod(&workflow, 30, pod);
    (observed.finalizer, observed.deleting) = (true, true);
    let plan = short(&plan(&observed));
    assert!(plan.starts_with(expected), "{plan}");
}

#[test]
fn a_refused_clean_up_lets_the_resource_go_and_says_so() {
    let workflow = slurm();
    let mut observed = with_pod(&workflow, 30, Some(killed()));
    (observed.finalizer, observed.deleting) = (true, true);
    observed.clean_up_refused = Some("because it is being terminated".to_owned());
    let plan = short(&plan(&observed));
    assert!(
        plan.starts_with("Release(Some(") && plan.contains("terminated"),
        "{plan}"
    );
}

#[test]
fn without_our_finalizer_nothing_changes() {
    let workflow = slurm();
    let mut observed = with_pod(&workflow, 30, Some(killed()));
    assert!(short(&plan(&observed)).starts_with("Finish"));
    observed.deleting = true;
    assert_eq!(short(&plan(&observed)), "Done");
}

#[test]
fn the_job_has_what_it_needs_and_no_owner() {
    let workflow = slurm();
    let observed = with_pod(&workflow, 30, None);
    let job = with(&observed, crate::render::clean_up::job);
    assert_eq!(job.metadata.owner_references, None);
    insta::assert_yaml_snapshot!("clean_up_job", job);
}
