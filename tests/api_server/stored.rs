//! What is stored, and what no longer changes there.

use dvre_operator::api::DvreWorkflow;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::{address, create, get, tool, workflow};

#[tokio::test]
#[ignore = "needs a cluster with the CRD: make e2e"]
async fn documents_and_inputs_are_stored_as_they_are() {
    let namespace = Namespace::new("stored", "restricted").await;
    let value = json!({
        "float": 1.5, "small": 1e-9, "integer": 9_007_199_254_740_993_i64, "negative": -3,
        "null": null, "list": [null, 1, 2.5, "text", true, {}, []], "deep": { "null": null, "empty": {} },
        "$graph": [], "$namespaces": { "a.b": "c" }, "http://example.org/key#x": "y", "": "no name",
        "text": "$(inputs.x) ${ return null; } \u{1F9EC} \u{0} ",
    });
    let mut cwl = tool();
    cwl["doc"] = value.clone();
    let created = create(
        &namespace,
        "stored",
        &json!({ "cwl": cwl, "inputs": value }),
        "",
    )
    .await
    .unwrap();
    assert_eq!(
        created["status"],
        json!({ "observedGeneration": -1 }),
        "not seen by an operator yet"
    );
    assert_eq!(created["spec"]["deployment"], "local");
    let stored = get(
        &namespace.client,
        &format!("{}/stored", address(&namespace)),
        "application/json",
    )
    .await;
    for object in [created, stored] {
        assert_eq!(object["spec"]["inputs"], value);
        assert_eq!(object["spec"]["cwl"]["doc"], value);
    }
    // `kubectl apply --server-side` goes another way.
    let applied = workflow("applied", &json!({ "cwl": tool(), "inputs": value }));
    let applied = namespace.try_apply(&applied).await.unwrap();
    assert_eq!(applied.data["spec"]["inputs"], value);
}

#[tokio::test]
#[ignore = "needs a cluster with the CRD: make e2e"]
async fn the_outcome_of_a_run_is_immutable() {
    let namespace = Namespace::new("outcome", "restricted").await;
    let api: Api<DvreWorkflow> = namespace.api();
    // An operator would refuse this, so nobody is of another opinion about its phase.
    create(&namespace, "over", &json!({ "cwl": {} }), "")
        .await
        .unwrap();
    let params = PatchParams::default();
    let status = |status: Value| Patch::Merge(json!({ "status": status }));
    api.patch_status("over", &params, &status(json!({ "phase": "Failed" })))
        .await
        .unwrap();
    for phase in [json!("Running"), json!("Succeeded"), Value::Null] {
        let error = api
            .patch_status("over", &params, &status(json!({ "phase": phase })))
            .await;
        let error = error.map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("the outcome of a run is immutable"),
            "{error}"
        );
    }
    let unknown = status(json!({ "phase": "Exploded" }));
    let error = api
        .patch_status("over", &params, &unknown)
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("Unsupported value"), "{error}");
    // The status is written through its own subresource only.
    let patch = Patch::Merge(json!({ "status": { "message": "by the back door" } }));
    let patched = api.patch("over", &params, &patch).await.unwrap();
    assert_ne!(
        patched.status.unwrap().message.as_deref(),
        Some("by the back door")
    );
    for (selector, expected) in [("status.phase=Failed", 1), ("status.phase!=Failed", 0)] {
        let found = api
            .list(&ListParams::default().fields(selector))
            .await
            .unwrap();
        assert_eq!(found.items.len(), expected, "{selector}");
    }
}
