//! Resources, Jobs and pods for tests, as the API server would show them.

#![allow(
    clippy::needless_pass_by_value,
    reason = "values are written in place by every caller"
)]

use std::sync::{Arc, LazyLock, Mutex};

use clap::Parser;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::Context;
use super::observe::{JobState, Observed};
use crate::api::DvreWorkflow;
use crate::metrics::Metrics;
use crate::runner::record::Outcome;
use crate::settings::{RunSettings, Settings};

/// When the resource and its Job were created.
pub const CREATED: &str = "2026-01-01T00:00:00Z";

#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    settings: Settings,
}

/// The settings of an operator without flags.
pub static SETTINGS: LazyLock<RunSettings> =
    LazyLock::new(|| Defaults::parse_from(["test"]).settings.run);

/// A resource with the given spec.
pub fn workflow(spec: Value) -> DvreWorkflow {
    serde_json::from_value(json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": {"name": "hello", "namespace": "lab", "uid": "u-1", "generation": 1, "creationTimestamp": CREATED},
        "spec": spec,
    }))
    .unwrap()
}

/// The seed of all runs: `echo` with a message.
pub fn hello() -> DvreWorkflow {
    workflow(json!({"cwl": echo(), "inputs": {"message": "Hello StreamFlow!"}}))
}

/// The CWL of `echo`.
pub fn echo() -> Value {
    json!({
        "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "echo",
        "inputs": {"message": {"type": "string", "inputBinding": {"position": 1}}},
        "outputs": {"output": {"type": "stdout"}}
    })
}

/// What is observed of a resource `seconds` after its creation, without a Job.
pub fn observed(workflow: &DvreWorkflow, seconds: i64) -> Observed<'_> {
    let created: Timestamp = CREATED.parse().unwrap();
    Observed {
        workflow,
        uid: "u-1",
        deleting: false,
        status: workflow.status.clone().unwrap_or_default(),
        job: JobState::None,
        pod: None,
        outcome: None,
        progress: None,
        trouble: None,
        finalizer: false,
        clean_up: None,
        clean_up_refused: None,
        config_maps: [].into(),
        written: None,
        resumed: None,
        now: created + jiff::SignedDuration::from_secs(seconds),
        settings: &SETTINGS,
    }
}

/// The same with the Job of the first attempt, and a pod with the given status.
pub fn with_pod(workflow: &DvreWorkflow, seconds: i64, status: Option<Value>) -> Observed<'_> {
    let mut observed = observed(workflow, seconds);
    observed.job = JobState::Live(Arc::new(job(json!({}))));
    observed.pod = status.map(|status| Arc::new(pod(&status)));
    observed.outcome = observed
        .pod
        .as_ref()
        .and_then(|pod| Outcome::parse(super::pod::terminated(pod)?.message.as_deref()?));
    observed
}

/// The Job of the first attempt; `extra` is merged in at the top level.
pub fn job(extra: Value) -> Job {
    let mut job = json!({"metadata": {"name": "hello-1", "namespace": "lab", "uid": "j-1", "creationTimestamp": CREATED}});
    merge(&mut job, extra);
    serde_json::from_value(job).unwrap()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// The runner's pod with a status.
pub fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "hello-1-abcde", "namespace": "lab", "uid": "p-1", "creationTimestamp": CREATED},
        "status": status,
    }))
    .unwrap()
}

/// Status of a pod whose runner is in a state.
pub fn runner(state: &Value) -> Value {
    json!({"phase": "Running", "containerStatuses": [
        {"name": "runner", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": state}
    ]})
}

/// Status of a pod whose runner ended with a message.
pub fn ended(code: i32, reason: &str, message: &str) -> Value {
    runner(&json!({"terminated": {
        "exitCode": code, "reason": reason, "message": message,
        "startedAt": "2026-01-01T00:00:02Z", "finishedAt": "2026-01-01T00:00:03Z"
    }}))
}

/// What a client asked for: method, path and query.
pub type Requests = Arc<Mutex<Vec<String>>>;

/// A context with a real client whose API server answers by `answer(method, path and query)`, and
/// the requests it got.
pub fn context(
    answer: impl Fn(&Method, &str) -> (u16, Value) + Send + Sync + 'static,
) -> (Context, Requests) {
    let requests = Requests::default();
    let seen = requests.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let asked = request.uri().path_and_query().unwrap().as_str().to_owned();
        seen.lock()
            .unwrap()
            .push(format!("{} {asked}", request.method()));
        let (status, body) = answer(request.method(), &asked);
        let response = Response::builder()
            .status(StatusCode::from_u16(status).unwrap())
            .body(Body::from(serde_json::to_vec(&body).unwrap()))
            .unwrap();
        futures::future::ready(Ok::<_, std::convert::Infallible>(response))
    });
    let settings = Defaults::parse_from(["test"]).settings;
    let client = Client::new(service, "lab");
    (
        Context::new(client, settings, Arc::new(Metrics::default())),
        requests,
    )
}

/// An answer that says no.
pub fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message});
    (code, status)
}
