//! Callers that the cluster knows: RBAC decides, and nobody else.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use serde_json::json;

use crate::echo;
use crate::namespace::Namespace;
use crate::process::{Gateway, id};

/// A token of a new account, which may do this to DvreWorkflows.
pub async fn account(namespace: &Namespace, name: &str, verbs: &[&str]) -> String {
    let text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\n\
         rules: [{{apiGroups: [dvre.io], resources: [dvreworkflows], verbs: {verbs}}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
         subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]\n",
        verbs = json!(verbs),
        namespace = namespace.name,
    );
    namespace.apply(&text).await;
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts = namespace.api::<ServiceAccount>();
    let params = PostParams::default();
    let token = accounts.create_token_request(name, &params, &request).await;
    token.unwrap().status.unwrap().token
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn everything_is_asked_for_in_the_name_of_the_caller() {
    let namespace = Namespace::new("rbac", "restricted").await;
    let gateway = Gateway::start(&namespace, &["--auth=kubernetes"]);
    let (writes, reads, nothing) = (
        bearer(&account(&namespace, "writes", &["create", "get", "list", "patch"]).await),
        bearer(&account(&namespace, "reads", &["get", "list"]).await),
        bearer(&account(&namespace, "nothing", &["watch"]).await),
    );
    let writes = [("Authorization", writes.as_str())];
    let reads = [("Authorization", reads.as_str())];
    let nothing = [("Authorization", nothing.as_str())];
    let answer = gateway
        .post("/streamflow/submit", &writes, &echo("mine"))
        .good();
    let id = id(&answer);
    let record = gateway.over(&id, &reads).await;
    assert_eq!(record["status"], "COMPLETED");
    let path = format!("/streamflow/status/{id}");
    assert_eq!(gateway.get(&path, &nothing).code, 403);
    for path in [
        "/streamflow/workflows",
        "/al-engine/sessions",
        "/database/stats",
    ] {
        assert_eq!(gateway.get(path, &nothing).code, 403, "{path}");
    }
    let denied = gateway
        .post("/streamflow/submit", &reads, &echo("x"))
        .error(403);
    assert!(denied.contains("cannot create resource"), "{denied}");
    // Who owns it is the account that was proven.
    let run = namespace
        .api::<dvre_operator::api::DvreWorkflow>()
        .get(&id)
        .await
        .unwrap();
    let owner = &run.metadata.annotations.unwrap()["dvre.io/owner"];
    assert_eq!(
        owner,
        &format!("system:serviceaccount:{}:writes", namespace.name)
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn nobody_gets_in_without_a_token() {
    let namespace = Namespace::new("tokens", "restricted").await;
    let gateway = Gateway::start(&namespace, &["--auth=kubernetes"]);
    let reads = bearer(&account(&namespace, "reads", &["get", "list"]).await);
    let list = "/streamflow/workflows";
    for headers in [
        &[][..],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Basic d3Jvbmc=")],
        &[("X-User-Wallet", "0x1"), ("X-User-Role", "coordinator")],
        &[("Impersonate-User", "system:admin")],
        &[
            ("X-Remote-User", "admin"),
            ("X-Remote-Group", "system:masters"),
        ],
    ] {
        let refused = gateway.get(list, headers);
        assert_eq!(refused.code, 401, "{headers:?}: {}", refused.text);
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        let submitted = gateway.post("/streamflow/submit", headers, &echo("x"));
        assert_eq!(submitted.code, 401, "{headers:?}");
    }
    // Headers that would make the caller somebody else are not passed on.
    let spoofed = [
        ("Authorization", reads.as_str()),
        ("Impersonate-User", "system:admin"),
        ("Impersonate-Group", "system:masters"),
        ("X-User-Role", "coordinator"),
        ("X-User-Wallet", "0x1"),
    ];
    gateway.get(list, &spoofed).good();
    assert_eq!(
        gateway
            .post("/streamflow/submit", &spoofed, &echo("x"))
            .code,
        403
    );
    // A token with something changed in the middle.
    let mut forged = reads.clone();
    let middle = forged.len() / 2;
    let changed = if &forged[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    forged.replace_range(middle..=middle, changed);
    assert_eq!(gateway.get(list, &[("Authorization", &forged)]).code, 401);
    // What says nothing of workflows needs no token.
    for path in ["/", "/health", "/dal/templates"] {
        gateway.get(path, &[]).good();
    }
    // No token reaches the log.
    let log = gateway.log.lock().unwrap().clone();
    assert!(!log.contains(reads.trim_start_matches("Bearer ")));
}

/// What has to be asked about costs the cluster something, so that nobody may ask without end.
#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn tokens_cannot_be_tried_without_end() {
    let namespace = Namespace::new("guesses", "restricted").await;
    let gateway = Gateway::start(
        &namespace,
        &["--auth=kubernetes", "--requests-per-second=1"],
    );
    let codes: Vec<_> = (0..30)
        .map(|guess| {
            let guess = bearer(&format!("guess-{guess}"));
            gateway
                .get("/streamflow/workflows", &[("Authorization", &guess)])
                .code
        })
        .collect();
    assert_eq!(codes[0], 401);
    assert_eq!(codes[29], 429, "{codes:?}");
}
