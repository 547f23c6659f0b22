//! Active learning: rounds by the templates, with deployments `local`, `docker` and `kubernetes`, and one
//! that is fed with the round before.

use std::fs;
use std::path::Path;

use dvre_operator::api::{DvreWorkflow, DvreWorkflowStatus, Reason};
use serde_json::{Value, json};

use crate::examples::run_changed;
use crate::sandbox::Sandbox;
use crate::verdict::{failed, output, steps, succeeded};

/// The image that examples name, for clusters that have no other.
const IMAGE: &str = "docker.io/dvre/runner-sklearn:dev";

/// The image as it was built last.
fn image() -> String {
    std::env::var("DVRE_SKLEARN_IMAGE").unwrap_or_else(|_| IMAGE.to_owned())
}

/// The document of a template, as the gateway gives it to a run.
fn template(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("templates")
        .join(name);
    let text = fs::read_to_string(folder.join(name).with_extension("cwl")).unwrap();
    serde_yaml::from_str(&text.replace("template-image", &image())).unwrap()
}

/// A round, without data unless the inputs have some.
fn round(deployment: &str, inputs: &Value) -> Value {
    let mut spec = json!({
        "cwl": template("train_query"), "inputs": inputs, "deployment": deployment,
        "runner": {"resources": {"requests": {"cpu": "20m", "memory": "128Mi"}}},
    });
    if deployment == "local" {
        spec["runner"]["image"] = json!(image());
    }
    spec
}

fn literal(name: &str, document: &Value) -> Value {
    json!({"class": "File", "basename": name, "contents": document.to_string()})
}

/// A small output that is JSON.
fn document(status: &DvreWorkflowStatus, name: &str) -> Value {
    let contents = output(status, name)["contents"].as_str().unwrap();
    serde_json::from_str(contents).unwrap()
}

/// What a round on the bundled digits must come to, and the samples that it asks for.
fn learned(run: &DvreWorkflow) -> Value {
    let status = succeeded(run);
    assert_eq!(steps(status), [("/al_step", "Succeeded", 1, 1)]);
    let metrics = document(status, "metrics");
    assert_eq!(metrics["round"], 1, "{metrics}");
    assert_eq!(metrics["query_strategy"], "entropy_sampling", "{metrics}");
    assert!(metrics["accuracy"].as_f64().unwrap() > 0.5, "{metrics}");
    let asked = document(status, "query_samples");
    assert_eq!(asked.as_array().unwrap().len(), 7, "{asked}");
    asked
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_round_comes_out_the_same_everywhere() {
    let sandbox = Sandbox::privileged("learn").await;
    let config = json!({"query_strategy": "entropy", "query_batch_size": 7});
    let inputs = json!({"config": literal("config.json", &config)});
    let (local, docker, kubernetes) = tokio::join!(
        sandbox.run_spec("local", round("local", &inputs)),
        sandbox.run_spec("docker", round("docker", &inputs)),
        sandbox.run_spec("kubernetes", round("kubernetes", &inputs)),
    );
    let asked = learned(&local);
    assert_eq!(learned(&docker), asked);
    assert_eq!(learned(&kubernetes), asked);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_round_goes_on_from_the_one_before() {
    let sandbox = Sandbox::new("learn-next").await;
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: rounds}, \
                 spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Mi}}}}";
    sandbox.apply(claim).await;
    let folder = |number: u32| json!({"claimName": "rounds", "subPath": format!("round-{number}")});
    let mut first = round("local", &json!({}));
    first["outputs"] = json!({"persistentVolumeClaim": folder(1)});
    let first = sandbox.run_spec("first", first).await;
    let before = document(succeeded(&first), "metrics");
    let asked = document(succeeded(&first), "query_samples");
    let labels: Vec<Value> = asked
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!({"original_index": one["original_index"], "final_label": one["predicted_label"]}))
        .collect();

    let mut second = round(
        "local",
        &json!({
            "model_in": {"class": "File", "path": "/data/before/model_out.skops"},
            "query_labels": [literal("labels.json", &json!(labels))],
        }),
    );
    second["volumes"] = json!([{"name": "before", "persistentVolumeClaim": folder(1)}]);
    second["outputs"] = json!({"persistentVolumeClaim": folder(2)});
    let second = sandbox.run_spec("second", second).await;
    let after = document(succeeded(&second), "metrics");
    assert_eq!(after["round"], 2, "{after}");
    assert_eq!(after["labeled_samples"], 30, "{after}");
    assert_eq!(after["unlabeled_samples"], 1317, "{after}");
    assert_eq!(after["previous_accuracy"], before["accuracy"], "{after}");
    for one in document(succeeded(&second), "query_samples")
        .as_array()
        .unwrap()
    {
        let index = &one["original_index"];
        assert!(
            labels.iter().all(|label| label["original_index"] != *index),
            "{index}"
        );
    }
}

/// A pickle that would run `echo`, and its name.
const PICKLE: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: models}
binaryData: {model.pkl: gASVHwAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjARlY2hvlIWUUpQu}
";

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_model_that_could_run_code_is_refused() {
    let sandbox = Sandbox::new("learn-bad").await;
    sandbox.apply(PICKLE).await;
    let model = json!({"class": "File", "path": "/data/models/model.pkl"});
    let mut spec = round("local", &json!({"model_in": model}));
    spec["volumes"] = json!([{"name": "models", "configMap": {"name": "models"}}]);
    let run = sandbox.run_spec("bad", spec).await;
    let words = [
        "/al_step",
        "model.pkl looks like a pickle",
        "give the model_out.skops",
    ];
    failed(&run, Reason::StepFailed, &words);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn train_query() {
    let sandbox = Sandbox::new("ex-train").await;
    let here = |manifest: String| manifest.replace(IMAGE, &image());
    // As run(&sandbox, "train-query") would, with the image that was built last.
    let run = run_changed(&sandbox, "train-query", here).await;
    let asked = document(succeeded(&run), "query_samples");
    let indices: Vec<_> = asked
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["original_index"].as_i64().unwrap())
        .collect();
    // Those between two kinds.
    assert_eq!(indices, [1, 4, 6]);
}
