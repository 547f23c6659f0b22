//! An operator that is asked to end while the API server, made up here, does not answer.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::IntoResponse;
use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::api::Api;
use crate::namespace::in_time;
use crate::operator::Operator;

/// An operator whose API server has one workflow and never answers a write, and who is told of a write.
/// `lists` says whether lists are answered.
async fn operator(lists: bool) -> (Operator, Arc<Notify>, Api) {
    let written = Arc::new(Notify::new());
    let seen = written.clone();
    let api = Api::serve(move |request: Request| {
        let seen = seen.clone();
        async move {
            let watches = request.uri().query().unwrap_or_default().contains("watch=");
            if request.method() != Method::GET {
                seen.notify_one();
            } else if lists && !watches {
                return list(request.uri().path()).to_string().into_response();
            }
            std::future::pending().await
        }
    })
    .await;
    let arguments = ["run", "--watch-namespace=lab"].map(str::to_owned);
    let operator = Operator::start("stopping", &arguments, Some(api.kubeconfig()));
    (operator, written, api)
}

fn list(path: &str) -> Value {
    let workflow = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": {"name": "w", "namespace": "lab", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"cwl": {}},
    });
    let all = path.ends_with("/dvreworkflows");
    let items: Vec<Value> = all.then_some(workflow).into_iter().collect();
    json!({ "metadata": { "resourceVersion": "1" }, "items": items })
}

#[tokio::test]
async fn before_the_first_lists_arrived_it_ends_at_once() {
    let (mut operator, _, _api) = operator(false).await;
    in_time("it starts", operator.logs("operator starts")).await;
    operator.signal(Signal::TERM);
    let ended = in_time("it ends", operator.ended()).await;
    assert!(ended.success(), "{ended}: {}", operator.log());
    assert!(!operator.log().contains("takes too long"));
}

#[tokio::test]
async fn work_under_way_is_waited_for_unless_asked_a_second_time() {
    let (mut operator, written, _api) = operator(true).await;
    in_time("a request is under way", written.notified()).await;
    operator.signal(Signal::TERM);
    in_time("it is asked", operator.logs("finishes what is under way")).await;
    operator.signal(Signal::TERM);
    let ended = in_time("it ends", operator.ended()).await;
    assert_eq!(ended.code(), Some(1), "{}", operator.log());
    assert!(operator.log().contains("asked a second time"));
}

#[tokio::test]
async fn work_that_hangs_is_left_in_time() {
    let (mut operator, written, _api) = operator(true).await;
    in_time("a request is under way", written.notified()).await;
    operator.signal(Signal::TERM);
    let ended = in_time("it ends", operator.ended()).await;
    assert!(ended.success(), "{ended}: {}", operator.log());
    assert!(operator.log().contains("takes too long"));
}
