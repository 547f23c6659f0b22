use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::document;
use super::fits::{complaints, referred};
use crate::gateway::testing::no_client;
use crate::gateway::{Gateway, record, routes};
use crate::settings::gateway::tests::settings;

/// Method, path and operation.
fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        let methods = methods.filter(|(key, _)| *key != "parameters");
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

/// Every object of the document.
fn visit(value: &'static Value, see: &mut impl FnMut(&'static Value)) {
    match value {
        Value::Object(fields) => {
            see(value);
            fields.values().for_each(|value| visit(value, see));
        }
        Value::Array(items) => items.iter().for_each(|value| visit(value, see)),
        _ => {}
    }
}

fn api(auth: &str) -> Router {
    let arguments = [
        auth,
        "--templates=templates",
        "--template-image=sklearn=example/learn:1",
    ];
    routes::router(&Arc::new(
        Gateway::new(settings(&arguments), no_client()).unwrap(),
    ))
}

async fn ask(api: &Router, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .body(body)
        .unwrap();
    let near = SocketAddr::from(([127, 0, 0, 1], 1));
    request.extensions_mut().insert(ConnectInfo(near));
    let response = api.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The schema of an answer.
fn schema(method: &str, path: &str, status: StatusCode) -> &'static Value {
    let mut operations = operations().into_iter();
    let (_, _, operation) = operations
        .find(|(m, p, _)| m == method && p == path)
        .unwrap();
    let response = &operation["responses"][status.as_str()];
    let response = response["$ref"]
        .as_str()
        .map_or(response, |it| referred(it).unwrap());
    let content = response["content"].as_object();
    let content =
        content.unwrap_or_else(|| panic!("{method} {path} {status} is not in the document"));
    &content.values().next().unwrap()["schema"]
}

#[test]
fn it_has_every_route_and_no_other() {
    let told: BTreeSet<_> = operations().into_iter().map(|(m, p, _)| (m, p)).collect();
    let routes = routes::all().into_iter();
    let there: BTreeSet<_> = routes
        .map(|it| (it.method.to_string(), it.path.to_owned()))
        .collect();
    assert_eq!(told, there);
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
    let mut referred_to = BTreeSet::new();
    visit(document(), &mut |object| {
        if let Some(reference) = object["$ref"].as_str() {
            assert!(referred(reference).is_some(), "{reference}");
            referred_to.insert(reference.to_owned());
        }
    });
    for group in ["schemas", "responses", "parameters"] {
        for name in document()["components"][group].as_object().unwrap().keys() {
            let reference = format!("#/components/{group}/{name}");
            assert!(referred_to.contains(&reference), "nobody uses {reference}");
        }
    }
}

#[tokio::test]
async fn it_says_where_no_proof_is_asked_for() {
    let api = api("--auth=kubernetes");
    for (method, path, operation) in operations() {
        let (status, body) = ask(&api, &method, &path.replace(['{', '}'], ""), None).await;
        let open = operation["security"] == json!([]);
        assert_eq!(
            open,
            status != StatusCode::UNAUTHORIZED,
            "{method} {path}: {status} {body}"
        );
        if method == "POST" || !open {
            assert!(operation["responses"]["401"].is_object(), "{method} {path}");
        }
        let wrong = complaints(schema(&method, &path, status), &body, "");
        assert!(wrong.is_empty(), "{method} {path}: {wrong:?}");
    }
}

#[tokio::test]
async fn answers_that_need_no_cluster_are_as_it_says() {
    let api = api("--auth=trusted-headers");
    let who = json!({"project_id": "p", "user_wallet": "0x1", "user_role": "coordinator", "session_id": "s"});
    let contributor = json!({"project_id": "p", "user_wallet": "0x1"});
    let counts = "/al-engine/session-stats/{project}";
    for (method, path, body, expected) in [
        ("POST", "/users/authenticate", Some(&who), 200),
        ("POST", "/users/authenticate", None, 400),
        ("POST", "/al-engine/assign-samples", Some(&who), 200),
        ("POST", "/al-engine/assign-samples", Some(&contributor), 403),
        ("POST", "/al-engine/submit-labels", Some(&contributor), 200),
        ("POST", "/al-engine/command", Some(&who), 400),
        ("POST", "/streamflow/submit", None, 400),
        ("GET", counts, Some(&who), 200),
        ("GET", "/streamflow/status/{id}", None, 503),
    ] {
        let sent = path.replace(['{', '}'], "");
        let (status, answer) = ask(&api, method, &sent, body.cloned()).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        let wrong = complaints(schema(method, path, status), &answer, "");
        assert!(wrong.is_empty(), "{method} {path}: {wrong:?}");
    }
}

#[test]
fn records_are_as_it_says() {
    let session = json!({
        "session_id": "s", "project_id": "heart", "workflow_id": "id", "status": "waiting_for_labels",
        "current_round": 1, "total_rounds": 10, "created_at": "2026-11-28T00:00:00Z", "query_count": 10,
        "strategy": "margin_sampling", "is_dal_session": true, "client_side_execution": true,
        "instruction_history": [], "labeled_data_count": 3, "accuracy_metrics": {"accuracy": 0.5},
    });
    let metadata = json!({
        "name": "id", "creationTimestamp": "2026-11-28T00:00:00Z", "labels": {"dvre.io/project": "heart"},
        "annotations": {
            "dvre.io/metadata": r#"{"al_config":{"query_strategy":"margin_sampling"}}"#,
            "dvre.io/active-learning": "true", "dvre.io/template": "train_query",
            "dvre.io/sessions": json!([session]).to_string(),
        },
    });
    let status = json!({
        "observedGeneration": 1, "phase": "Cancelled", "reason": "Cancelled", "message": "cancelled", "progress": "0/1",
        "executionEngine": "cwltool", "outputs": {"x": 1}, "startTime": "2026-11-28T00:00:01Z",
        "completionTime": "2026-11-28T00:00:02Z",
        "steps": [{"name": "/", "phase": "Failed", "completed": 0, "total": 1, "exitCode": 1,
            "startTime": "2026-11-28T00:00:01Z", "completionTime": "2026-11-28T00:00:02Z", "message": "why"}],
    });
    let whole = |status: &Value| {
        let run = json!({"metadata": metadata, "spec": {"deployment": "docker"}, "status": status});
        record::whole(&serde_json::from_value(run).unwrap())
    };
    let row = crate::gateway::store::Row {
        metadata: serde_json::from_value(metadata.clone()).unwrap(),
        phase: "Succeeded".to_owned(),
        engine: Some("streamflow".to_owned()),
        deployment: "docker".to_owned(),
    };
    for (name, value) in [
        ("Record", whole(&status)),
        ("Record", whole(&Value::Null)),
        ("Item", record::brief(&row)),
        ("Listed", record::listed(&row)),
        ("ListedOfProject", record::of_project(&row)),
    ] {
        let schema = &document()["components"]["schemas"][name];
        let wrong = complaints(schema, &value, name);
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
