//! What wallets may do that have signed in, and what they may not.

use serde_json::{Value, json};

use crate::namespace::in_time;
use crate::wallet::{
    DOMAIN, LOOK, assign, gateway, logs, message, nonce, problem, send, signed_in, space,
};
use crate::wallets::Wallet;

fn submission(project: &str) -> Value {
    json!({
        "project_id": project,
        "cwl_workflow": {
            "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true",
            "inputs": {}, "outputs": {},
        },
    })
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_nonce_and_a_token_of_another_gateway_are_none() {
    let space = space().await;
    let (one, other) = (
        gateway(&space, DOMAIN, &[]).await,
        gateway(&space, "other.example.org", &[]).await,
    );
    let wallet = Wallet::new(1);
    let text = message(&wallet, &nonce(&other));
    problem(&send(&one, &text, &wallet.sign(&text)), 401);
    let token = signed_in(&one, &wallet);
    let headers = [("authorization", token.as_str())];
    one.get("/streamflow/workflows", &headers).good();
    other.get("/streamflow/workflows", &headers).error(401);

    let (_, jwt) = token.split_once(' ').unwrap();
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    for wrong in [
        format!("Bearer {message}."),
        format!("Bearer {claims}.{header}.{signature}"),
        format!("Bearer {jwt}x"),
        format!("Basic {jwt}"),
        "Bearer nonsense".to_owned(),
        "Bearer ".to_owned(),
    ] {
        let headers = [
            ("authorization", wrong.as_str()),
            ("x-user-wallet", &wallet.address()),
        ];
        one.get("/streamflow/workflows", &headers).error(401);
    }
    let named = [
        ("x-user-wallet", wallet.address()),
        ("x-user-role", "coordinator".to_owned()),
    ];
    let named = named
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    one.get("/streamflow/workflows", &named).error(401);
    one.post("/streamflow/submit", &named, &submission("heart"))
        .error(401);
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_wallet_does_what_its_role_permits_and_nothing_for_others() {
    let space = space().await;
    let gateway = gateway(&space, DOMAIN, &[]).await;
    let wallets = [Wallet::new(1), Wallet::new(2), Wallet::new(3)];
    let [one, two, three] = &wallets;
    let (first, second, third) = (
        signed_in(&gateway, one),
        signed_in(&gateway, two),
        signed_in(&gateway, three),
    );
    let submit = |token: &str, more: &[(&str, &str)], project: &str| {
        let headers = [&[("authorization", token)][..], more].concat();
        let path = "/streamflow/submit-project-workflow";
        gateway.post(path, &headers, &submission(project))
    };

    // Roles are those of the ConfigMap, whatever a header says.
    submit(&second, &[], "heart").error(403);
    submit(&second, &[("x-user-role", "coordinator")], "heart").error(403);
    submit(&third, &[("x-user-role", "coordinator")], "heart").error(403);
    submit(&first, &[], "lung").error(403);
    // A wallet that is named must be the one that signed in, in a header, a body or a query.
    submit(&first, &[("x-user-wallet", &three.address())], "heart").error(403);
    let mut body = submission("heart");
    body["user_wallet"] = json!(two.address());
    let headers = [("authorization", first.as_str())];
    gateway
        .post("/streamflow/submit", &headers, &body)
        .error(403);
    let query = format!("/streamflow/workflows?user_wallet={}", two.address());
    gateway.get(&query, &headers).error(403);
    let named = [
        ("authorization", first.as_str()),
        ("x-user-wallet", "alice"),
    ];
    gateway.get("/streamflow/workflows", &named).error(403);

    let own = [
        ("x-user-wallet", one.checksummed()),
        ("x-user-role", "coordinator".to_owned()),
    ];
    let own = own.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = submit(&first, &own, "heart").good();
    let id = answer["workflow_id"].as_str().unwrap().to_owned();
    let headers = [("authorization", third.as_str())];
    let answer = gateway.post("/streamflow/submit", &headers, &submission("lung"));
    let answer = answer.good();
    let alone = answer["workflow_id"].as_str().unwrap().to_owned();

    // The contributor of the project sees its workflow, others do not; one without a project is its owner's.
    for (token, sees_project, sees_alone) in [
        (&first, true, false),
        (&second, true, false),
        (&third, false, true),
    ] {
        let headers = [("authorization", token.as_str())];
        for (id, sees) in [(&id, sees_project), (&alone, sees_alone)] {
            let code = if sees { 200 } else { 404 };
            for path in ["/streamflow/status/ID", "/api/workflows/ID/status"] {
                let answer = gateway.get(&path.replace("ID", id), &headers);
                assert_eq!(answer.code, code, "{path}: {}", answer.text);
            }
            for path in [
                "/streamflow/workflows",
                "/streamflow/projects/heart/workflows",
            ] {
                let list = gateway.get(path, &headers).good().to_string();
                let listed = sees && (id != &alone || path == "/streamflow/workflows");
                assert_eq!(list.contains(id.as_str()), listed, "{path}: {list}");
            }
        }
        let info = gateway.get("/users/project-info/heart", &headers);
        assert_eq!(info.code, if sees_project { 200 } else { 403 });
    }
    let command =
        json!({"project_id": "lung", "command_type": "terminate_project", "workflow_id": id});
    let headers = [("authorization", third.as_str())];
    gateway
        .post("/al-engine/command", &headers, &command)
        .error(404);

    // A role that is taken away is gone at once, though the token lasts; a broken ConfigMap changes nothing.
    assign(&space, "projects: {heart: [").await;
    logs(&gateway, "those before stay").await;
    let status = format!("/streamflow/status/{id}");
    let headers = [("authorization", second.as_str())];
    gateway.get(&status, &headers).good();
    assign(&space, "{}").await;
    in_time("the role is gone", async {
        while gateway.get(&status, &headers).code != 404 {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    submit(&first, &own, "heart").error(403);
}
