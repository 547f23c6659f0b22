//! Finding out who asks.

pub mod kubernetes;

use std::net::IpAddr;

use axum::http::HeaderMap;
use kube::Client;

use super::caller::{Authority, Caller};
use super::fault::Fault;
use crate::settings::gateway::{AuthMode, GatewaySettings};
use kubernetes::Reviews;

/// How callers prove who they are.
pub enum Authenticator {
    /// What they say of themselves is believed, from near.
    TrustedHeaders {
        /// Who may be believed.
        settings: Box<GatewaySettings>,
        /// The gateway's own client.
        client: Client,
    },
    /// A token that the cluster knows.
    Kubernetes(Reviews),
}

impl Authenticator {
    /// What the settings ask for.
    #[must_use]
    pub fn new(settings: &GatewaySettings, client: Client) -> Self {
        match settings.auth {
            AuthMode::TrustedHeaders => {
                tracing::warn!(
                    listen = %settings.listen,
                    trusted_proxies = ?settings.trusted_proxies,
                    "--auth=trusted-headers: whoever reaches this address may be anybody: the headers \
                     X-User-Wallet and X-User-Role are believed without a proof"
                );
                Self::TrustedHeaders {
                    settings: Box::new(settings.clone()),
                    client,
                }
            }
            AuthMode::Kubernetes => Self::Kubernetes(Reviews::new(client)),
        }
    }

    /// Who sent these headers from this address.
    pub async fn caller(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Caller, Fault> {
        match self {
            Self::TrustedHeaders { settings, client } => {
                if !peer.to_canonical().is_loopback() && !settings.trusts(peer) {
                    return Err(Fault::unauthorized(format!(
                        "{peer} is no trusted proxy: call this address through one that is"
                    )));
                }
                Ok(Caller {
                    name: None,
                    authority: Authority::Claims {
                        open_reads: !settings.closed_reads,
                    },
                    client: client.clone(),
                })
            }
            Self::Kubernetes(reviews) => reviews.caller(bearer(headers)?).await,
        }
    }
}

/// The token of a request.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Fault> {
    let missing = || Fault::unauthorized("send a token: Authorization: Bearer TOKEN");
    let mut sent = headers.get_all("authorization").iter();
    let (Some(header), None) = (sent.next(), sent.next()) else {
        return Err(missing());
    };
    let (scheme, token) = header
        .to_str()
        .ok()
        .and_then(|header| header.split_once(' '))
        .ok_or_else(missing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::no_client;
    use crate::settings::gateway::tests::settings;

    #[test]
    fn a_token_comes_once_and_in_its_form() {
        let headers = |sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append("authorization", value.parse().unwrap());
            }
            headers
        };
        assert_eq!(bearer(&headers(&["bearer abc"])).unwrap(), "abc");
        for wrong in [
            &[][..],
            &["abc"],
            &["Basic abc"],
            &["Bearer "],
            &["Bearer a", "Bearer b"],
        ] {
            assert!(bearer(&headers(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn headers_are_believed_from_near_alone() {
        let settings = settings(&["--auth=trusted-headers", "--trusted-proxies=10.1.0.0/16"]);
        let authenticator = Authenticator::new(&settings, no_client());
        for (peer, believed) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("192.168.0.1", false),
        ] {
            let caller = authenticator
                .caller(&HeaderMap::new(), peer.parse().unwrap())
                .await;
            assert_eq!(caller.is_ok(), believed, "{peer}");
        }
    }
}
