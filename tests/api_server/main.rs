//! What the API server of the cluster that KUBECONFIG names makes of the CustomResourceDefinition:
//! which resources it takes, in which words it refuses others, and how it shows them. An operator may
//! run there or not. `make e2e` installs the definition and runs these tests.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "../e2e/namespace.rs"]
mod namespace;
mod refusals;
mod shown;
mod stored;
mod table;

use dvre_operator::api::DvreWorkflow;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use kube::Client;
use serde_json::{Value, json};

use namespace::Namespace;

/// The smallest tool.
fn tool() -> Value {
    json!({ "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true", "inputs": {}, "outputs": {} })
}

fn workflow(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": { "name": name }, "spec": spec,
    })
}

/// The address of the resources of a namespace.
fn address(namespace: &Namespace) -> String {
    namespace.api::<DvreWorkflow>().resource_url().to_owned()
}

/// Creates a resource as `kubectl create` does, and returns what the API server made of it.
async fn create(
    namespace: &Namespace,
    name: &str,
    spec: &Value,
    options: &str,
) -> kube::Result<Value> {
    let request = Request::post(format!(
        "{}?fieldValidation=Strict{options}",
        address(namespace)
    ))
    .header(CONTENT_TYPE, "application/json")
    .body(workflow(name, spec).to_string().into_bytes());
    namespace
        .client
        .request(request.expect("a request must be well-formed"))
        .await
}

async fn get(client: &Client, path: &str, accept: &str) -> Value {
    let request = Request::get(path)
        .header(ACCEPT, accept)
        .body(Vec::new())
        .unwrap();
    client
        .request(request)
        .await
        .expect("the API server must answer")
}
