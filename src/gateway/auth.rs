//! Finding out who asks.

pub mod crypto;
pub mod kubernetes;
pub mod oidc;
pub mod project_roles;
pub mod wallet;

use std::net::IpAddr;

use axum::http::HeaderMap;
use jiff::Timestamp;
use kube::Client;

use super::caller::{Authority, Caller};
use super::fault::Fault;
use super::limits::Limits;
use crate::settings::gateway::{AuthMode, GatewaySettings};
use kubernetes::Reviews;
use oidc::Provider;
use project_roles::watch::KnownRoles;
use wallet::Wallets;

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
    /// A token of an OpenID provider.
    Oidc(Box<Provider>, Members),
    /// A token for a wallet that has signed in.
    Wallet(Box<Wallets>, Members),
}

/// Callers that the cluster does not know: what they may do is their role in a project, and the cluster is
/// asked in the gateway's own name.
pub struct Members {
    roles: KnownRoles,
    client: Client,
}

impl Members {
    fn new(settings: &GatewaySettings, client: Client) -> Self {
        let map = settings.project_roles.as_deref().unwrap_or_default();
        Self {
            roles: KnownRoles::new(client.clone(), &settings.namespace, map),
            client,
        }
    }

    /// The caller of this name, which is all of these subjects.
    fn caller(&self, name: String, subjects: &[String]) -> Result<Caller, Fault> {
        Ok(Caller {
            name: Some(name),
            authority: Authority::Projects(self.roles.of(subjects)?),
            client: self.client.clone(),
        })
    }
}

impl Authenticator {
    /// What the settings ask for.
    pub fn new(settings: &GatewaySettings, client: Client) -> Result<Self, String> {
        Ok(match settings.auth {
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
            AuthMode::Oidc => Self::Oidc(
                Box::new(Provider::new(&settings.oidc)?),
                Members::new(settings, client),
            ),
            AuthMode::Wallet => Self::Wallet(
                Box::new(Wallets::new(settings, client.clone())?),
                Members::new(settings, client),
            ),
        })
    }

    /// Who sent these headers from this address.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        limits: &Limits,
    ) -> Result<Caller, Fault> {
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
            Self::Kubernetes(reviews) => {
                let admit = || limits.admit_token(headers, peer);
                reviews.caller(bearer(headers)?, admit).await
            }
            Self::Oidc(provider, members) => {
                let subject = provider.subject(bearer(headers)?).await?;
                let all = subject.all();
                members.caller(subject.name, &all)
            }
            Self::Wallet(wallets, members) => {
                let wallet = wallets.wallet(bearer(headers)?)?;
                members.caller(wallet.clone(), &[wallet])
            }
        }
    }

    /// Where wallets sign in; nowhere in other modes.
    #[must_use]
    pub fn wallets(&self) -> Option<&Wallets> {
        match self {
            Self::Wallet(wallets, _) => Some(wallets),
            _ => None,
        }
    }

    fn members(&self) -> Option<&Members> {
        match self {
            Self::Oidc(_, members) | Self::Wallet(_, members) => Some(members),
            Self::TrustedHeaders { .. } | Self::Kubernetes(_) => None,
        }
    }

    /// Whether callers can be judged: roles, where they count, have been read.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.members()
            .is_none_or(|members| members.roles.is_known())
    }

    /// Follows the roles for good, where they count.
    pub async fn follow(&self) {
        match self.members() {
            Some(members) => members.roles.follow().await,
            None => std::future::pending().await,
        }
    }

    /// Forgets what is over.
    pub async fn tidy(&self) {
        if let Some(wallets) = self.wallets() {
            wallets.tidy(Timestamp::now()).await;
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
        let authenticator = Authenticator::new(&settings, no_client()).unwrap();
        let limits = Limits::new(&settings);
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
                .caller(&HeaderMap::new(), peer.parse().unwrap(), &limits)
                .await;
            assert_eq!(caller.is_ok(), believed, "{peer}");
        }
    }
}
