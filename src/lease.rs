//! Which of several operators works: the one that holds a Lease. Others stand by: they watch the Lease,
//! and nothing else.
//!
//! A holder renews it. Others count by their own clock, from when they saw the last change, until it is
//! free, so that no clock has to agree with another. Each write names the version that it replaces, so
//! one of several takes it. A holder that cannot renew it gives up well before others take it.
//!
//! A Lease does not keep the writes of an earlier holder apart from those of a later one. What a run
//! needs for that are the names and uids of its children.

mod term;

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::names::OPERATOR;
use crate::settings::election::ElectionSettings;
pub use term::{NotLeading, Term};

/// Pause after a request that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How long giving the Lease back may take.
const RELEASE: Duration = Duration::from_secs(1);

/// One that wants to hold a Lease.
pub struct Candidate {
    api: Api<Lease>,
    settings: ElectionSettings,
    identity: String,
    term: Term,
}

/// Why a Lease is held no more.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else has it, as after a long stop of this process.
    #[error("the lease {name} is now held by {holder}: this operator ends, so that it starts anew")]
    Taken {
        /// Name of the Lease.
        name: String,
        /// Who holds it; "nobody" once it was deleted or given back for us.
        holder: String,
    },
    /// It could not be renewed in time.
    #[error(
        "the lease {name} could not be renewed for {} s, the last time because of: {cause}: \
         this operator ends, so that another can take over", term.as_secs_f32()
    )]
    Expired {
        /// Name of the Lease.
        name: String,
        /// For how long.
        term: Duration,
        /// What went wrong last.
        cause: String,
    },
}

/// A Lease as it was last seen.
struct Sighting {
    lease: Lease,
    /// When it may be taken, unless it changes.
    free: Instant,
}

/// Why a Lease was not written.
enum Failure {
    Lost(Lost),
    Request(kube::Error),
}

impl Candidate {
    /// Makes a candidate with an identity of its own; `name` is for people.
    #[must_use]
    pub fn new(client: Client, settings: ElectionSettings, name: &str) -> Self {
        let api = match &settings.lease_namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::default_namespaced(client),
        };
        // A container that was restarted has the name of the one before, whose lease is not its own.
        let unique = RandomState::new().build_hasher().finish();
        Self {
            api,
            settings,
            identity: format!("{name}_{unique:016x}"),
            term: Term::default(),
        }
    }

    /// How long this process leads.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term.clone()
    }

    /// Waits for the Lease, works while it is held, and gives it back when the work has ended, or
    /// `stop` resolves before it began.
    pub async fn lead(
        &self,
        work: impl Future<Output = ()>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Lost> {
        let Some(mut lease) = self.acquire(stop).await else {
            return Ok(());
        };
        tracing::info!(lease = self.name(), identity = self.identity, "leads");
        tokio::select! {
            // A process that was stopped for long must not work on before it knows.
            biased;
            lost = self.keep(&mut lease) => return Err(lost),
            () = work => {}
        }
        self.release(lease).await;
        Ok(())
    }

    fn name(&self) -> &str {
        &self.settings.lease_name
    }

    /// Waits until the Lease is held; None when `stop` resolves before.
    async fn acquire(&self, stop: impl Future<Output = ()>) -> Option<Lease> {
        let mut stop = pin!(stop);
        let mut seen: Option<Sighting> = None;
        loop {
            let mut changes = pin!(watch_object(self.api.clone(), self.name()));
            loop {
                let free = seen.as_ref().map(|seen| seen.free);
                let found = tokio::select! {
                    () = &mut stop => return None,
                    change = changes.next() => match change {
                        Some(Ok(found)) => found,
                        Some(Err(error)) => {
                            tracing::warn!(%error, lease = self.name(), "the watch of the lease failed and starts again; may we watch it?");
                            sleep(PAUSE).await;
                            continue;
                        }
                        None => break,
                    },
                    () = until(free) => match self.take(seen.as_ref()).await {
                        Ok(lease) => return Some(lease),
                        Err(error) => {
                            tracing::info!(%error, lease = self.name(), "the lease could not be taken");
                            sleep(PAUSE).await;
                            if is_conflict(&error) {
                                // Somebody was faster: what there is now is seen anew.
                                seen = None;
                                break;
                            }
                            continue;
                        }
                    },
                };
                seen = Some(self.sighting(found, seen));
            }
        }
    }

    fn sighting(&self, found: Option<Lease>, before: Option<Sighting>) -> Sighting {
        let lease = found.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.name().to_owned()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        if let Some(holder) = holder(&lease)
            && before
                .as_ref()
                .and_then(|before| self::holder(&before.lease))
                != Some(holder)
        {
            tracing::info!(lease = self.name(), holder, "stands by");
        }
        // Somebody may also write what says nothing about the holder, as a label.
        let free = match before {
            Some(before) if before.lease.spec == lease.spec => before.free,
            _ => Instant::now() + self.holds(&lease),
        };
        Sighting { lease, free }
    }

    /// How long a Lease holds that was just seen: as long as its holder says.
    fn holds(&self, lease: &Lease) -> Duration {
        if holder(lease).is_none() {
            return Duration::ZERO;
        }
        let seconds = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or(self.settings.duration(), Duration::from_secs)
    }

    /// Writes this candidate into a Lease that is free, provided that nobody wrote since it was seen.
    async fn take(&self, seen: Option<&Sighting>) -> kube::Result<Lease> {
        let mut lease = seen.map(|seen| seen.lease.clone()).unwrap_or_default();
        let before = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(self.settings.lease_duration_seconds.into()),
            acquire_time: Some(now()),
            renew_time: Some(now()),
            lease_transitions: Some(
                before
                    .lease_transitions
                    .unwrap_or_default()
                    .saturating_add(1),
            ),
            ..before
        });
        let sent = Instant::now();
        let lease = self.write(&lease).await?;
        self.term.extend(sent + self.settings.term());
        Ok(lease)
    }

    /// Creates or replaces a Lease.
    async fn write(&self, lease: &Lease) -> kube::Result<Lease> {
        let params = PostParams {
            field_manager: Some(OPERATOR.to_owned()),
            ..PostParams::default()
        };
        let request = async {
            match lease.metadata.resource_version {
                Some(_) => self.api.replace(self.name(), &params, lease).await,
                None => self.api.create(&params, lease).await,
            }
        };
        timeout(self.settings.period(), request)
            .await
            .unwrap_or_else(|elapsed| Err(kube::Error::Service(elapsed.into())))
    }

    /// Renews the Lease until that is not possible any more.
    async fn keep(&self, lease: &mut Lease) -> Lost {
        let mut cause = "this process stood still".to_owned();
        let mut pause = self.settings.period();
        loop {
            let end = self.term.end().unwrap_or_else(Instant::now);
            sleep_until(end.min(Instant::now() + pause)).await;
            let sent = Instant::now();
            let expired = |cause| Lost::Expired {
                name: self.name().to_owned(),
                term: self.settings.term(),
                cause,
            };
            if sent >= end {
                return expired(cause);
            }
            let renew = |spec: &mut LeaseSpec| spec.renew_time = Some(now());
            match timeout_at(end, self.update(lease, renew)).await {
                Ok(Ok(())) => {
                    self.term.extend(sent + self.settings.term());
                    pause = self.settings.period();
                }
                Ok(Err(Failure::Lost(lost))) => return lost,
                Ok(Err(Failure::Request(error))) => {
                    tracing::warn!(%error, lease = self.name(), "the lease could not be renewed");
                    cause = error.to_string();
                    pause = PAUSE;
                }
                Err(_) => return expired(cause),
            }
        }
    }

    /// Lets others take the Lease at once. They also do without, after its duration.
    async fn release(&self, mut lease: Lease) {
        self.term.finish();
        let empty = |spec: &mut LeaseSpec| spec.holder_identity = None;
        match timeout(RELEASE, self.update(&mut lease, empty)).await {
            Ok(Ok(())) => tracing::info!(lease = self.name(), "the lease is given back"),
            Ok(Err(Failure::Lost(error))) => tracing::warn!(%error, "the lease is not given back"),
            Ok(Err(Failure::Request(error))) => {
                tracing::warn!(%error, "the lease is not given back");
            }
            Err(_) => tracing::warn!("the lease is not given back: the API server does not answer"),
        }
    }

    /// Changes a Lease that is held. A conflict may come from a write of ours whose answer was lost.
    async fn update(
        &self,
        lease: &mut Lease,
        change: impl Fn(&mut LeaseSpec),
    ) -> Result<(), Failure> {
        let mut next = lease.clone();
        next.spec.as_mut().map(&change);
        match self.write(&next).await {
            Ok(written) => {
                *lease = written;
                return Ok(());
            }
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(Failure::Request(error)),
        }
        let found = self
            .api
            .get_opt(self.name())
            .await
            .map_err(Failure::Request)?;
        let holder = found.as_ref().and_then(holder);
        if holder != Some(&self.identity) {
            return Err(Failure::Lost(Lost::Taken {
                name: self.name().to_owned(),
                holder: holder.unwrap_or("nobody").to_owned(),
            }));
        }
        let mut next = found.unwrap_or_default();
        next.spec.as_mut().map(change);
        *lease = self.write(&next).await.map_err(Failure::Request)?;
        Ok(())
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}

/// Whether somebody else wrote or removed a Lease meanwhile.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 404)
}

fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
