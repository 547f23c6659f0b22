//! Nonces that were used. Each is an object of the cluster with the nonce's name: the API server lets only
//! one of all requests at all replicas create it.

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};

use super::nonce::Nonce;
use crate::gateway::fault::Fault;

/// Label of all objects that the gateway makes for itself, and its value.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "dvre-gateway");
/// Label of these, and its value.
const COMPONENT: (&str, &str) = ("app.kubernetes.io/component", "used-nonce");
/// How long one is remembered after its end, for replicas whose clock is behind.
const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// How many are read at one time, and how many times in one go.
const PAGE: u32 = 500;
const PAGES: usize = 20;
/// How many are removed at one time.
const TOGETHER: usize = 8;

/// Nonces that were used, by whichever replica.
pub struct UsedNonces(Api<Lease>);

impl UsedNonces {
    /// Those of the gateways of a namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self(Api::namespaced(client, namespace))
    }

    /// Uses one; false where it was used before.
    pub async fn use_up(&self, nonce: &Nonce, now: Timestamp) -> Result<bool, Fault> {
        let params = PostParams {
            field_manager: Some(MANAGED_BY.1.to_owned()),
            ..PostParams::default()
        };
        match self.0.create(&params, &used(nonce, now)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => {
                tracing::error!(%error, "used nonces cannot be noted, so nobody can sign in");
                Err(Fault::unavailable(
                    "nobody can sign in at the moment: try again",
                ))
            }
        }
    }

    /// Removes those that nobody could use any more. What is left is for the next time.
    pub async fn tidy(&self, now: Timestamp) {
        if let Err(error) = self.try_tidy(now).await {
            tracing::warn!(%error, "used nonces cannot be removed");
        }
    }

    async fn try_tidy(&self, now: Timestamp) -> kube::Result<()> {
        let labels = [MANAGED_BY, COMPONENT].map(|(key, value)| format!("{key}={value}"));
        let mut params = ListParams::default().labels(&labels.join(",")).limit(PAGE);
        for _ in 0..PAGES {
            let page = self.0.list(&params).await?;
            let over = page.items.iter().filter(|lease| is_over(lease, now));
            let removed = stream::iter(over.map(ResourceExt::name_any))
                .map(|name| async move { self.0.delete(&name, &DeleteParams::default()).await })
                .buffer_unordered(TOGETHER);
            let mut removed = std::pin::pin!(removed);
            while let Some(removed) = removed.next().await {
                match removed {
                    Ok(_) => {}
                    // Another replica was faster.
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    Err(error) => return Err(error),
                }
            }
            match page.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => params.continue_token = Some(more),
                None => break,
            }
        }
        Ok(())
    }
}

/// The object of a nonce.
fn used(nonce: &Nonce, now: Timestamp) -> Lease {
    let kept = nonce.until.duration_since(now) + GRACE;
    let labels = [MANAGED_BY, COMPONENT].map(|(key, value)| (key.to_owned(), value.to_owned()));
    Lease {
        metadata: ObjectMeta {
            name: Some(format!("dvre-nonce-{}", nonce.id)),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            acquire_time: Some(MicroTime(now)),
            lease_duration_seconds: Some(i32::try_from(kept.as_secs()).unwrap_or(i32::MAX)),
            ..LeaseSpec::default()
        }),
    }
}

fn is_over(lease: &Lease, now: Timestamp) -> bool {
    let Some(LeaseSpec {
        acquire_time: Some(since),
        lease_duration_seconds: Some(kept),
        ..
    }) = &lease.spec
    else {
        // None of ours.
        return false;
    };
    now.duration_since(since.0) > SignedDuration::from_secs(i64::from(*kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_remembered_longer_than_it_is_good() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let nonce = Nonce {
            id: "ab".into(),
            until: at(1300),
        };
        let lease = used(&nonce, at(1000));
        assert_eq!(lease.name_any(), "dvre-nonce-ab");
        assert_eq!(lease, used(&nonce, at(1000)));
        assert!(!is_over(&lease, at(1300)));
        assert!(!is_over(&lease, at(1600)));
        assert!(is_over(&lease, at(1601)));
        assert!(!is_over(&Lease::default(), at(9999)));
    }
}
