//! Where the keys of an OpenID provider come from, and how long they are good.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::issuer::{CONFIGURATION, Issuer, KEYS, Key, Reply};
use crate::oidc::{code, provider};

/// Lets time pass for the provider's keys.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_ones_do_not_make_work() {
    let (old, new) = (Key::p256("old"), Key::p256("new"));
    let issuer = Issuer::plain(&[&old]);
    let provider = provider(&issuer, &[]);
    let claims = issuer.claims("alice");
    let (of_old, of_new) = (old.token("ES256", &claims), new.token("ES256", &claims));
    assert_eq!(code(&provider, &of_old).await, 200);
    issuer.publish(&[&new]);
    for _ in 0..20 {
        assert_eq!(code(&provider, &of_new).await, 401);
    }
    assert_eq!(issuer.asked(KEYS), 1, "asked again within seconds");
    later(Duration::from_secs(6)).await;
    assert_eq!(code(&provider, &of_new).await, 200);
    assert_eq!(
        code(&provider, &of_old).await,
        401,
        "it is not published any more"
    );
    assert_eq!(issuer.asked(KEYS), 2);

    // The provider is away: its keys are good for a while, and not for ever.
    issuer.reply(
        KEYS,
        Reply::Raw(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_vec()),
    );
    later(Duration::from_mins(11)).await;
    assert_eq!(code(&provider, &of_new).await, 200);
    assert_eq!(issuer.asked(KEYS), 3);
    later(Duration::from_mins(50)).await;
    assert_eq!(code(&provider, &of_new).await, 503);
    issuer.publish(&[&new]);
    later(Duration::from_secs(6)).await;
    assert_eq!(code(&provider, &of_new).await, 200);
}

/// What is wrong, and the path that answers so.
type Case<'a> = (&'a str, &'a str, &'a dyn Fn(&Issuer) -> Reply);

#[tokio::test]
async fn keys_come_from_the_provider_itself_or_not_at_all() {
    let key = Key::p256("p");
    let raw = |text: String| Reply::Raw(text.into_bytes());
    let keys = |issuer: &Issuer| issuer.url.clone() + KEYS;
    let cases: [Case<'_>; 9] = [
        ("another name", CONFIGURATION, &|issuer| {
            Reply::Json(json!({"issuer": "https://id.example.org", "jwks_uri": keys(issuer)}))
        }),
        ("no name", CONFIGURATION, &|issuer| {
            Reply::Json(json!({"jwks_uri": keys(issuer)}))
        }),
        ("keys without https", CONFIGURATION, &|issuer| {
            Reply::Json(json!({"issuer": issuer.url, "jwks_uri": "http://192.0.2.1/keys"}))
        }),
        ("keys in a file", CONFIGURATION, &|issuer| {
            Reply::Json(json!({"issuer": issuer.url, "jwks_uri": "file:///etc/keys"}))
        }),
        ("keys elsewhere", KEYS, &|issuer| {
            raw(format!(
                "HTTP/1.1 302 Found\r\nLocation: {}/others\r\nContent-Length: 0\r\n\r\n",
                issuer.url
            ))
        }),
        ("too many bytes", KEYS, &|_| {
            let (body, length) = (" ".repeat(2 << 20), 2 << 20);
            raw(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
        }),
        ("no JSON", KEYS, &|_| {
            raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{".to_owned())
        }),
        ("a secret", KEYS, &|_| {
            Reply::Json(json!({"keys": [{"kid": "p", "kty": "oct", "k": "AAAA"}]}))
        }),
        ("nothing at all", CONFIGURATION, &|_| Reply::Silence),
    ];
    for (what, path, reply) in cases {
        let issuer = Issuer::plain(&[&key]);
        issuer.reply("/others", Reply::Json(json!({"keys": [key.public()]})));
        issuer.reply(path, reply(&issuer));
        let token = key.token("ES256", &issuer.claims("alice"));
        let provider = provider(&issuer, &[]);
        let answer = code(&provider, &token);
        let answer = tokio::time::timeout(Duration::from_secs(8), answer).await;
        assert_eq!(answer.expect(what), 503, "{what}");
        assert_eq!(issuer.asked("/others"), 0, "{what}");
    }
}

#[tokio::test]
async fn over_https_the_provider_must_be_certified() {
    let key = Key::p256("p");
    let issuer = Issuer::secure(&[&key]);
    let token = key.token("ES256", &issuer.claims("alice"));
    let of = |pem: &str| {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("issuer.pem");
        std::fs::write(&file, pem).unwrap();
        provider(&issuer, &[&format!("--oidc-ca-file={}", file.display())])
    };
    assert_eq!(code(&of(&issuer.authority), &token).await, 200);
    let stranger = Issuer::secure(&[&key]);
    assert_eq!(code(&of(&stranger.authority), &token).await, 503);
    let elsewhere = json!({"issuer": issuer.url, "jwks_uri": Issuer::plain(&[&key]).url + KEYS});
    issuer.reply(CONFIGURATION, Reply::Json(elsewhere));
    assert_eq!(code(&of(&issuer.authority), &token).await, 503);
}
