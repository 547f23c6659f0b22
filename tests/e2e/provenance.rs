//! The crate that a run leaves on its claim.

use dvre_operator::api::Reason;
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::verdict::{failed, succeeded};

/// A step in a pod of its own, with the given command.
fn spec(command: &str) -> Value {
    json!({
        "deployment": "kubernetes",
        "deployments": [{"name": "kubernetes", "kubernetes": {
            "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        }}],
        "cwl": {
            "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": ["sh", "-c", command],
            "hints": {"DockerRequirement": {"dockerPull": "docker.io/library/busybox:1.37"}},
            "inputs": {"word": "string"},
            "outputs": {"said": {"type": "File", "outputBinding": {"glob": "said.txt"}}},
        },
        "inputs": {"word": "hello"},
        "outputs": {"persistentVolumeClaim": {"claimName": "results", "subPath": "run"}},
    })
}

async fn claim(sandbox: &Sandbox) {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "results"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    });
    sandbox.try_apply(&claim).await.unwrap();
}

/// The entities of the crate on the claim, and the resource in it.
async fn read(sandbox: &Sandbox) -> (Vec<Value>, Value) {
    let script =
        "cd run; cat ro-crate-metadata.json; echo; echo ----; cat .dvre/run-*/resource.yaml";
    let image = sandbox.runner_image("run").await;
    let text = sandbox.on_claim("results", &image, script).await;
    let (metadata, resource) = text.split_once("----").unwrap_or_else(|| panic!("{text}"));
    let metadata: Value = serde_json::from_str(metadata).unwrap();
    let graph = metadata["@graph"].as_array().unwrap().clone();
    (graph, serde_yaml::from_str(resource).unwrap())
}

fn entity<'a>(graph: &'a [Value], id: &str) -> &'a Value {
    let found = graph.iter().find(|entity| entity["@id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {graph:#?}"))
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_crate_has_the_digests_of_all_images() {
    let sandbox = Sandbox::new("provenance").await;
    claim(&sandbox).await;
    let run = sandbox.run_spec("run", spec("echo hello > said.txt")).await;
    succeeded(&run);
    let (graph, resource) = read(&sandbox).await;
    for action in ["#engine", "#job/0"] {
        let image = entity(&graph, action)["containerImage"]["@id"]
            .as_str()
            .unwrap();
        let digest = entity(&graph, image)["sha256"].as_str().unwrap_or_default();
        assert_eq!(digest.len(), 64, "{action}: {graph:#?}");
    }
    assert_eq!(
        entity(&graph, "said.txt")["sha1"],
        "f572d396fae9206628714fb2ce00f72e94f2258f"
    );
    assert_eq!(resource["spec"]["cwl"]["class"], "CommandLineTool");
    assert_eq!(resource["spec"]["inputs"]["word"], "hello");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_failed_run_has_a_crate_as_well() {
    let sandbox = Sandbox::new("provenance-failed").await;
    claim(&sandbox).await;
    let run = sandbox.run_spec("run", spec("exit 7")).await;
    failed(&run, Reason::StepFailed, &["exit code 7"]);
    let (graph, _) = read(&sandbox).await;
    let run = entity(&graph, "#run");
    assert_eq!(run["actionStatus"], "http://schema.org/FailedActionStatus");
    assert!(
        run["error"].as_str().unwrap().contains("exit code 7"),
        "{run}"
    );
}
