//! The scripts that came with the original server: the one for StreamFlow as an example, and the calls of
//! the others.

use std::process::Command;

use serde_json::json;

use crate::namespace::Namespace;
use crate::process::{Gateway, id};
use crate::{COORDINATOR, echo};

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_integration_script_passes() {
    let namespace = Namespace::new("script", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/test_streamflow_integration.sh"
    );
    let output = Command::new(script)
        .env("BASE_URL", format!("{}/streamflow", gateway.address))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("All tests passed"), "{text}");
}

/// `test_orchestration_server.sh`
#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_server_script_would_pass() {
    let namespace = Namespace::new("script-server", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    assert!(gateway.get("/", &[]).good()["message"].is_string());
    let yaml = serde_yaml::to_string(&echo("x")["cwl_workflow"]).unwrap();
    let body = json!({"cwl_workflow": yaml, "inputs": {"message": "as YAML"}});
    let first = id(&gateway.post("/streamflow/submit", &[], &body).good());
    let anything = json!({"cwl_workflow": "any string"});
    gateway
        .post(
            "/streamflow/submit",
            &[("Content-Type", "text/plain")],
            &anything,
        )
        .good();
    assert_eq!(gateway.over(&first, &[]).await["status"], "COMPLETED");
    let count = || gateway.get("/streamflow/workflows", &[]).good()["total_workflows"].clone();
    assert_eq!(count(), 2);
    assert_eq!(gateway.get("/streamflow/status/no-such-id", &[]).code, 404);
    let nothing = gateway.post("/streamflow/submit", &[], &json!({"inputs": {}}));
    assert_eq!(nothing.code, 400);
    std::thread::scope(|scope| {
        for index in 0..5 {
            let (gateway, text) = (&gateway, format!("performance-test-workflow-{index}"));
            scope.spawn(move || {
                let body = json!({"cwl_workflow": text});
                gateway.post("/streamflow/submit", &[], &body).good();
            });
        }
    });
    assert_eq!(count(), 7);
}

/// `test_compliant_architecture.sh`, `test_dal_templates.sh`, `test_multiuser.sh`
#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_other_scripts_get_answers() {
    let namespace = Namespace::new("script-others", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    for path in [
        "/",
        "/dal/templates",
        "/streamflow/workflows",
        "/al-engine/sessions",
    ] {
        gateway.get(path, &[]).good();
    }
    assert!(gateway.get("/", &[]).good()["dal_features"].is_object());
    let who = json!({"user_wallet": "0xAA", "user_role": "coordinator", "project_id": "multi"});
    gateway.post("/users/authenticate", &[], &who).good();
    let mut body = who.clone();
    body["use_dal_template"] = json!(true);
    body["dal_workflow_type"] = json!("modal_run");
    body["metadata"] = json!({"project_title": "Multi", "al_config": {"labelingBudget": 3}});
    let id = id(&gateway
        .post("/streamflow/submit-project-workflow", &[], &body)
        .good());
    let learning = gateway
        .get("/streamflow/workflows?dal_only=true", &[])
        .good();
    assert_eq!(learning["workflows"][0]["workflow_id"], id.as_str());
    let mut command = who.clone();
    command["command_type"] = json!("start_querying");
    command["workflow_id"] = json!(id);
    let started = gateway.post("/al-engine/command", &[], &command).good();
    assert_eq!(started["data"]["is_dal_session"], true);
    assert_eq!(started["data"]["client_instruction"]["command"], "query");
    let mut assignment = who.clone();
    assignment["session_id"] = started["data"]["session_id"].clone();
    assignment["assignments"] = json!([{"contributor_wallet": "0xBB", "sample_ids": [1]}]);
    let assigned = gateway
        .post("/al-engine/assign-samples", &[], &assignment)
        .good();
    assert_eq!(assigned["status"], "redirected_to_smart_contract");
    assert_eq!(assigned["assignment_count"], 1);
    let labels = json!({"user_wallet": "0xBB", "user_role": "contributor", "project_id": "multi",
        "labeled_samples": [{}, {}]});
    let labels = gateway
        .post("/al-engine/submit-labels", &[], &labels)
        .good();
    assert_eq!(labels["sample_count"], 2);
    let denied = gateway.post("/al-engine/submit-labels", &[], &who);
    assert_eq!(denied.code, 403);
    let path = "/al-engine/session-stats/multi";
    let stats = gateway.send("GET", path, &[], &who.to_string()).good();
    assert_eq!(stats["orchestrator_metadata"]["user_role"], "coordinator");
    for path in ["/users/my-projects", "/users/project-info/multi"] {
        gateway.send("GET", path, &[], &who.to_string()).good();
    }
    let stats = gateway
        .get("/streamflow/projects/multi/workflows", &COORDINATOR)
        .good();
    assert_eq!(stats["active_sessions"], 1);
}
