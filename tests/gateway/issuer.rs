//! An OpenID provider: a real server, with real keys and signatures.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

/// A key of these tests and of nothing else: ring makes none of this kind.
const RSA: &[u8] = include_bytes!("rsa.pk8");
pub const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/keys";

/// What a path answers.
#[derive(Clone)]
pub enum Reply {
    Json(Value),
    /// All of an answer.
    Raw(Vec<u8>),
    /// Nothing, for longer than anybody waits.
    Silence,
}

/// A provider that serves until the process ends.
pub struct Issuer {
    pub url: String,
    /// The certificate of its own authority, where it speaks https.
    pub authority: String,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    /// One that speaks http and publishes these keys.
    pub fn plain(keys: &[&Key]) -> Self {
        Self::serve("http", "127.0.0.1", String::new(), keys, |socket, talk| {
            talk(&mut { socket });
        })
    }

    /// One that speaks https.
    pub fn secure(keys: &[&Key]) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let private = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], PrivateKeyDer::from(private))
            .unwrap();
        let config = Arc::new(config);
        let authority = own.cert.pem();
        Self::serve(
            "https",
            "localhost",
            authority,
            keys,
            move |socket, talk| {
                let session = rustls::ServerConnection::new(config.clone()).unwrap();
                let mut stream = rustls::StreamOwned::new(session, socket);
                talk(&mut stream);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            },
        )
    }

    fn serve(
        scheme: &str,
        host: &str,
        authority: String,
        keys: &[&Key],
        wrap: impl Fn(TcpStream, &dyn Fn(&mut dyn Stream)) + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "{scheme}://{host}:{}",
            listener.local_addr().unwrap().port()
        );
        let issuer = Self {
            replies: Arc::default(),
            asked: Arc::default(),
            authority,
            url,
        };
        let document = json!({"issuer": issuer.url, "jwks_uri": issuer.url.clone() + KEYS});
        issuer.reply(CONFIGURATION, Reply::Json(document));
        issuer.publish(keys);
        let (replies, asked) = (issuer.replies.clone(), issuer.asked.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (replies, asked, wrap) = (replies.clone(), asked.clone(), wrap.clone());
                std::thread::spawn(move || {
                    wrap(socket, &|stream| answer(stream, &replies, &asked));
                });
            }
        });
        issuer
    }

    /// Publishes these keys, and no others.
    pub fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        self.reply(KEYS, Reply::Json(json!({ "keys": keys })));
    }

    /// Answers a path like this from now on.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|one| *one == path).count()
    }

    /// Claims that are good for five minutes.
    pub fn claims(&self, name: &str) -> Value {
        let now = now();
        json!({
            "iss": self.url, "aud": "dvre", "sub": name, "iat": now, "nbf": now, "exp": now + 300,
        })
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

fn answer(
    stream: &mut dyn Stream,
    replies: &Mutex<BTreeMap<String, Reply>>,
    asked: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_err() {
            return;
        }
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    asked.lock().unwrap().push(path.to_owned());
    let reply = replies.lock().unwrap().get(path).cloned();
    let bytes = match reply {
        Some(Reply::Json(body)) => {
            let body = body.to_string();
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .into_bytes()
        }
        Some(Reply::Raw(bytes)) => bytes,
        Some(Reply::Silence) => {
            std::thread::sleep(Duration::from_mins(1));
            return;
        }
        None => {
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        }
    };
    let _ = stream.write_all(&bytes);
    let _ = stream.flush();
}

/// A key of the provider.
pub struct Key {
    pub id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Key {
    /// The RSA key.
    pub fn rsa(id: &'static str) -> Self {
        let pair = Pair::Rsa(RsaKeyPair::from_pkcs8(RSA).unwrap());
        Self { id, pair }
    }

    /// A new key on P-256.
    pub fn p256(id: &'static str) -> Self {
        Self::ec(id, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    /// A new key on P-384.
    pub fn p384(id: &'static str) -> Self {
        Self::ec(id, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn ec(
        id: &'static str,
        curve: &'static str,
        algorithm: &'static EcdsaSigningAlgorithm,
    ) -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap();
        let pair = Pair::Ec(curve, pair);
        Self { id, pair }
    }

    /// A new key on Ed25519.
    pub fn ed(id: &'static str) -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Pair::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap());
        Self { id, pair }
    }

    /// What is published of it.
    pub fn public(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({
                    "kid": self.id, "kty": "RSA", "use": "sig",
                    "n": BASE64.encode(public.n), "e": BASE64.encode(public.e),
                })
            }
            Pair::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({
                    "kid": self.id, "kty": "EC", "crv": curve,
                    "x": BASE64.encode(x), "y": BASE64.encode(y),
                })
            }
            Pair::Ed(pair) => json!({
                "kid": self.id, "kty": "OKP", "crv": "Ed25519",
                "x": BASE64.encode(pair.public_key()),
            }),
        }
    }

    /// A token with these claims.
    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": self.id});
        self.signed(algorithm, &header, claims)
    }

    /// A token with this header, signed with an algorithm that it need not name.
    pub fn signed(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &dyn RsaEncoding = match algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    other => panic!("{other} with an RSA key"),
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Pair::Ec(_, pair) => pair
                .sign(&random, message.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

/// Header and claims of a token.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| BASE64.encode(part.to_string()));
    format!("{header}.{claims}")
}
