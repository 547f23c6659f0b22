//! Projects: what is submitted to them, and who sees it.

use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::process::{Gateway, id};
use crate::{COORDINATOR, echo};

/// A submission to a project.
fn to_project(project: &str) -> Value {
    let mut body = echo("for a project");
    body["project_id"] = json!(project);
    body["metadata"] = json!({
        "project_title": "A title", "al_config": {"query_strategy": "margin_sampling"},
        "creator": "0xsomebodyelse", "free": [1, 2],
    });
    body
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_project_has_its_workflows() {
    let namespace = Namespace::new("projects", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let submit = |body: &Value| {
        let answer = gateway.post("/streamflow/submit-project-workflow", &COORDINATOR, body);
        id(&answer.good())
    };
    // A name that cannot be a label.
    let strange = "a project/with=strange, signs ✓";
    let (first, second) = (submit(&to_project("heart")), submit(&to_project(strange)));
    let record = gateway.over(&first, &[]).await;
    assert_eq!(record["metadata"]["creator"], "0x1234567890abcdef");
    assert_eq!(record["metadata"]["free"], json!([1, 2]));
    assert_eq!(record["phase"], "configuration_complete");
    gateway.over(&second, &[]).await;
    let all = gateway.get("/streamflow/workflows", &[]).good();
    assert_eq!(all["total_workflows"], 2);
    // Newest first, or by name within a second.
    let titles: Vec<_> = all["workflows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["project_title"])
        .collect();
    assert_eq!(titles, ["A title", "A title"]);
    let encoded: String = form(strange);
    let one = gateway
        .get(&format!("/streamflow/workflows?project_id={encoded}"), &[])
        .good();
    assert_eq!(one["workflows"][0]["workflow_id"], second.as_str());
    assert_eq!(one["total_workflows"], 1);
    let none = gateway
        .get("/streamflow/workflows?project_id=unknown", &[])
        .good();
    assert_eq!(none["workflows"], json!([]));
    let project = gateway.get(
        &format!(
            "/streamflow/projects/{}/workflows",
            encoded.replace('+', "%20")
        ),
        &[],
    );
    let project = project.good();
    assert_eq!(project["total_count"], 1);
    assert_eq!(project["project_id"], strange);
    let stats = gateway.get("/database/stats", &[]).good();
    assert_eq!(
        stats["enhanced_workflow_stats"]["by_status"],
        json!({"COMPLETED": 2})
    );
    let learning = gateway
        .get("/streamflow/workflows?dal_only=TRUE", &[])
        .good();
    assert_eq!(learning["filter_applied"], "DAL workflows only");
    assert_eq!(learning["total_workflows"], 0);
}

fn form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn users_see_their_projects() {
    let namespace = Namespace::new("users", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let path = "/streamflow/submit-project-workflow";
    gateway
        .post(path, &COORDINATOR, &to_project("heart"))
        .good();
    let other = [("X-User-Wallet", "0x777"), ("X-User-Role", "coordinator")];
    gateway.post(path, &other, &to_project("lung")).good();
    let claims = json!({"user_wallet": "0x777", "user_role": "contributor", "project_id": "lung"});
    let answer = gateway.post("/users/authenticate", &[], &claims).good();
    assert_eq!(answer["user_data"]["authenticated_by"], "DVRE");
    assert_eq!(answer["permissions"][0], "submit_labels");
    let wrong = json!({"user_wallet": "alice", "project_id": "lung"});
    let wrong = gateway.post("/users/authenticate", &[], &wrong);
    assert_eq!(wrong.error(400), "Invalid user_wallet address");
    let names = |headers: &[(&str, &str)]| {
        let answer = gateway
            .get("/users/my-projects?project_id=any", headers)
            .good();
        let projects = answer["accessible_projects"].as_array().unwrap().clone();
        projects
            .iter()
            .map(|it| it["project_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&COORDINATOR), ["heart", "lung"]);
    assert_eq!(
        names(&[("X-User-Wallet", "0x777"), ("X-User-Role", "contributor")]),
        ["lung"]
    );
    // The original server read who asks from the body, also of a GET.
    let body = claims.to_string();
    let info = gateway
        .send("GET", "/users/project-info/lung", &[], &body)
        .good();
    assert_eq!(info["accessed_by"], "0x777");
    assert_eq!(info["workflows"].as_array().unwrap().len(), 1);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn paths_that_only_clients_knew_work() {
    let namespace = Namespace::new("clients", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    assert_eq!(gateway.get("/health", &[]).good()["status"], "healthy");
    assert!(gateway.get("/api", &[]).good()["version"].is_string());
    let deploy = json!({
        "project_id": "heart", "workflow_type": "active_learning", "configuration_phase": "deployed",
        "configuration": { "owner": "0xABCD" }, "ipfs_hashes": { "ro_crate_hash": "Qm" },
    });
    let answer = gateway.post("/api/projects/deploy", &[], &deploy).good();
    let id = id(&answer);
    for path in [
        format!("/api/workflows/{id}/status"),
        format!("/streamflow/submit-project-workflow/api/workflows/{id}/status"),
    ] {
        let status = gateway.get(&path, &[]).good();
        let known = ["pending", "running", "completed"];
        assert!(
            known.contains(&status["status"].as_str().unwrap()),
            "{status}"
        );
        assert_eq!(status["details"]["metadata"]["creator"], "0xabcd");
    }
    let mut federated = deploy.clone();
    federated["workflow_type"] = json!("federated_learning");
    let refused = gateway.post("/api/projects/deploy", &[], &federated);
    assert!(refused.error(400).contains("has no template"));
    assert_eq!(gateway.get("/api/jobs", &[]).code, 404);
}
