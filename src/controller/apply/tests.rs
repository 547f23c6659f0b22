//! How children and status are written when the API server says something else than yes.

use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::controller::fixtures::{context, failure, hello, observed};
use crate::controller::plan::plan;

/// The last part of a path.
fn last(path: &str) -> &str {
    path.split('?').next().unwrap().rsplit('/').next().unwrap()
}

/// A child as the server has it, controlled by a DvreWorkflow of a uid, or by nobody.
fn child(name: &str, owner: Option<&str>) -> Value {
    let owners = owner.map(|uid| {
        json!([{"apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow", "name": "hello", "uid": uid, "controller": true}])
    });
    json!({"metadata": {"name": name, "namespace": "lab", "uid": "c-1", "annotations": {"dvre.io/workflow": "hello"},
        "ownerReferences": owners}})
}

/// Says yes to the ConfigMap, and that the Job is there already, belonging to `owner`.
fn job_exists(owner: Option<&'static str>) -> impl Fn(&Method, &str) -> (u16, Value) {
    move |method, path| match (method.as_str(), last(path)) {
        ("POST", "configmaps") => (201, child("hello-run", Some("u-1"))),
        ("POST", "jobs") => failure(
            409,
            "AlreadyExists",
            "jobs.batch \"hello-1\" already exists",
        ),
        ("GET", "hello-1") => (200, child("hello-1", owner)),
        ("DELETE", _) => failure(404, "NotFound", "there is none"),
        _ => (201, json!({"metadata": {"name": "event"}})),
    }
}

async fn launched(
    answer: impl Fn(&Method, &str) -> (u16, Value) + Send + Sync + 'static,
) -> (Result<Plan, Error>, Vec<String>) {
    let (context, requests) = context(answer);
    let workflow = hello();
    let observed = observed(&workflow, 0);
    let plan = apply(&context, &observed, plan(&observed)).await;
    let requests = requests.lock().unwrap().clone();
    (plan, requests)
}

#[tokio::test]
async fn a_launch_takes_two_writes_and_an_event() {
    let (plan, requests) = launched(|_, _| (201, child("hello-1", Some("u-1")))).await;
    assert!(matches!(plan.unwrap(), Plan::Follow(view) if view.quiet));
    assert_eq!(
        requests,
        [
            "POST /api/v1/namespaces/lab/configmaps?&fieldManager=dvre-operator",
            "POST /apis/batch/v1/namespaces/lab/jobs?&fieldManager=dvre-operator",
            "POST /apis/events.k8s.io/v1/namespaces/lab/events?",
        ]
    );
}

#[tokio::test]
async fn our_own_job_of_before_a_crash_counts_as_created() {
    let (plan, requests) = launched(job_exists(Some("u-1"))).await;
    assert!(matches!(plan.unwrap(), Plan::Follow(_)));
    assert_eq!(
        requests
            .iter()
            .filter(|request| request.starts_with("POST") && request.contains("/jobs?"))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_foreign_job_is_never_touched() {
    let (plan, requests) = launched(job_exists(None)).await;
    let Plan::Reject(cause) = plan.unwrap() else {
        panic!("not refused")
    };
    assert_eq!(cause.reason, Reason::NameConflict);
    let changed: Vec<_> = requests
        .iter()
        .filter(|request| request.starts_with("PATCH") || request.starts_with("DELETE"))
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(
        changed[0].starts_with("DELETE /api/v1/namespaces/lab/configmaps/hello-run-"),
        "only what was made for the run goes: {changed:?}"
    );
}

#[tokio::test]
async fn a_job_of_an_earlier_resource_of_this_name_is_waited_for() {
    let (plan, _) = launched(job_exists(Some("u-0"))).await;
    assert!(matches!(plan, Err(Error::Stale { .. })));
}

#[rstest]
#[case::quota(
    403,
    "Forbidden",
    "exceeded quota: count/jobs.batch",
    Reason::QuotaExceeded
)]
#[case::policy(403, "Forbidden", "denied by policy", Reason::ChildRefused)]
#[tokio::test]
async fn what_may_pass_later_is_held(
    #[case] code: u16,
    #[case] status: &'static str,
    #[case] message: &'static str,
    #[case] reason: Reason,
) {
    let (plan, _) = launched(move |_, _| failure(code, status, message)).await;
    assert!(matches!(plan.unwrap(), Plan::Hold(cause, _) if cause.reason == reason));
}

#[tokio::test]
async fn what_can_never_pass_is_refused() {
    let (plan, _) = launched(|method, _| match *method {
        Method::POST => failure(422, "Invalid", "spec.template: Invalid value"),
        _ => failure(404, "NotFound", "there is none"),
    })
    .await;
    assert!(matches!(plan.unwrap(), Plan::Reject(cause) if cause.reason == Reason::ChildRefused));
}

#[tokio::test]
async fn trouble_of_the_server_is_tried_again() {
    let (plan, _) = launched(|_, _| failure(500, "InternalError", "etcd")).await;
    assert!(matches!(plan, Err(Error::Kube(_))));
}

#[tokio::test]
async fn a_launch_goes_on_without_its_event() {
    let (plan, _) = launched(|_, path| match last(path) {
        "events" => failure(403, "Forbidden", "no"),
        _ => (201, child("hello-1", Some("u-1"))),
    })
    .await;
    assert!(matches!(plan.unwrap(), Plan::Follow(_)));
}

fn rejected() -> Plan {
    Plan::Reject(Trouble {
        reason: Reason::InvalidWorkflow,
        message: "m".to_owned(),
    })
}

#[tokio::test]
async fn an_unchanged_status_is_not_written() {
    let (context, requests) = context(|_, _| (200, json!({})));
    let workflow = hello();
    let mut observed = observed(&workflow, 0);
    let status = crate::controller::status::status(&observed, &rejected()).unwrap();
    observed.status = status.clone();
    write_status(&context, &observed, status).await.unwrap();
    assert!(requests.lock().unwrap().is_empty());
}

#[rstest]
#[case::deleted(404, "NotFound", "not found")]
#[case::deleted_and_created_anew(
    422,
    "Invalid",
    "the server rejected our request due to an error in our request"
)]
#[tokio::test]
async fn the_status_of_a_resource_that_is_gone_is_dropped(
    #[case] code: u16,
    #[case] reason: &'static str,
    #[case] message: &'static str,
) {
    let (context, _) = context(move |_, _| failure(code, reason, message));
    let workflow = hello();
    let observed = observed(&workflow, 0);
    let status = crate::controller::status::status(&observed, &rejected()).unwrap();
    write_status(&context, &observed, status).await.unwrap();
}

#[tokio::test]
async fn a_status_that_could_not_be_written_is_not_remembered_as_written() {
    let (context, _) = context(|method, _| {
        if method == Method::PATCH {
            failure(500, "InternalError", "etcd")
        } else {
            (201, json!({"metadata": {}}))
        }
    });
    let workflow = hello();
    let _ = context.memory.recall("u-1");
    let observed = observed(&workflow, 0);
    let status = crate::controller::status::status(&observed, &rejected()).unwrap();
    assert!(write_status(&context, &observed, status).await.is_err());
    assert!(context.memory.recall("u-1").status.is_none());
}
