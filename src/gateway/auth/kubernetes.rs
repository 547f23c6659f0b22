//! Callers that the cluster knows: a token is reviewed by the API server, and everything is asked for in the
//! name of its user, so that RBAC decides.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Request};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::api::PostParams;
use kube::client::Body;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::gateway::caller::{Authority, Caller};
use crate::gateway::fault::Fault;

/// How long an answer of the API server is used again; its own authenticators do the same.
const FRESH: Duration = Duration::from_secs(10);
/// The most answers that are kept.
const KEPT: usize = 4096;
/// Longest token that is looked at.
const LONGEST: usize = 16 << 10;

/// Asks the API server whose tokens they are.
pub struct Reviews {
    client: Client,
    known: Mutex<HashMap<Digested, (Instant, Review)>>,
}

/// A token's digest: tokens themselves are not kept.
type Digested = [u8; 32];

/// What the API server said of a token.
#[derive(Clone)]
enum Review {
    /// Whose it is.
    Of(Box<Caller>),
    /// Nobody's.
    Refused,
}

impl Reviews {
    /// With the gateway's own client, which may create TokenReviews and impersonate.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// Whose token this is. `admit` may refuse to ask the cluster for one that is not known yet.
    pub async fn caller(
        &self,
        token: &str,
        admit: impl Fn() -> Result<(), Fault>,
    ) -> Result<Caller, Fault> {
        let refused = || Fault::unauthorized("the cluster does not know this token, or no longer");
        if token.len() > LONGEST {
            return Err(refused());
        }
        let digest: Digested = Sha256::digest(token).into();
        let review = if let Some(known) = self.known(&digest) {
            known
        } else {
            admit()?;
            let review = match self.review(token).await? {
                Some(user) => Review::Of(Box::new(self.impersonate(&user)?)),
                None => Review::Refused,
            };
            self.keep(digest, review.clone());
            review
        };
        match review {
            Review::Of(caller) => Ok(*caller),
            Review::Refused => Err(refused()),
        }
    }

    fn known(&self, digest: &Digested) -> Option<Review> {
        let known = self.known.lock().ok()?;
        let (since, review) = known.get(digest)?;
        (since.elapsed() < FRESH).then(|| review.clone())
    }

    fn keep(&self, digest: Digested, review: Review) {
        let Ok(mut known) = self.known.lock() else {
            return;
        };
        if known.len() >= KEPT {
            known.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        if known.len() < KEPT {
            known.insert(digest, (Instant::now(), review));
        }
    }

    async fn review(&self, token: &str) -> Result<Option<UserInfo>, Fault> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: None,
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|error| {
            tracing::error!(%error, "tokens cannot be reviewed");
            Fault::unavailable("tokens cannot be reviewed at the moment: try again")
        })?;
        let status = answer.status.unwrap_or_default();
        Ok(status
            .authenticated
            .unwrap_or_default()
            .then_some(status.user)
            .flatten())
    }

    /// A caller whose client asks in the name of a user and its groups.
    fn impersonate(&self, user: &UserInfo) -> Result<Caller, Fault> {
        let name = user.username.clone().unwrap_or_default();
        let headers = headers(&name, user.groups.as_deref().unwrap_or_default())
            .ok_or_else(|| Fault::forbidden("the name of the user cannot be used in a request"))?;
        let own = self.client.clone();
        let service = tower::service_fn(move |mut request: Request<Body>| {
            let own = own.clone();
            for (name, value) in &headers {
                request.headers_mut().append(name, value.clone());
            }
            async move { own.send(request).await }
        });
        Ok(Caller {
            client: Client::new(service, self.client.default_namespace()),
            name: Some(name),
            authority: Authority::Cluster,
        })
    }
}

/// The headers that ask in somebody's name; none where the name does not fit into one.
fn headers(name: &str, groups: &[String]) -> Option<HeaderMap> {
    if name.is_empty() {
        return None;
    }
    let mut headers = HeaderMap::new();
    headers.append("impersonate-user", HeaderValue::from_str(name).ok()?);
    for group in groups {
        headers.append("impersonate-group", HeaderValue::from_str(group).ok()?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_header_is_nobody() {
        assert!(headers("", &[]).is_none());
        assert!(headers("alice\r\nimpersonate-group: system:masters", &[]).is_none());
        let groups = ["a".to_owned(), "b".to_owned()];
        let headers = headers("alice", &groups).unwrap();
        assert_eq!(headers.get_all("impersonate-group").iter().count(), 2);
    }
}
