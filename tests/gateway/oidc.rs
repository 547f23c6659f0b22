//! Tokens of an OpenID provider, and all that is not one.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use clap::Parser;
use dvre_operator::gateway::auth::oidc::Provider;
use dvre_operator::settings::gateway::oidc::OidcSettings;
use ring::hmac;
use serde_json::{Value, json};

use crate::issuer::{Issuer, KEYS, Key, now, unsigned};
use crate::namespace::Namespace;
use crate::process::Gateway;
use crate::wallet::{logs, problem};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: OidcSettings,
}

/// The provider, as the gateway knows it.
pub fn provider(issuer: &Issuer, more: &[&str]) -> Provider {
    let url = format!("--oidc-issuer={}", issuer.url);
    let flags = [
        "gateway",
        &url,
        "--oidc-audience=dvre",
        "--oidc-groups-claim=groups",
    ];
    let line = Line::parse_from(flags.iter().chain(more));
    Provider::new(&line.settings).unwrap()
}

/// The code of the answer to a token; 200 where it is good.
pub async fn code(provider: &Provider, token: &str) -> u16 {
    match provider.subject(token).await {
        Ok(_) => 200,
        Err(fault) => {
            assert!(
                fault.status != 401 || fault.message.starts_with("this token is not good here")
            );
            fault.status.as_u16()
        }
    }
}

/// The claims, with one of them changed; without it where it becomes null.
fn but(claims: &Value, claim: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(claim);
    } else {
        claims[claim] = value;
    }
    claims
}

#[tokio::test]
async fn every_kind_of_key_signs() {
    let keys = [Key::rsa("r"), Key::p256("p"), Key::p384("q"), Key::ed("e")];
    let issuer = Issuer::plain(&keys.each_ref());
    let provider = provider(&issuer, &[]);
    let claims = but(&issuer.claims("alice"), "groups", json!(["staff"]));
    let all = [
        (0, "RS256"),
        (0, "RS384"),
        (0, "RS512"),
        (1, "ES256"),
        (2, "ES384"),
        (3, "EdDSA"),
    ];
    for (key, algorithm) in all {
        let subject = provider.subject(&keys[key].token(algorithm, &claims)).await;
        assert_eq!(
            subject.unwrap().all(),
            ["group:staff", "alice"],
            "{algorithm}"
        );
    }
    let several = but(&claims, "aud", json!(["other", "dvre"]));
    assert_eq!(
        code(&provider, &keys[1].token("ES256", &several)).await,
        200
    );
    assert_eq!(issuer.asked(KEYS), 1);
}

#[tokio::test]
async fn claims_that_are_not_for_here_or_for_now_are_refused() {
    let key = Key::p256("p");
    let issuer = Issuer::plain(&[&key]);
    let provider = provider(&issuer, &[]);
    let good = issuer.claims("alice");
    assert_eq!(code(&provider, &key.token("ES256", &good)).await, 200);
    // Clocks that differ a little are none.
    for (claim, seconds) in [("exp", -10), ("nbf", 10)] {
        let close = but(&good, claim, json!(now() + seconds));
        assert_eq!(
            code(&provider, &key.token("ES256", &close)).await,
            200,
            "{claim}"
        );
    }
    for (claim, value) in [
        ("exp", json!(now() - 60)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!("tomorrow")),
        ("exp", json!(null)),
        ("nbf", json!(now() + 60)),
        ("nbf", json!("tomorrow")),
        ("aud", json!("other")),
        ("aud", json!(["other", "dvre2"])),
        ("aud", json!([])),
        ("aud", json!(null)),
        ("iss", json!("https://evil.example.org")),
        ("iss", json!(format!("{}/", issuer.url))),
        ("iss", json!(null)),
        ("sub", json!(null)),
        ("sub", json!("group:staff")),
        ("sub", json!("0xabcdef0123456789abcdef0123456789abcdef01")),
    ] {
        let token = key.token("ES256", &but(&good, claim, value.clone()));
        assert_eq!(code(&provider, &token).await, 401, "{claim}: {value}");
    }
}

#[tokio::test]
async fn a_token_that_the_provider_did_not_sign_is_refused() {
    let (rsa, key) = (Key::rsa("r"), Key::p256("p"));
    let issuer = Issuer::plain(&[&rsa, &key]);
    let provider = provider(&issuer, &[]);
    let claims = issuer.claims("alice");
    let good = key.token("ES256", &claims);
    assert_eq!(code(&provider, &good).await, 200);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let changed = BASE64.encode(issuer.claims("mallory").to_string());
    let none = |name: &str| unsigned(&json!({"alg": name, "kid": "p"}), &claims);

    // The public key as if it were a secret, in each form in which it is public.
    let public = rsa.public();
    let modulus = BASE64.decode(public["n"].as_str().unwrap()).unwrap();
    let with_secret = |secret: &[u8], algorithm: hmac::Algorithm, name: &str| {
        let message = unsigned(&json!({"alg": name, "kid": "r"}), &claims);
        let key = hmac::Key::new(algorithm, secret);
        let signature = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", BASE64.encode(signature))
    };
    let text = public.to_string();

    // A key that comes with the token.
    let own = Key::p256("p");
    let brought = json!({"alg": "ES256", "kid": "p", "jwk": own.public()});
    let pointed = json!({"alg": "ES256", "kid": "p", "jku": "http://127.0.0.1:1/keys"});
    let critical = json!({"alg": "ES256", "kid": "p", "crit": ["b64"], "b64": false});

    for (what, token) in [
        ("changed claims", format!("{header}.{changed}.{signature}")),
        ("no signature", format!("{message}.")),
        ("no third part", message.to_owned()),
        ("a fourth part", format!("{good}.{signature}")),
        ("none", none("none") + "."),
        (
            "none with a signature",
            format!("{}.{signature}", none("none")),
        ),
        ("None", none("None") + "."),
        ("another key", own.token("ES256", &claims)),
        ("its own key", own.signed("ES256", &brought, &claims)),
        ("its own address", own.signed("ES256", &pointed, &claims)),
        ("critical", key.signed("ES256", &critical, &claims)),
        (
            "no key named",
            key.signed("ES256", &json!({"alg": "ES256"}), &claims),
        ),
        (
            "another kind of key",
            key.signed("ES256", &json!({"alg": "ES256", "kid": "r"}), &claims),
        ),
        (
            "another algorithm",
            rsa.signed("RS256", &json!({"alg": "RS512", "kid": "r"}), &claims),
        ),
        (
            "padding of PSS",
            rsa.signed("RS256", &json!({"alg": "PS256", "kid": "r"}), &claims),
        ),
        (
            "modulus as secret",
            with_secret(&modulus, hmac::HMAC_SHA256, "HS256"),
        ),
        (
            "key as secret",
            with_secret(text.as_bytes(), hmac::HMAC_SHA256, "HS256"),
        ),
        (
            "key as longer secret",
            with_secret(text.as_bytes(), hmac::HMAC_SHA512, "HS512"),
        ),
        (
            "secret under another name",
            with_secret(&modulus, hmac::HMAC_SHA256, "RS256"),
        ),
        ("zero", format!("{message}.{}", BASE64.encode([0; 64]))),
        ("a long one", format!("{message}.{}", "A".repeat(1 << 20))),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("no base64", "ä.ö.ü".to_owned()),
    ] {
        assert_eq!(code(&provider, &token).await, 401, "{what}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn roles_are_those_of_the_names_and_groups_of_the_provider() {
    let key = Key::p256("p");
    let issuer = Issuer::plain(&[&key]);
    let space = Namespace::of("gateway", "oidc", "restricted").await;
    let roles = "projects: {heart: {alice: coordinator, 'group:nurses': contributor}}";
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "roles"},
        "data": {"roles.yaml": roles},
    });
    space.try_apply(&map).await.unwrap();
    let url = format!("--oidc-issuer={}", issuer.url);
    let flags = [
        "--auth=oidc",
        &url,
        "--oidc-audience=dvre",
        "--oidc-groups-claim=groups",
    ];
    let flags = [&flags[..], &["--project-roles=roles"]].concat();
    let gateway = Gateway::start(&space, &flags);
    logs(&gateway, "roles read").await;

    let bearer = |claims: &Value| format!("Bearer {}", key.token("ES256", claims));
    let alice = bearer(&issuer.claims("alice"));
    let nurse = bearer(&but(&issuer.claims("nora"), "groups", json!(["nurses"])));
    let stranger = bearer(&issuer.claims("group:nurses"));
    let nobody = bearer(&but(&issuer.claims("bob"), "groups", json!(["alice"])));
    let role = |token: &str| {
        let body = json!({"project_id": "heart"});
        let headers = [("authorization", token)];
        gateway.post("/users/authenticate", &headers, &body)
    };
    assert_eq!(role(&alice).good()["user_data"]["user_role"], "coordinator");
    let answer = role(&nurse).good();
    assert_eq!(answer["user_data"]["user_role"], "contributor");
    assert_eq!(answer["user_data"]["user_wallet"], "nora");
    role(&nobody).error(403);
    role(&stranger).error(401);
    role("Bearer nonsense").error(401);

    // Who has a role in no project sees nothing, whatever it calls itself.
    let submission = json!({
        "project_id": "heart",
        "cwl_workflow": {
            "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true",
            "inputs": {}, "outputs": {},
        },
    });
    let path = "/streamflow/submit-project-workflow";
    let submit = |token: &str| gateway.post(path, &[("authorization", token)], &submission);
    submit(&nurse).error(403);
    submit(&nobody).error(403);
    let id = submit(&alice).good()["workflow_id"].clone();
    let status = format!("/streamflow/status/{}", id.as_str().unwrap());
    for (token, code, count) in [(&alice, 200, 1), (&nurse, 200, 1), (&nobody, 404, 0)] {
        let headers = [
            ("authorization", token.as_str()),
            ("x-user-role", "coordinator"),
        ];
        assert_eq!(gateway.get(&status, &headers).code, code);
        let list = gateway.get("/streamflow/workflows", &headers).good();
        assert_eq!(list["total_workflows"], count);
    }
    gateway.get(&status, &[]).error(401);
    problem(&gateway.get("/auth/nonce", &[]), 404);
}
