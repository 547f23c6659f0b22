//! What the documentation of the original server shows, word for word.

use dvre_operator::api::{DvreWorkflow, Phase};

use crate::namespace::Namespace;
use crate::process::{Gateway, id};
use crate::{COORDINATOR, echo};

const HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "application/json"),
    ("X-User-Wallet", "0x123..."),
    ("X-User-Role", "coordinator"),
];

const BASIC: &str = r#"{
    "cwl_workflow": {
      "cwlVersion": "v1.0",
      "class": "CommandLineTool",
      "baseCommand": "echo",
      "inputs": {"message": {"type": "string", "inputBinding": {"position": 1}}},
      "outputs": {"output": {"type": "stdout"}}
    },
    "inputs": {"message": "Hello StreamFlow!"},
    "deployment": "local"
  }"#;

const LEARNING: &str = r#"{
    "project_id": "test-project",
    "use_dal_template": true,
    "dal_workflow_type": "train_query",
    "deployment": "docker",
    "metadata": {
      "al_config": {
        "query_strategy": "uncertainty_sampling",
        "query_budget": 10
      }
    }
  }"#;

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_first_example_says_hello() {
    let namespace = Namespace::new("seed", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let answer = gateway
        .send("POST", "/streamflow/submit", &HEADERS, BASIC)
        .good();
    assert_eq!(answer["execution_engine"], "streamflow");
    assert_eq!(answer["deployment"], "local");
    assert_eq!(
        answer["execution_model"],
        "server_orchestrates_client_executes"
    );
    let id = id(&answer);
    let record = gateway.over(&id, &[]).await;
    assert_eq!(record["status"], "COMPLETED", "{record}");
    assert_eq!(
        record["outputs"]["output"]["contents"],
        "Hello StreamFlow!\n"
    );
    let text: serde_json::Value = serde_json::from_str(record["output"].as_str().unwrap()).unwrap();
    assert_eq!(text, record["outputs"]);
    assert_eq!(record["phase"], "basic");
    assert!(record["completed_at"].as_str().unwrap().ends_with('Z'));
    // The same truth by the cluster's own means.
    let run = namespace.api::<DvreWorkflow>().get(&id).await.unwrap();
    assert_eq!(run.status.unwrap().phase, Some(Phase::Succeeded));
    let listed = gateway.get("/streamflow/workflows", &[]).good();
    assert_eq!(listed["total_workflows"], 1);
    assert_eq!(listed["workflows"][0]["workflow_id"], id.as_str());
    assert_eq!(listed["workflows"][0]["status"], "COMPLETED");
    assert_eq!(listed["workflows"][0]["execution_engine"], "streamflow");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_second_example_learns_in_docker() {
    let namespace = Namespace::new("seed-docker", "privileged").await;
    let gateway = Gateway::trusting(&namespace);
    let path = "/streamflow/submit-project-workflow";
    let answer = gateway.send("POST", path, &HEADERS, LEARNING).good();
    assert_eq!(answer["dal_template_used"], "train_query");
    assert_eq!(answer["is_dal_workflow"], true);
    assert_eq!(
        answer["server_role"],
        "streamflow_orchestration_and_coordination"
    );
    let record = gateway.over(&id(&answer), &[]).await;
    assert_eq!(record["status"], "COMPLETED", "{record}");
    assert_eq!(record["deployment"], "docker");
    assert_eq!(record["dal_info"]["execution_complete"], true);
    let metrics = record["outputs"]["metrics"]["contents"].as_str().unwrap();
    let metrics: serde_json::Value = serde_json::from_str(metrics).unwrap();
    assert!(metrics["accuracy"].as_f64().unwrap() > 0.3, "{metrics}");
}

/// What was applied by other means is there, too.
#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn what_kubectl_applied_is_shown() {
    let namespace = Namespace::new("seed-kubectl", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let spec = echo("from kubectl");
    let run = serde_json::json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": { "name": "by-hand", "labels": { "dvre.io/project": "heart" } },
        "spec": { "cwl": spec["cwl_workflow"], "inputs": spec["inputs"] },
    });
    namespace.try_apply(&run).await.unwrap();
    let record = gateway.over("by-hand", &[]).await;
    assert_eq!(record["status"], "COMPLETED");
    assert_eq!(record["project_id"], "heart");
    let of_project = gateway
        .get("/streamflow/projects/heart/workflows", &COORDINATOR)
        .good();
    assert_eq!(of_project["total_count"], 1);
    assert_eq!(of_project["workflows"][0]["workflow_id"], "by-hand");
}
