//! The gateway that the chart installs in the development cluster, with the rights that the chart gives it.

use std::mem::ManuallyDrop;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Portforwarder};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::account;
use crate::echo;
use crate::namespace::{Namespace, in_time};

/// Where the chart is installed.
const NAMESPACE: &str = "dvre-system";
const PORT: u16 = 8888;

/// Sends a request through the API server to a pod; the code of its answer, and its body.
async fn ask(pods: &Api<Pod>, pod: &str, request: &str) -> (u16, Value) {
    let mut forwarder: Portforwarder = pods.portforward(pod, &[PORT]).await.unwrap();
    let mut stream = forwarder.take_stream(PORT).unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_installed_gateway_lets_rbac_decide() {
    if std::env::var("CLUSTER").is_ok_and(|cluster| cluster != "dev") {
        eprintln!("only in the development cluster, where hack/deploy installs a gateway");
        return;
    }
    let client = Client::try_default().await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let component = "app.kubernetes.io/component=gateway";
    let found = pods
        .list(&ListParams::default().labels(component))
        .await
        .unwrap();
    let pod = found
        .items
        .first()
        .expect("a pod of the gateway")
        .name_any();
    // It is not this test's to delete.
    let system = ManuallyDrop::new(Namespace {
        client,
        name: NAMESPACE.to_owned(),
    });
    let token = account(&system, "gateway-test", &["create", "get", "list"]).await;
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{headers}\r\n")
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let (code, health) = ask(&pods, &pod, &get("/health", "")).await;
    assert_eq!((code, &health["status"]), (200, &Value::from("healthy")));
    assert_eq!(
        ask(&pods, &pod, &get("/streamflow/workflows", "")).await.0,
        401
    );
    let body = echo("installed").to_string();
    let submit = format!(
        "POST /streamflow/submit HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{bearer}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (code, submitted) = ask(&pods, &pod, &submit).await;
    assert_eq!(code, 200, "{submitted}");
    let id = submitted["workflow_id"].as_str().unwrap();
    let path = format!("/streamflow/status/{id}");
    let over = async {
        loop {
            let (code, record) = ask(&pods, &pod, &get(&path, &bearer)).await;
            assert_eq!(code, 200, "{record}");
            if record["completed_at"].is_string() {
                break record;
            }
        }
    };
    let record = in_time("the workflow", over).await;
    assert_eq!(record["status"], "COMPLETED", "{record}");
    let (code, templates) = ask(&pods, &pod, &get("/dal/templates", "")).await;
    assert_eq!(code, 200);
    assert!(templates["templates"]["train_query"].is_object());
    let runs = system.api::<dvre_operator::api::DvreWorkflow>();
    runs.delete(id, &DeleteParams::default()).await.unwrap();
}
