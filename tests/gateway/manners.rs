//! How answers look, whatever is asked: what browsers, proxies and people with curl rely on.

use serde_json::json;

use crate::namespace::Namespace;
use crate::process::Gateway;
use crate::{COORDINATOR, echo};

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn browsers_may_ask_from_any_page() {
    let namespace = Namespace::new("manners", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    for path in [
        "/streamflow/submit",
        "/streamflow/status/anything",
        "/users/my-projects",
    ] {
        let origin = [("Origin", "https://portal.example.org")];
        let answer = gateway.send("OPTIONS", path, &origin, "");
        assert_eq!((answer.code, answer.text.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let headers = answer.header("access-control-allow-headers");
        for header in [
            "X-User-Wallet",
            "X-User-Role",
            "X-Contract-Address",
            "Authorization",
        ] {
            assert!(headers.contains(header), "{headers}");
        }
    }
    let refused = gateway.get("/streamflow/status/unknown", &[]);
    assert_eq!(refused.error(404), "Workflow not found");
    assert_eq!(refused.header("access-control-allow-origin"), "*");
    drop(gateway);
    let gateway = Gateway::start(
        &namespace,
        &[
            "--auth=trusted-headers",
            "--allowed-origins=https://portal.example.org",
        ],
    );
    let from = |origin: &str| {
        let answer = gateway.get("/health", &[("Origin", origin)]);
        answer.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(
        from("https://portal.example.org"),
        "https://portal.example.org"
    );
    assert_eq!(from("https://evil.example.org"), "");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_wrong_path_or_method_is_told_as_json() {
    let namespace = Namespace::new("paths", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let unknown = gateway.get("/nowhere", &[]);
    assert!(unknown.error(404).contains("nothing at /nowhere"));
    assert_eq!(unknown.header("content-type"), "application/problem+json");
    assert_eq!(unknown.json()["status"], 404);
    let original = gateway.get("/streamflow/nowhere", &[]);
    assert_eq!(original.header("content-type"), "application/json");
    let method = gateway.get("/streamflow/submit", &[]);
    assert!(method.error(405).contains("GET is not possible here"));
    assert_eq!(method.header("allow"), "POST");
    let head = gateway.send("HEAD", "/streamflow/workflows", &[], "");
    assert_eq!((head.code, head.text.as_str()), (200, ""));
    let slash = gateway.get("/streamflow/workflows/?dal_only=1", &[]);
    assert_eq!(slash.code, 302);
    assert_eq!(slash.header("location"), "/streamflow/workflows?dal_only=1");
    assert_ne!(gateway.get("//evil.example.org/", &[]).code, 302);
    let first = gateway.get("/dal/templates", &[]);
    let tag = first.header("etag").to_owned();
    let again = gateway.get("/dal/templates", &[("If-None-Match", &tag)]);
    assert_eq!((again.code, again.text.as_str()), (304, ""));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_wrong_submission_says_what_to_send() {
    let namespace = Namespace::new("wrong", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let basic = |body: &str| {
        gateway
            .send("POST", "/streamflow/submit", &[], body)
            .error(400)
    };
    assert!(basic("").starts_with("cwl_workflow is required"));
    assert!(basic("{}").starts_with("cwl_workflow is required"));
    assert!(basic("{").contains("is not JSON"));
    assert!(basic("[1]").contains("must be a JSON object"));
    let mut elsewhere = echo("x");
    elsewhere["deployment"] = json!("mars");
    let unknown = basic(&elsewhere.to_string());
    assert_eq!(
        unknown,
        "Unknown deployment: mars. Send one of local, docker, singularity, kubernetes"
    );
    let project = |body: &serde_json::Value| {
        let path = "/streamflow/submit-project-workflow";
        gateway.post(path, &COORDINATOR, body).error(400)
    };
    let template =
        json!({"project_id": "p", "use_dal_template": true, "dal_workflow_type": "magic"});
    assert_eq!(
        project(&template),
        "Unknown DAL workflow type: magic. Send one of modal_run, train_query"
    );
    assert!(project(&json!({})).contains("project_id is required"));
    let nothing = json!({"project_id": "p"});
    assert_eq!(
        project(&nothing),
        "cwl_workflow is required (or use_dal_template=true)"
    );
    let no_cwl = json!({"project_id": "p", "cwl_workflow": {"class": "Workflow"}});
    assert!(project(&no_cwl).starts_with("Invalid CWL workflow format"));
    let metadata =
        json!({"project_id": "p", "cwl_workflow": echo("x")["cwl_workflow"], "metadata": null});
    let path = "/streamflow/submit-project-workflow";
    gateway.post(path, &COORDINATOR, &metadata).good();
    let contributor = [("X-User-Wallet", "0x1"), ("X-User-Role", "contributor")];
    let denied = gateway.post(path, &contributor, &metadata);
    assert_eq!(
        denied.error(403),
        "Permission denied: Role 'contributor' does not have permission 'submit_workflow'"
    );
}
