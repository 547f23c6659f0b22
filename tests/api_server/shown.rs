//! What people see of a resource in lists and in `kubectl explain`.

use dvre_operator::api::DvreWorkflow;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::{address, create, get};

#[tokio::test]
#[ignore = "needs a cluster with the CRD: make e2e"]
async fn a_list_shows_what_matters_first() {
    let namespace = Namespace::new("columns", "restricted").await;
    create(&namespace, "shown", &json!({ "cwl": {} }), "")
        .await
        .unwrap();
    // An operator would say the same.
    let failed = Patch::Merge(json!({ "status": { "phase": "Failed" } }));
    let api: Api<DvreWorkflow> = namespace.api();
    let params = PatchParams::default();
    api.patch_status("shown", &params, &failed).await.unwrap();
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let table = get(&namespace.client, &address(&namespace), table).await;
    let columns = table["columnDefinitions"].as_array().unwrap();
    let name = |column: &Value| column["name"].as_str().unwrap().to_owned();
    let always: Vec<_> = columns
        .iter()
        .filter(|c| c["priority"] == 0)
        .map(name)
        .collect();
    assert_eq!(always, ["Name", "Phase", "Ready", "Progress", "Age"]);
    let wide: Vec<_> = columns
        .iter()
        .filter(|c| c["priority"] != 0)
        .map(name)
        .collect();
    assert_eq!(wide, ["Reason", "Message", "Deployment", "Engine"]);
    let position = columns.iter().position(|column| column["name"] == "Phase");
    assert_eq!(table["rows"][0]["cells"][position.unwrap()], "Failed");
    let kinds = get(
        &namespace.client,
        "/apis/dvre.io/v1alpha1",
        "application/json",
    )
    .await;
    let kinds = kinds["resources"].as_array().unwrap();
    let kind = kinds
        .iter()
        .find(|kind| kind["name"] == "dvreworkflows")
        .unwrap();
    assert_eq!(
        (&kind["shortNames"], &kind["categories"]),
        (&json!(["dwf"]), &json!(["dvre"]))
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the CRD: make e2e"]
async fn every_field_is_explained() {
    let client = Client::try_default()
        .await
        .expect("KUBECONFIG must name a cluster");
    let document = get(
        &client,
        "/openapi/v3/apis/dvre.io/v1alpha1",
        "application/json",
    )
    .await;
    let schema = &document["components"]["schemas"]["io.dvre.v1alpha1.DvreWorkflow"];
    let (mut fields, mut silent) = (Vec::new(), Vec::new());
    for part in ["spec", "status"] {
        walk(part, &schema["properties"][part], &mut |path, schema| {
            let description = schema["description"].as_str();
            if description.is_none_or(str::is_empty) {
                silent.push(path.to_owned());
            }
            fields.push(path.to_owned());
        });
    }
    for deep in [
        "spec.cwlFrom.configMap.items.path",
        "spec.runner.env.valueFrom",
        "status.steps.exitCode",
    ] {
        assert!(
            fields.iter().any(|field| field == deep),
            "{deep} was not looked at"
        );
    }
    assert!(silent.is_empty(), "without a description: {silent:?}");
}

/// Visits a schema and all that is below it.
fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    let parts = [schema, &schema["items"], &schema["additionalProperties"]];
    for properties in parts
        .iter()
        .filter_map(|part| part["properties"].as_object())
    {
        for (name, field) in properties {
            walk(&format!("{path}.{name}"), field, visit);
        }
    }
}
