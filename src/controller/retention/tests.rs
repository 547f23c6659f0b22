use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::controller::fixtures::{context, failure, hello, job};

fn finished_job(name: &str, ended: &str, kept: Option<&str>) -> Arc<Job> {
    let mut value = serde_json::to_value(job(json!({
        "metadata": {
            "name": name, "uid": format!("uid-of-{name}"), "labels": {"dvre.io/workflow-uid": "u-1"},
            "annotations": {"dvre.io/workflow": "hello"}
        },
        "status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": ended}]},
    })))
    .unwrap();
    if let Some(kept) = kept {
        value["metadata"]["annotations"][names::TTL] = json!(kept);
    }
    Arc::new(serde_json::from_value(value).unwrap())
}

fn running_job() -> Arc<Job> {
    let mut job = (*finished_job("hello-2", "2026-01-01T00:00:00Z", Some("0"))).clone();
    job.status = None;
    Arc::new(job)
}

#[rstest]
#[case::over(vec![finished_job("hello-1", "2026-01-01T00:00:00Z", Some("60"))], 1)]
#[case::not_yet(vec![finished_job("hello-1", "2026-01-01T00:00:01Z", Some("60"))], 0)]
#[case::for_ever(vec![finished_job("hello-1", "2026-01-01T00:00:00Z", None)], 0)]
#[case::nonsense(vec![finished_job("hello-1", "2026-01-01T00:00:00Z", Some("soon"))], 0)]
#[case::overflow(vec![finished_job("hello-1", "2026-01-01T00:00:00Z", Some("9223372036854775807"))], 0)]
#[case::another_attempt_runs(vec![finished_job("hello-1", "2026-01-01T00:00:00Z", Some("0")), running_job()], 0)]
fn a_run_is_due_some_time_after_its_last_job(#[case] jobs: Vec<Arc<Job>>, #[case] expected: usize) {
    let now = "2026-01-01T00:01:00Z".parse().unwrap();
    assert_eq!(due(&jobs, now).len(), expected);
}

fn run() -> Finished {
    due(
        &[finished_job("hello-1", "2026-01-01T00:00:00Z", Some("60"))],
        "2026-01-01T01:00:00Z".parse().unwrap(),
    )
    .remove(0)
}

fn resource(phase: &str, ttl: Option<i64>) -> Value {
    let mut value = serde_json::to_value(hello()).unwrap();
    value["spec"]["ttlSecondsAfterFinished"] = json!(ttl);
    value["status"] =
        json!({"observedGeneration": 1, "phase": phase, "completionTime": "2026-01-01T00:00:00Z"});
    value
}

#[rstest]
#[case::over(resource("Succeeded", Some(60)), &["DELETE hello-run-1", "DELETE hello-1"])]
#[case::runs_again(resource("Running", Some(60)), &[])]
#[case::longer_now(resource("Succeeded", Some(315_360_000)), &[])]
#[case::for_ever_now(resource("Succeeded", None), &[])]
#[tokio::test]
async fn the_resource_is_asked_before_anything_goes(
    #[case] resource: Value,
    #[case] expected: &[&str],
) {
    let (context, requests) = context(move |method, path| {
        let name = path.split('?').next().unwrap().rsplit('/').next().unwrap();
        match (method, name) {
            (&Method::GET, "hello") => (200, resource.clone()),
            (&Method::GET, "hello-1") => (
                200,
                json!({"metadata": {"name": "hello-1"}, "spec": {"template": {"spec": {
                    "containers": [], "volumes": [{"name": "run", "configMap": {"name": "hello-run-1"}}]
                }}}}),
            ),
            _ => failure(404, "NotFound", "gone"),
        }
    });
    clear(&context, run()).await.unwrap();
    let requests = requests.lock().unwrap();
    let deleted: Vec<String> = requests
        .iter()
        .filter(|request| request.starts_with("DELETE"))
        .map(|request| {
            format!(
                "DELETE {}",
                request
                    .split('?')
                    .next()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
            )
        })
        .collect();
    assert_eq!(deleted, expected);
}

#[rstest]
#[case::the_same(Some("60"), 0)]
#[case::changed(Some("30"), 1)]
#[case::new(None, 1)]
#[tokio::test]
async fn a_job_is_told_once_how_long_it_is_kept(#[case] told: Option<&str>, #[case] writes: usize) {
    let (context, requests) = context(|_, _| (200, json!({"metadata": {"name": "hello-1"}})));
    let job = finished_job("hello-1", "2026-01-01T00:00:00Z", told);
    mark(&context, &job, Some(60)).await.unwrap();
    assert_eq!(requests.lock().unwrap().len(), writes);
}
