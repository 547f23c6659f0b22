use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::DvreWorkflow;
use crate::controller::fixtures::{ended, hello, observed, with_pod};
use crate::controller::plan::{Plan, plan};
use crate::controller::status::status;

fn failed(reason: &str, engine: &str) -> Value {
    let record = json!({"version": 1, "phase": "Failed", "reason": reason, "message": "why", "engine": engine});
    ended(1, "Error", &record.to_string())
}

fn killed() -> Value {
    ended(137, "Error", "")
}

fn out_of_memory() -> Value {
    ended(137, "OOMKilled", "")
}

fn with_retry(retry: Value) -> DvreWorkflow {
    let mut workflow = hello();
    workflow.spec.retry = serde_json::from_value(retry).unwrap();
    workflow
}

#[rstest]
#[case::lost(json!(null), killed(), true)]
#[case::lost_asked(json!({"policy": "OnInfrastructureFailure"}), killed(), true)]
#[case::lost_any(json!({"policy": "OnAnyFailure"}), killed(), true)]
#[case::never(json!({"policy": "Never"}), killed(), false)]
#[case::no_more(json!({"limit": 0}), killed(), false)]
#[case::evicted_step(json!(null), failed("Evicted", "streamflow"), true)]
#[case::tool(json!(null), failed("StepFailed", "streamflow"), false)]
#[case::tool_tried_by_streamflow(json!({"policy": "OnAnyFailure"}), failed("StepFailed", "streamflow"), false)]
#[case::tool_of_cwltool(json!({"policy": "OnAnyFailure"}), failed("StepFailed", "cwltool"), true)]
#[case::outputs(json!({"policy": "OnAnyFailure"}), failed("OutputsFailed", "streamflow"), true)]
#[case::document(json!({"policy": "OnAnyFailure"}), failed("InvalidWorkflow", "streamflow"), false)]
#[case::memory(json!(null), out_of_memory(), false)]
#[case::more_memory(json!({"memoryFactor": "1.5"}), out_of_memory(), true)]
#[case::memory_any(json!({"policy": "OnAnyFailure"}), out_of_memory(), true)]
#[case::memory_never(json!({"policy": "Never", "memoryFactor": 2}), out_of_memory(), false)]
fn the_cause_decides_about_another_attempt(
    #[case] retry: Value,
    #[case] pod: Value,
    #[case] again: bool,
) {
    let workflow = with_retry(retry);
    let plan = plan(&with_pod(&workflow, 5, Some(pod)));
    assert_eq!(matches!(plan, Plan::Again(_)), again, "{plan:?}");
}

/// Status is data, whoever wrote it, and a clock may be wrong.
#[test]
fn numbers_and_times_have_an_end() {
    let mut workflow = hello();
    workflow.status = serde_json::from_value(json!({"attempt": i32::MAX})).unwrap();
    let last = plan(&with_pod(&workflow, 5, Some(killed())));
    assert!(matches!(last, Plan::Finish(_)), "{last:?}");

    let mut late = killed();
    let ended = &mut late["containerStatuses"][0]["state"]["terminated"];
    ended["finishedAt"] = json!("9999-12-30T22:00:00Z");
    workflow.status = None;
    let again = plan(&with_pod(&workflow, 5, Some(late)));
    assert!(matches!(again, Plan::Again(_)), "{again:?}");

    let attempt = json!({"number": 1, "jobName": "hello-1", "reason": "RunnerLost", "completionTime": "9999-12-30T22:00:00Z"});
    workflow.status = serde_json::from_value(json!({"attempt": 2, "attempts": [attempt]})).unwrap();
    let held = plan(&observed(&workflow, 5));
    assert!(matches!(held, Plan::Hold(..)), "{held:?}");
}

/// Lets attempt after attempt end in the same way, and says how many there were and how long the pauses.
fn all_attempts(retry: Value, pod: &dyn Fn(i32) -> Value) -> (i32, Vec<i64>) {
    let mut workflow = with_retry(retry);
    let mut pauses = Vec::new();
    for number in 1.. {
        let mut observed = with_pod(&workflow, 5, Some(pod(number)));
        observed.status.attempt = Some(number);
        let plan = plan(&observed);
        let status = status(&observed, &plan).unwrap();
        if matches!(plan, Plan::Finish(_)) {
            assert_eq!(status.attempts.len(), usize::try_from(number).unwrap());
            return (number, pauses);
        }
        workflow.status = Some(status);
        let observed = self::observed(&workflow, 5);
        let ended = observed
            .status
            .attempts
            .last()
            .unwrap()
            .completion_time
            .clone();
        pauses.push(
            due(&observed)
                .unwrap()
                .duration_since(ended.unwrap().0)
                .as_secs(),
        );
    }
    unreachable!()
}

#[test]
fn the_pause_grows_and_the_limit_holds() {
    let (attempts, pauses) = all_attempts(json!({"limit": 7}), &|_| killed());
    assert_eq!(attempts, 8);
    assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn trouble_of_the_cluster_leaves_the_other_tries_alone() {
    let retry = json!({"policy": "OnAnyFailure", "limit": 2});
    let mixed = |number: i32| {
        if number % 2 == 0 {
            killed()
        } else {
            failed("OutputsFailed", "streamflow")
        }
    };
    let (attempts, pauses) = all_attempts(retry, &mixed);
    assert_eq!((attempts, pauses), (5, vec![10, 10, 20, 20]));
}

#[test]
fn a_failed_attempt_stays_visible_and_the_next_waits() {
    let mut workflow = hello();
    let observed = with_pod(&workflow, 5, Some(killed()));
    workflow.status = status(&observed, &plan(&observed));
    insta::assert_yaml_snapshot!(workflow.status);
    let observed = self::observed(&workflow, 6);
    let waiting = plan(&observed);
    let Plan::Hold(_, pause) = &waiting else {
        panic!("{waiting:?}")
    };
    assert_eq!(pause.as_secs(), 7);
    assert_eq!(
        status(&observed, &waiting),
        workflow.status,
        "nothing is written again"
    );
    let Plan::Launch(run) = plan(&self::observed(&workflow, 13)) else {
        panic!("not launched")
    };
    assert_eq!(run.job_name(), "hello-2");
}

#[test]
fn memory_grows_with_each_attempt_that_had_too_little() {
    let mut workflow = with_retry(json!({"memoryFactor": "1.5"}));
    let memory = |workflow: &DvreWorkflow| {
        let plan = plan(&self::observed(workflow, 3600));
        let Plan::Launch(run) = plan else {
            panic!("{plan:?}")
        };
        let pod = crate::render::objects(&run)
            .job
            .spec
            .unwrap()
            .template
            .spec
            .unwrap();
        let resources = pod.containers[0].resources.clone().unwrap();
        resources.limits.unwrap()["memory"].0.clone()
    };
    assert_eq!(memory(&workflow), "2Gi");
    for (attempt, expected) in [(1, "3072Mi"), (2, "4608Mi")] {
        let mut observed = with_pod(&workflow, 5, Some(out_of_memory()));
        observed.status.attempt = Some(attempt);
        let status = status(&observed, &plan(&observed));
        workflow.status = status;
        assert_eq!(memory(&workflow), expected);
    }
}
