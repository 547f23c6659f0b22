//! Wallets that sign in, and what else is tried.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ToSpan};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::namespace::{Namespace, in_time};
use crate::process::{Answer, Gateway};
use crate::wallets::Wallet;

/// Pause between two looks.
pub const LOOK: Duration = Duration::from_millis(50);
/// The domain for which wallets sign.
pub const DOMAIN: &str = "portal.example.org";
const KEY: &[u8] = b"a secret of these tests and of nothing else";

/// A namespace in which wallet 1 is coordinator of project heart, and wallet 2 a contributor.
pub async fn space() -> Namespace {
    let space = Namespace::of("gateway", "wallet", "restricted").await;
    let roles = format!(
        "projects: {{heart: {{{}: coordinator, {}: contributor}}, lung: {{{}: coordinator}}}}",
        Wallet::new(1).checksummed(),
        Wallet::new(2).address(),
        Wallet::new(3).address(),
    );
    assign(&space, &roles).await;
    space
}

pub async fn assign(space: &Namespace, roles: &str) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "roles"},
        "data": {"roles.yaml": roles},
    });
    space.try_apply(&map).await.unwrap();
}

/// A gateway where wallets sign in for a domain, once it knows the roles.
pub async fn gateway(space: &Namespace, domain: &str, more: &[&str]) -> Gateway {
    let key = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.key", space.name));
    std::fs::write(&key, KEY).unwrap();
    let key = format!("--wallet-key-file={}", key.display());
    let domain = format!("--wallet-domain={domain}");
    let flags = [
        "--auth=wallet",
        &key,
        &domain,
        "--wallet-chain-ids=1",
        "--project-roles=roles",
    ];
    let gateway = Gateway::start(space, &[&flags[..], more].concat());
    logs(&gateway, "roles read").await;
    gateway
}

/// Waits until a gateway has said something.
pub async fn logs(gateway: &Gateway, text: &str) {
    let said = async {
        while !gateway.log.lock().unwrap().contains(text) {
            tokio::time::sleep(LOOK).await;
        }
    };
    in_time(text, said).await;
}

/// Refuses an answer that is no refusal as RFC 9457 wants it, with this code; gives its reason.
#[track_caller]
pub fn problem(answer: &Answer, code: u16) -> String {
    let reason = answer.error(code);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = answer.json();
    assert_eq!(
        (&body["status"], &body["detail"]),
        (&json!(code), &json!(reason))
    );
    assert_eq!(body.get("token"), None);
    reason
}

pub fn nonce(gateway: &Gateway) -> String {
    let answer = gateway.get("/auth/nonce", &[]);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.good()["nonce"].as_str().unwrap().to_owned()
}

pub fn message(wallet: &Wallet, nonce: &str) -> String {
    format!(
        "{DOMAIN} wants you to sign in with your Ethereum account:\n{}\n\nSign in to DVRE.\n\n\
         URI: https://{DOMAIN}/login\nVersion: 1\nChain ID: 1\nNonce: {nonce}\nIssued At: {}",
        wallet.checksummed(),
        Timestamp::now()
    )
}

pub fn send(gateway: &Gateway, message: &str, signature: &str) -> Answer {
    let body = json!({"message": message, "signature": signature});
    gateway.post("/auth/verify", &[], &body)
}

/// Signs in; gives the header that proves it.
pub fn signed_in(gateway: &Gateway, wallet: &Wallet) -> String {
    let message = message(wallet, &nonce(gateway));
    let answer = send(gateway, &message, &wallet.sign(&message)).good();
    assert_eq!(answer["address"], wallet.address());
    let until: Timestamp = answer["expires_at"].as_str().unwrap().parse().unwrap();
    let lasts = until.duration_since(Timestamp::now());
    assert!(lasts > SignedDuration::from_mins(14) && lasts <= SignedDuration::from_mins(15));
    format!("Bearer {}", answer["token"].as_str().unwrap())
}

async fn used(space: &Namespace) -> Vec<String> {
    let leases: Api<Lease> = space.api();
    let leases = leases.list(&ListParams::default()).await.unwrap();
    leases.items.iter().map(ResourceExt::name_any).collect()
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_nonce_is_used_once_at_whichever_replica() {
    let space = space().await;
    let (one, other) = (
        gateway(&space, DOMAIN, &[]).await,
        gateway(&space, DOMAIN, &[]).await,
    );
    let wallet = Wallet::new(1);
    let text = message(&wallet, &nonce(&one));
    let signature = wallet.sign(&text);

    // What is wrong does not use it up, and leaves nothing.
    problem(&send(&one, &text, &Wallet::new(2).sign(&text)), 401);
    assert_eq!(used(&space).await, Vec::<String>::new());

    // Ten at the same time, at both.
    let all: Vec<Answer> = std::thread::scope(|scope| {
        let (text, signature) = (&text, &signature);
        let ask = |gateway| scope.spawn(move || send(gateway, text, signature));
        let asked: Vec<_> = [&one, &other].repeat(5).into_iter().map(ask).collect();
        let answers = asked.into_iter().map(|asked| asked.join().unwrap());
        answers.collect()
    });
    let (good, refused): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.code == 200);
    assert_eq!(good.len(), 1, "{all:?}");
    for answer in refused {
        assert!(problem(answer, 401).contains("nonce cannot be used"));
    }
    for gateway in [&one, &other] {
        problem(&send(gateway, &text, &signature), 401);
    }
    // Not with another message of the same wallet, and not by another wallet.
    let used_nonce = text
        .split("Nonce: ")
        .nth(1)
        .unwrap()
        .split('\n')
        .next()
        .unwrap();
    for wallet in [Wallet::new(1), Wallet::new(2)] {
        let again = message(&wallet, used_nonce);
        problem(&send(&other, &again, &wallet.sign(&again)), 401);
    }
    assert_eq!(used(&space).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_message_that_is_not_for_here_and_now_is_refused() {
    let space = space().await;
    let gateway = gateway(&space, DOMAIN, &[]).await;
    let wallet = Wallet::new(1);
    let nonce = nonce(&gateway);
    let good = message(&wallet, &nonce);
    let minutes_ago = |minutes: i64| (Timestamp::now() - minutes.minutes()).to_string();
    let issued = good.rsplit_once("Issued At: ").unwrap().0;
    for (what, text) in [
        (
            "another domain",
            good.replacen(DOMAIN, "evil.example.org", 1),
        ),
        (
            "another URI",
            good.replace(&format!("https://{DOMAIN}"), "https://evil.example.org"),
        ),
        ("another chain", good.replace("Chain ID: 1", "Chain ID: 5")),
        (
            "an old one",
            format!("{issued}Issued At: {}", minutes_ago(11)),
        ),
        (
            "one of the future",
            format!("{issued}Issued At: {}", minutes_ago(-5)),
        ),
        (
            "an expired one",
            format!("{good}\nExpiration Time: {}", minutes_ago(1)),
        ),
        (
            "one for later",
            format!("{good}\nNot Before: {}", minutes_ago(-5)),
        ),
        ("no nonce of ours", good.replace(&nonce, "abcdefgh12345678")),
        (
            "a changed nonce",
            good.replace(&nonce, &format!("0{nonce}")),
        ),
    ] {
        let answer = send(&gateway, &text, &wallet.sign(&text));
        assert_eq!(answer.code, 401, "{what}: {}", answer.text);
    }
    for body in [
        json!({}),
        json!([]),
        json!({"message": good}),
        json!({"message": 1, "signature": 2}),
    ] {
        problem(&gateway.post("/auth/verify", &[], &body), 400);
    }
    problem(&send(&gateway, "{}", &wallet.sign("{}")), 400);
    problem(&send(&gateway, &good, "0x12"), 400);
    assert_eq!(used(&space).await, Vec::<String>::new());
    // It is still good.
    send(&gateway, &good, &wallet.sign(&good)).good();
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn what_strangers_may_ask_is_bounded() {
    let space = space().await;
    let gateway = gateway(
        &space,
        DOMAIN,
        &["--requests-per-second=2", "--body-seconds=2"],
    )
    .await;
    let large = json!({"message": "x".repeat(20_000), "signature": "0x"});
    problem(&gateway.post("/auth/verify", &[], &large), 413);
    problem(&gateway.get("/auth/verify", &[]), 405);
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(gateway.get("/auth/nonce", &[]));
    }
    assert!(answers.iter().any(|answer| answer.code == 200));
    let last = answers.pop().unwrap();
    assert_ne!(last.header("retry-after"), "");
    problem(&last, 429);
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn used_nonces_are_removed_once_nobody_could_use_them() {
    let space = space().await;
    let lease = |name: &str, component: &str, minutes: i64| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name, "labels": {
                "app.kubernetes.io/managed-by": "dvre-gateway",
                "app.kubernetes.io/component": component,
            }},
            "spec": {
                "acquireTime": format!("{:.6}", Timestamp::now() - minutes.minutes()),
                "leaseDurationSeconds": 600,
            },
        })
    };
    for (name, component, minutes) in [
        ("over", "used-nonce", 11),
        ("fresh", "used-nonce", 1),
        ("another", "election", 11),
    ] {
        space
            .try_apply(&lease(name, component, minutes))
            .await
            .unwrap();
    }
    let gateway = gateway(&space, DOMAIN, &[]).await;
    let gone = |lease: Option<&Lease>| lease.is_none();
    space.wait("over", "it is removed", gone).await;
    signed_in(&gateway, &Wallet::new(1));
    let left = used(&space).await;
    assert_eq!(left.len(), 3, "{left:?}");
    for name in ["fresh", "another"] {
        assert!(left.iter().any(|left| left == name), "{left:?}");
    }
    assert!(left.iter().any(|left| left.starts_with("dvre-nonce-")));
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn wallets_sign_in_where_that_is_the_mode() {
    let space = space().await;
    let gateway = Gateway::trusting(&space);
    problem(&gateway.get("/auth/nonce", &[]), 404);
    problem(&gateway.post("/auth/verify", &[], &json!({})), 404);
}
