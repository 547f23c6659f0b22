//! Asks a provider for its keys: OpenID Connect Discovery.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::keys::Keys;
use crate::settings::gateway::oidc::is_address;

/// How long a question may take in all.
const LONGEST: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const LIMIT: u64 = 1 << 20;

/// Where a provider says what its keys are.
pub struct Discovery {
    agent: Agent,
    issuer: String,
}

/// What a provider says of itself, as far as it counts here.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

impl Discovery {
    /// Of an issuer, which authorities of a file certify, or those of the system.
    pub fn new(issuer: &str, authorities: Option<&Path>) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = match authorities {
            Some(file) => read_authorities(file)?,
            None => RootCerts::PlatformVerifier,
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(issuer.starts_with("https:"))
            // It says itself where its keys are; whoever else does is not asked.
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(LONGEST))
            .user_agent(concat!("dvre-gateway/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            issuer: issuer.to_owned(),
        })
    }

    /// Its keys. This waits for the provider.
    pub fn keys(&self) -> Result<Keys, String> {
        let issuer = self.issuer.trim_end_matches('/');
        let document = self.get(&format!("{issuer}/.well-known/openid-configuration"))?;
        let document: Document = serde_json::from_slice(&document)
            .map_err(|error| format!("no discovery document: {error}"))?;
        if document.issuer != self.issuer {
            return Err(format!(
                "it calls itself {}: give exactly that to --oidc-issuer, if it is the right one",
                crate::words::show(&document.issuer)
            ));
        }
        if !is_address(&document.jwks_uri) {
            return Err(format!(
                "its keys are not at an address with https: {}",
                crate::words::show(&document.jwks_uri)
            ));
        }
        Keys::read(&self.get(&document.jwks_uri)?)
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let failed = |why: String| format!("{url}: {why}");
        let answer = self.agent.get(url).header("accept", "application/json");
        let mut answer = answer.call().map_err(|error| failed(error.to_string()))?;
        if answer.status() != 200 {
            return Err(failed(format!("it answers {}", answer.status())));
        }
        let body = answer.body_mut().with_config().limit(LIMIT);
        body.read_to_vec()
            .map_err(|error| failed(error.to_string()))
    }
}

fn read_authorities(file: &Path) -> Result<RootCerts, String> {
    let failed = |why: String| format!("--oidc-ca-file {}: {why}", file.display());
    let pem = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    let mut authorities = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(authority) = item.map_err(|error| failed(error.to_string()))? {
            authorities.push(authority);
        }
    }
    if authorities.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&authorities))
}
