//! What is refused, at creation and later.

use std::collections::BTreeSet;

use dvre_operator::api::DvreWorkflow;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use crate::namespace::Namespace;
use crate::{create, table, tool, workflow};

/// Fields of spec that may change, with a value for each.
fn mutable() -> [(&'static str, Value); 3] {
    [
        ("suspend", json!(true)),
        ("cancel", json!(true)),
        ("ttlSecondsAfterFinished", json!(60)),
    ]
}

#[tokio::test]
#[ignore = "needs a cluster with the CRD: make e2e"]
async fn what_is_wrong_is_refused_in_words() {
    let namespace = Namespace::new("refusals", "restricted").await;
    let base = json!({ "cwl": tool() });
    create(&namespace, "base", &base, "&dryRun=All")
        .await
        .expect("the base is right");
    let mut wrong = Vec::new();
    for (patch, words) in table::refusals() {
        let mut spec = base.clone();
        merge(&mut spec, &patch);
        let answer = create(&namespace, "wrong", &spec, "&dryRun=All").await;
        match (answer, words) {
            (Ok(_), "") => {}
            (Ok(_), words) => wrong.push(format!("accepted, not refused with {words:?}: {patch}")),
            (Err(error), "") => wrong.push(format!("refused: {patch}: {error}")),
            (Err(error), words) if error.to_string().contains(words) => {}
            (Err(error), words) => wrong.push(format!("no {words:?} in: {patch}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A merge patch: null removes.
fn merge(value: &mut Value, patch: &Value) {
    let (Value::Object(value), Value::Object(patch)) = (value, patch) else {
        panic!("only objects are merged");
    };
    for (key, new) in patch {
        if new.is_null() {
            value.remove(key);
        } else {
            value.insert(key.clone(), new.clone());
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the CRD: make e2e"]
async fn every_field_is_immutable_except_three() {
    let namespace = Namespace::new("immutable", "restricted").await;
    let fields = table::two_values();
    let mutable = mutable();
    let crds: Api<CustomResourceDefinition> = Api::all(namespace.client.clone());
    let crd = serde_json::to_value(crds.get("dvreworkflows.dvre.io").await.unwrap()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let known: BTreeSet<_> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let tested: BTreeSet<_> = fields
        .iter()
        .map(|(field, ..)| *field)
        .chain(mutable.iter().map(|(field, _)| *field))
        .collect();
    assert_eq!(tested, known, "each field of spec must be tried");

    let whole: Map<String, Value> = fields
        .iter()
        .filter(|(field, ..)| !["cwlFrom", "streamflowFrom"].contains(field))
        .map(|(field, value, _)| ((*field).to_owned(), value.clone()))
        .collect();
    namespace
        .apply(&workflow("whole", &Value::Object(whole)).to_string())
        .await;
    let value = |name: &str| {
        let mut found = fields.iter().filter(|(field, ..)| *field == name);
        &found.next().unwrap().1
    };
    // What excludes other fields stands alone.
    let bare = json!({ "cwlFrom": value("cwlFrom") });
    let filed = json!({ "cwlFrom": value("cwlFrom"), "streamflowFrom": value("streamflowFrom") });
    for (name, spec) in [("bare", bare), ("filed", filed)] {
        namespace.apply(&workflow(name, &spec).to_string()).await;
    }

    for (field, _, other) in &fields {
        let whole = match *field {
            "streamflowFrom" => "filed",
            _ => "whole",
        };
        let changes = [
            ("bare", json!({ *field: other })),
            (whole, json!({ *field: other })),
            (whole, json!({ *field: null })),
        ];
        for (name, spec) in changes {
            if *field == "cwlFrom" && spec[field].is_null() {
                continue;
            }
            let error = change(&namespace, name, spec)
                .await
                .map(|_| ())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("{field} is immutable")),
                "{name}, {field}: {error}"
            );
        }
    }
    let error = change(
        &namespace,
        "bare",
        json!({ "cwlFrom": null, "cwl": tool() }),
    )
    .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("cwlFrom is immutable")
    );
    for (field, value) in &mutable {
        for name in ["bare", "whole"] {
            let changed = change(&namespace, name, json!({ *field: value })).await;
            changed.unwrap_or_else(|error| panic!("{field} may change: {error}"));
        }
    }
}

/// Changes a spec without effect, to see whether the API server would let it pass.
async fn change(namespace: &Namespace, name: &str, spec: Value) -> kube::Result<DvreWorkflow> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    namespace
        .api()
        .patch(name, &PatchParams::default().dry_run(), &patch)
        .await
}
