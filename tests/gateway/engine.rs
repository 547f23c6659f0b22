//! Querying sessions and their commands.

use dvre_operator::api::DvreWorkflow;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::process::{Answer, Gateway, id};
use crate::{COORDINATOR, echo};

const CONTRIBUTOR: [(&str, &str); 2] = [("X-User-Wallet", "0x2"), ("X-User-Role", "contributor")];

fn submit(gateway: &Gateway, document: &Value) -> String {
    let body = json!({
        "project_id": "heart", "cwl_workflow": document,
        "metadata": { "al_config": { "queryStrategy": "margin_sampling", "maxIterations": 7 } },
    });
    let answer = gateway.post("/streamflow/submit-project-workflow", &COORDINATOR, &body);
    id(&answer.good())
}

fn command(
    gateway: &Gateway,
    who: &[(&str, &str)],
    kind: &str,
    id: &str,
    parameters: &Value,
) -> Answer {
    let body = json!({
        "project_id": "heart", "command_type": kind, "workflow_id": id, "parameters": parameters,
    });
    gateway.post("/al-engine/command", who, &body)
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_session_goes_its_way() {
    let namespace = Namespace::new("sessions", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let mut slow = echo("x")["cwl_workflow"].clone();
    slow["baseCommand"] = json!(["sleep", "600"]);
    slow["inputs"] = json!({});
    let id = submit(&gateway, &slow);
    let ask =
        |kind: &str, parameters: Value| command(&gateway, &COORDINATOR, kind, &id, &parameters);
    let started = ask("start_querying", json!({"query_count": 5})).good();
    assert_eq!(started["status"], "accepted");
    assert_eq!(started["data"]["strategy"], "margin_sampling");
    let session = started["data"]["session_id"].as_str().unwrap().to_owned();
    let named = json!({ "session_id": session });
    let continued = ask("continue_querying", named.clone()).good();
    assert_eq!(continued["data"]["current_round"], 2);
    let trained = ask("prompt_training", named.clone()).good();
    assert_eq!(
        trained["data"]["accuracy_metrics"],
        Value::Null,
        "nothing is invented"
    );
    let labels = json!({ "session_id": session, "labeled_samples": [1, 2, 3] });
    let labelled = command(&gateway, &CONTRIBUTOR, "submit_labels", &id, &labels).good();
    assert_eq!(labelled["data"]["total_labeled_samples"], 3);
    let detail = gateway
        .get(&format!("/al-engine/sessions/heart/{session}"), &[])
        .good();
    assert_eq!(detail["status"], "waiting_for_labels");
    assert_eq!(
        (&detail["total_rounds"], &detail["query_count"]),
        (&json!(7), &json!(5))
    );
    assert_eq!(detail["sample_progress"]["labeled_count"], 3);
    let all = gateway.get("/al-engine/sessions", &[]).good();
    assert_eq!(
        (&all["total_sessions"], &all["total_projects"]),
        (&json!(1), &json!(1))
    );
    // Whoever looks at the resource sees it, too.
    let run = namespace.api::<DvreWorkflow>().get(&id).await.unwrap();
    assert!(run.annotations()["dvre.io/sessions"].contains(&session));
    let record = gateway.get(&format!("/streamflow/status/{id}"), &[]).good();
    assert_eq!(record["sessions"], json!([session]));
    let denied = command(&gateway, &CONTRIBUTOR, "terminate_project", &id, &json!({}));
    assert!(
        denied
            .error(403)
            .contains("does not have permission 'terminate_project'")
    );
    assert_eq!(denied.json()["status"], "failed");
    let ended = ask("terminate_project", json!({})).good();
    assert_eq!(ended["data"]["sessions_removed"], 1);
    let record = gateway.over(&id, &[]).await;
    assert_eq!(
        (&record["status"], &record["phase"]),
        (&json!("TERMINATED"), &json!("terminated"))
    );
    assert_eq!(record["error"], Value::Null);
    assert!(record["terminated_at"].is_string());
    let late = ask("start_querying", json!({}));
    assert_eq!(
        late.error(400),
        "Workflow not ready for runtime orchestration"
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_wrong_command_says_why() {
    let namespace = Namespace::new("commands", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let id = submit(&gateway, &echo("x")["cwl_workflow"]);
    let ask =
        |kind: &str, parameters: Value| command(&gateway, &COORDINATOR, kind, &id, &parameters);
    assert_eq!(ask("", json!({})).error(400), "command_type is required");
    assert_eq!(
        ask("dance", json!({})).error(400),
        "Unknown command_type: dance"
    );
    assert_eq!(
        ask("continue_querying", json!({})).error(400),
        "session_id is required"
    );
    let unknown = ask("continue_querying", json!({"session_id": "none"}));
    assert_eq!(unknown.error(404), "Session not found");
    let other = command(
        &gateway,
        &COORDINATOR,
        "start_querying",
        "unknown",
        &json!({}),
    );
    assert_eq!(other.error(404), "Workflow not found");
    let basic = gateway.post("/streamflow/submit", &[], &echo("x")).good();
    let body = json!({"project_id": "heart", "command_type": "start_querying",
        "workflow_id": basic["workflow_id"]});
    let foreign = gateway.post("/al-engine/command", &COORDINATOR, &body);
    assert_eq!(foreign.error(404), "Workflow not found", "of no project");
}

/// Commands of many at one time: none is lost.
#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn commands_do_not_undo_each_other() {
    let namespace = Namespace::new("together", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let id = submit(&gateway, &echo("x")["cwl_workflow"]);
    gateway.over(&id, &[]).await;
    let started = command(&gateway, &COORDINATOR, "start_querying", &id, &json!({})).good();
    let labels = json!({
        "session_id": started["data"]["session_id"], "labeled_samples": [1],
    });
    let accepted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| command(&gateway, &CONTRIBUTOR, "submit_labels", &id, &labels).code)
            })
            .collect();
        let codes = threads.into_iter().map(|thread| thread.join().unwrap());
        codes.filter(|code| *code == 200).count()
    });
    assert!(accepted > 0);
    let sessions = gateway.get("/al-engine/sessions/heart", &[]).good();
    let session = sessions["sessions"][0]["session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let detail = gateway
        .get(&format!("/al-engine/sessions/heart/{session}"), &[])
        .good();
    assert_eq!(detail["labeled_data_count"], accepted);
}
