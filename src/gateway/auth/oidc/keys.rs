//! The keys that a provider publishes (RFC 7517), as far as its tokens may be signed with them.

use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations,
    PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The keys of a provider.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    algorithms: Vec<Algorithm>,
    public: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads them. Keys of a kind that is not known, or for something else, are passed over.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(json).map_err(|error| format!("no set of keys: {error}"))?;
        let keys: Vec<_> = document.keys.into_iter().filter_map(read).collect();
        if keys.is_empty() {
            return Err("there is no key that a token may be signed with".to_owned());
        }
        Ok(Self(keys))
    }

    /// Whether there is a key of this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// The key of this id, if it is one for this algorithm.
    #[must_use]
    pub fn find(&self, id: &str, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut keys = self.0.iter();
        let found = keys.find(|key| key.id == id && key.algorithms.contains(&algorithm));
        found.map(|key| &key.public)
    }
}

fn read(key: Value) -> Option<Key> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let algorithms = algorithms(&key);
    if algorithms.is_empty() || !is_for_signatures(&key.common) {
        return None;
    }
    Some(Key {
        id: key.common.key_id.clone()?,
        algorithms,
        public: DecodingKey::from_jwk(&key).ok()?,
    })
}

/// What may be signed with a key: by its kind, and what it says itself. A secret is never one of a provider.
fn algorithms(key: &Jwk) -> Vec<Algorithm> {
    let all: &[Algorithm] = match &key.algorithm {
        AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        _ => &[],
    };
    let named = key.common.key_algorithm;
    let fits = |algorithm: &Algorithm| named.is_none_or(|it| it == KeyAlgorithm::from(*algorithm));
    all.iter().copied().filter(fits).collect()
}

fn is_for_signatures(common: &CommonParameters) -> bool {
    let used = common.public_key_use.as_ref();
    let operations = common.key_operations.as_ref();
    used.is_none_or(|it| *it == PublicKeyUse::Signature)
        && operations.is_none_or(|it| it.contains(&KeyOperations::Verify))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn keys(keys: &Value) -> Result<Keys, String> {
        Keys::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_is_for_its_own_algorithms() {
        let keys = keys(&json!([
            {"kid": "rsa", "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "sig"},
            {"kid": "rsa256", "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS256"},
            {"kid": "p256", "kty": "EC", "crv": "P-256", "x": X, "y": X, "key_ops": ["verify"]},
            {"kid": "ed", "kty": "OKP", "crv": "Ed25519", "x": X, "alg": "EdDSA"},
        ]))
        .unwrap();
        for (id, algorithm, found) in [
            ("rsa", Algorithm::RS256, true),
            ("rsa", Algorithm::RS512, true),
            ("rsa", Algorithm::PS256, false),
            ("rsa", Algorithm::HS256, false),
            ("rsa256", Algorithm::RS256, true),
            ("rsa256", Algorithm::RS512, false),
            ("p256", Algorithm::ES256, true),
            ("p256", Algorithm::ES384, false),
            ("ed", Algorithm::EdDSA, true),
            ("p384", Algorithm::ES384, false),
        ] {
            assert_eq!(
                keys.find(id, algorithm).is_some(),
                found,
                "{id} {algorithm:?}"
            );
        }
        assert!(keys.has("ed") && !keys.has("p384"));
    }

    #[test]
    fn keys_for_something_else_are_passed_over() {
        for other in [
            json!({"kid": "k", "kty": "oct", "k": X, "alg": "HS256"}),
            json!({"kid": "k", "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc"}),
            json!({"kid": "k", "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RSA-OAEP"}),
            json!({"kid": "k", "kty": "RSA", "n": "AQAB", "e": "AQAB", "key_ops": ["encrypt"]}),
            json!({"kid": "k", "kty": "EC", "crv": "P-521", "x": X, "y": X}),
            json!({"kid": "k", "kty": "OKP", "crv": "X25519", "x": X}),
            json!({"kid": "k", "kty": "AKP", "pub": X}),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!({"kid": "k", "kty": "RSA", "n": "not base64!", "e": "AQAB"}),
            json!("k"),
        ] {
            let mut all = vec![other.clone()];
            assert!(keys(&json!(all)).is_err(), "{other}");
            all.push(json!({"kid": "good", "kty": "EC", "crv": "P-256", "x": X, "y": X}));
            let keys = keys(&json!(all)).unwrap();
            assert!(keys.has("good") && !keys.has("k"), "{other}");
        }
        assert!(Keys::read(b"{}").is_err());
        assert!(Keys::read(b"").is_err());
    }
}
