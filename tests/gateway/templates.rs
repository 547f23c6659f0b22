//! Templates: those that come along, and those that the cluster adds.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::COORDINATOR;
use crate::namespace::{LIMIT, Namespace};
use crate::process::{Gateway, id};

const GREETING: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: greeting
  labels: {dvre.io/template: 'true'}
data:
  template.yaml: |
    name: greet
    description: Says hello as it is told.
    cwl: greet.cwl
    outputs: [said]
    config:
      input: config
      defaults: {greeting: Hello}
      aliases: {greeting: [salutation]}
  greet.cwl: |
    cwlVersion: v1.2
    class: CommandLineTool
    baseCommand: cat
    inputs: {config: {type: File, inputBinding: {position: 1}}}
    outputs: {said: {type: stdout}}
";

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_config_map_with_the_label_is_a_template() {
    let namespace = Namespace::new("templates", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    namespace.apply(GREETING).await;
    namespace
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: broken, labels: {dvre.io/template: 'true'}}, data: {}}")
        .await;
    let since = Instant::now();
    let listed = || gateway.get("/dal/templates", &[]).good()["templates"]["greet"].clone();
    while listed().is_null() {
        assert!(since.elapsed() < LIMIT, "the template is not offered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(listed()["inputs"], json!(["config"]));
    let body = json!({
        "project_id": "p", "use_dal_template": true, "dal_workflow_type": "greet",
        "metadata": { "al_config": { "salutation": "Good morning" } },
    });
    let answer = gateway
        .post("/streamflow/submit-project-workflow", &COORDINATOR, &body)
        .good();
    let record = gateway.over(&id(&answer), &[]).await;
    assert_eq!(record["status"], "COMPLETED", "{record}");
    assert_eq!(
        record["outputs"]["said"]["contents"],
        r#"{"greeting":"Good morning"}"#
    );
    assert_eq!(record["dal_info"]["template_type"], "greet");
    let log = gateway.log.lock().unwrap().clone();
    assert!(
        log.contains("not a template") && log.contains("broken"),
        "{log}"
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn each_template_learns() {
    let namespace = Namespace::new("learning", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let submit = |template: &str, deployment: &str| {
        let body = json!({
            "project_id": "p", "use_dal_template": true, "dal_workflow_type": template,
            "deployment": deployment,
            "inputs": { "config": { "query_strategy": "margin_sampling" } },
            "metadata": { "al_config": { "labelingBudget": 3 } },
        });
        id(&gateway
            .post("/streamflow/submit-project-workflow", &COORDINATOR, &body)
            .good())
    };
    let runs = [
        submit("train_query", "local"),
        submit("modal_run", "local"),
        submit("train_query", "kubernetes"),
    ];
    for id in runs {
        let record = gateway.over(&id, &[]).await;
        assert_eq!(record["status"], "COMPLETED", "{record}");
        let metrics = record["outputs"]["metrics"]["contents"].as_str().unwrap();
        let metrics: serde_json::Value = serde_json::from_str(metrics).unwrap();
        assert_eq!(metrics["query_strategy"], "margin_sampling");
        assert_eq!(metrics["queried_samples"], 3);
        // What a session tells of it is what was measured.
        let command = |kind: &str, parameters: &serde_json::Value| {
            let body = json!({"project_id": "p", "command_type": kind, "workflow_id": id,
                "parameters": parameters});
            gateway
                .post("/al-engine/command", &COORDINATOR, &body)
                .good()["data"]
                .clone()
        };
        let session = command("start_querying", &json!({}))["session_id"].clone();
        let session = json!({ "session_id": session });
        assert_eq!(
            command("prompt_training", &session)["accuracy_metrics"],
            metrics
        );
        let queried = command("continue_querying", &session)["queried_samples"].clone();
        assert_eq!(queried.as_array().unwrap().len(), 3, "{queried}");
        assert!(
            queried[0]["sample_id"].is_u64() && queried[0]["uncertainty"].is_f64(),
            "{queried}"
        );
    }
}
