//! The tokens of wallets that have signed in.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// Who makes them.
const ISSUER: &str = "dvre-gateway";

/// Makes tokens and knows them again.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    domain: String,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    exp: i64,
}

impl Tokens {
    /// For the wallets of a domain.
    #[must_use]
    pub fn new((encoding, decoding): (EncodingKey, DecodingKey), domain: &str) -> Self {
        Self {
            encoding,
            decoding,
            domain: domain.to_lowercase(),
        }
    }

    /// A token for a wallet.
    pub fn issue(&self, address: &str, now: Timestamp, until: Timestamp) -> Result<String, String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: self.domain.clone(),
            sub: address.to_owned(),
            iat: now.as_second(),
            exp: until.as_second(),
        };
        let header = Header::new(Algorithm::HS256);
        jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(|error| error.to_string())
    }

    /// The wallet of a token; none where it is not one of these, or not any more.
    #[must_use]
    pub fn wallet(&self, token: &str) -> Option<String> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[&self.domain]);
        let token = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation);
        token.ok().map(|token| token.claims.sub)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    use jiff::ToSpan;
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::auth::crypto;
    use crate::gateway::auth::wallet::secret::Secret;

    fn tokens(domain: &str, namespace: &str) -> Tokens {
        crypto::install();
        let secret = Secret::new(&[7; 32], domain, namespace);
        Tokens::new(secret.of_tokens().unwrap(), domain)
    }

    fn issued(tokens: &Tokens, seconds: i64) -> String {
        let now = Timestamp::now();
        let token = tokens.issue("0xabc", now, now + seconds.seconds());
        token.unwrap()
    }

    #[test]
    fn a_token_is_good_until_its_end() {
        let tokens = tokens("a.org", "lab");
        let token = issued(&tokens, 60);
        assert_eq!(tokens.wallet(&token).as_deref(), Some("0xabc"));
        assert_eq!(tokens.wallet(&issued(&tokens, -1)), None);
    }

    #[test]
    fn a_token_of_another_gateway_is_none() {
        let here = tokens("a.org", "lab");
        for other in [tokens("b.org", "lab"), tokens("a.org", "other")] {
            assert_eq!(here.wallet(&issued(&other, 60)), None);
        }
        // The same key, and a token for somebody else.
        let elsewhere = Tokens::new(
            Secret::new(&[7; 32], "a.org", "lab").of_tokens().unwrap(),
            "b.org",
        );
        assert_eq!(here.wallet(&issued(&elsewhere, 60)), None);
    }

    #[test]
    fn a_token_that_was_changed_is_none() {
        let tokens = tokens("a.org", "lab");
        let token = issued(&tokens, 60);
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            panic!("{token}");
        };
        let mut changed: Value = serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap();
        changed["sub"] = json!("0xdef");
        let changed = BASE64.encode(changed.to_string());
        let none = BASE64.encode(json!({"alg": "none", "typ": "JWT"}).to_string());
        let stronger = BASE64.encode(json!({"alg": "HS512", "typ": "JWT"}).to_string());
        for forged in [
            format!("{header}.{changed}.{signature}"),
            format!("{none}.{claims}."),
            format!("{none}.{changed}."),
            format!("{none}.{claims}.{signature}"),
            format!("{stronger}.{claims}.{signature}"),
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            format!("{token}.{signature}"),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(tokens.wallet(&forged), None, "{forged}");
        }
    }
}
