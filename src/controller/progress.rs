//! Live progress. The log of a run that lasts is followed for its runner's records; news ask for a look
//! at the resource, at most every two seconds, and status then tells them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::Stream;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, Resource, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::guarded::Guarded;
use super::pod;
use crate::api::DvreWorkflow;
use crate::metrics::Metrics;
use crate::runner::record::Progress;

mod follower;
mod records;
mod slots;
mod words;

use follower::Follower;
use slots::Slots;
pub use words::words;

/// Between two times that news of one resource are told.
pub const PACE: Duration = Duration::from_secs(2);
/// A run that has lasted so long is followed: most are over before, and cost no request.
const PATIENCE: SignedDuration = SignedDuration::from_secs(4);

/// What is known of a run's progress; None before its first record.
type Known = Option<Arc<Progress>>;

/// The runs whose logs are followed, by the uid of their resource.
pub struct Followers {
    client: Client,
    slots: Arc<Slots>,
    runs: Mutex<HashMap<String, Run>>,
    news: OnceLock<UnboundedSender<ObjectRef<Guarded>>>,
}

/// A run that is followed, as long as this value lives.
struct Run {
    /// Uid of its pod: another attempt has another one.
    pod: String,
    told: watch::Receiver<Known>,
    task: JoinHandle<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followers {
    /// Follows at most `most` logs at one time; none when that is zero.
    #[must_use]
    pub fn new(client: Client, most: u16, metrics: &Metrics) -> Self {
        Self {
            client,
            slots: Arc::new(Slots::new(most.into(), metrics.followers())),
            runs: Mutex::default(),
            news: OnceLock::new(),
        }
    }

    /// The resources that there is news of. Nothing is followed before somebody listens here, and
    /// only the first to listen hears.
    pub fn news(&self) -> impl Stream<Item = ObjectRef<Guarded>> + use<> {
        let (sender, receiver) = unbounded();
        let _ = self.news.set(sender);
        receiver
    }

    /// What is to be told of a run's progress. The log of its pod is followed from the first call on
    /// with a pod that runs, until one with a pod that does not.
    #[must_use]
    pub fn told(&self, workflow: &DvreWorkflow, pod: Option<&Pod>) -> Known {
        let uid = workflow.meta().uid.as_deref()?;
        let running = pod.filter(|pod| pod::running_since(pod).is_some() && !pod::is_over(pod));
        let Some(pod) = running else {
            self.forget(uid);
            return None;
        };
        let pod_uid = pod.metadata.uid.as_deref()?;
        let mut runs = self.lock();
        if let Some(run) = runs.get(uid).filter(|run| run.pod == pod_uid) {
            return run.told.borrow().clone();
        }
        let run = self.follow(workflow, pod, pod_uid.to_owned())?;
        runs.insert(uid.to_owned(), run);
        None
    }

    fn follow(&self, workflow: &DvreWorkflow, pod: &Pod, pod_uid: String) -> Option<Run> {
        let news = self.news.get()?.clone();
        if self.slots.is_none() {
            return None;
        }
        let resource =
            ObjectRef::new(&workflow.name_any()).within(workflow.metadata.namespace.as_deref()?);
        let (tell, told) = watch::channel(None);
        let follower = Follower {
            client: self.client.clone(),
            namespace: pod.metadata.namespace.clone()?,
            pod: pod.metadata.name.clone()?,
            slots: self.slots.clone(),
        };
        let patience = patience(pod, Timestamp::now());
        let task = tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            let (found, latest) = watch::channel(None);
            let telling = tell_news(latest, tell, || {
                // An error means that the controller ends.
                let _ = news.unbounded_send(resource.clone());
            });
            tokio::join!(follower.run(found), telling);
        });
        Some(Run {
            pod: pod_uid,
            told,
            task,
        })
    }

    /// Follows a resource's run no more: it is over, or the resource is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Follows nothing any more.
    pub fn stop(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait with the first request about a pod. Clocks may differ.
fn patience(pod: &Pod, now: Timestamp) -> Duration {
    let age = pod::running_since(pod).map_or(SignedDuration::ZERO, |since| {
        now.duration_since(since.0).max(SignedDuration::ZERO)
    });
    Duration::try_from(PATIENCE - age).unwrap_or_default()
}

/// Tells what is latest: first at once, and then not more often than every [`PACE`].
async fn tell_news(
    mut latest: watch::Receiver<Known>,
    told: watch::Sender<Known>,
    news: impl Fn(),
) {
    while latest.changed().await.is_ok() {
        let known = latest.borrow_and_update().clone();
        told.send_replace(known);
        news();
        tokio::time::sleep(PACE).await;
    }
}

#[cfg(test)]
mod tests;
