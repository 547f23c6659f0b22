//! The Jobs and runner pods that belong to runs, as the watches show them, found without a scan.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};
use tokio::sync::watch;

use super::guarded::Guarded;
use super::pod;
use crate::names;

/// Objects of one kind by namespace and a key of their own.
pub struct Index<K> {
    key: fn(&K) -> Option<String>,
    /// How the last state of a deleted object is kept; None to forget it.
    epitaph: Option<fn(&mut K)>,
    maps: Mutex<Maps<K>>,
    ready: watch::Sender<bool>,
}

type Map<K> = HashMap<(String, String), Arc<K>>;

struct Maps<K> {
    live: Map<K>,
    /// The next list while it arrives; it replaces the live one at its end.
    next: Map<K>,
    /// The last state of deleted objects whose run is not over.
    gone: Map<K>,
}

impl<K: Resource + Clone> Index<K> {
    fn new(key: fn(&K) -> Option<String>, epitaph: Option<fn(&mut K)>) -> Self {
        let maps = Maps {
            live: HashMap::new(),
            next: HashMap::new(),
            gone: HashMap::new(),
        };
        Self {
            key,
            epitaph,
            maps: Mutex::new(maps),
            ready: watch::Sender::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Maps<K>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object under a key; its last state where it was deleted and that is kept.
    #[must_use]
    pub fn get(&self, namespace: &str, key: &str) -> Option<Arc<K>> {
        let maps = self.lock();
        let key = (namespace.to_owned(), key.to_owned());
        maps.live.get(&key).or_else(|| maps.gone.get(&key)).cloned()
    }

    /// All that are there.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.lock().live.values().cloned().collect()
    }

    /// Forgets the deleted objects of a resource whose run is over.
    pub fn forget(&self, workflow_uid: &str) {
        let of_it = |object: &Arc<K>| {
            object
                .labels()
                .get(names::WORKFLOW_UID)
                .is_some_and(|uid| uid == workflow_uid)
        };
        self.lock().gone.retain(|_, object| !of_it(object));
    }

    /// Returns once the first list has arrived.
    pub async fn ready(&self) {
        // The sender lives as long as the index: waiting cannot fail.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Whether the first list has arrived.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Takes over an event and says which resources it concerns. What is deleted while `active` says
    /// that its run is not over is kept in its last state.
    fn apply(
        &self,
        event: &Event<K>,
        active: impl Fn(&ObjectRef<Guarded>) -> bool,
    ) -> Vec<ObjectRef<Guarded>> {
        let mut maps = self.lock();
        match event {
            Event::Apply(object) => {
                if let Some(key) = self.full_key(object) {
                    maps.gone.remove(&key);
                    put(&mut maps.live, key, object);
                }
                workflow_of(object).into_iter().collect()
            }
            Event::Delete(object) => {
                if let Some(key) = self.full_key(object) {
                    // A later object of the same name may have arrived already.
                    if maps
                        .live
                        .get(&key)
                        .is_none_or(|known| known.uid() == object.uid())
                    {
                        maps.live.remove(&key);
                        self.bury(&mut maps, key, object, &active);
                    }
                }
                workflow_of(object).into_iter().collect()
            }
            Event::Init => {
                maps.next.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                if let Some(key) = self.full_key(object) {
                    put(&mut maps.next, key, object);
                }
                Vec::new()
            }
            Event::InitDone => {
                let next = std::mem::take(&mut maps.next);
                let before = std::mem::replace(&mut maps.live, next);
                let concerned: HashSet<_> = before
                    .values()
                    .chain(maps.live.values())
                    .filter_map(|object| workflow_of(&**object))
                    .collect();
                for (key, object) in before {
                    if !maps.live.contains_key(&key) {
                        self.bury(&mut maps, key, &object, &active);
                    }
                }
                drop(maps);
                self.ready.send_replace(true);
                concerned.into_iter().collect()
            }
        }
    }

    fn bury(
        &self,
        maps: &mut Maps<K>,
        key: (String, String),
        object: &K,
        active: &impl Fn(&ObjectRef<Guarded>) -> bool,
    ) {
        let Some(epitaph) = self.epitaph else { return };
        if workflow_of(object).is_some_and(|workflow| active(&workflow)) {
            let mut last = object.clone();
            epitaph(&mut last);
            maps.gone.insert(key, Arc::new(last));
        }
    }

    fn full_key(&self, object: &K) -> Option<(String, String)> {
        Some((object.namespace()?, (self.key)(object)?))
    }

    /// Keeps the index up to date with a watch and says which resources each event concerns. `active`
    /// tells whether the run of a resource is not over.
    pub fn follow(
        self: Arc<Self>,
        events: impl Stream<Item = watcher::Result<Event<K>>>,
        active: impl Fn(&ObjectRef<Guarded>) -> bool,
    ) -> impl Stream<Item = watcher::Result<ObjectRef<Guarded>>> {
        events.flat_map(move |event| {
            let concerned = match event {
                Ok(event) => self.apply(&event, &active).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            futures::stream::iter(concerned)
        })
    }
}

/// Puts an object under its key, unless a newer one is there: a Job that was let go once more has a pod
/// that still ends beside the one that starts.
fn put<K: Resource + Clone>(map: &mut Map<K>, key: (String, String), object: &K) {
    let known = map.get(&key);
    let newer = known.is_some_and(|known| {
        known.uid() != object.uid() && known.creation_timestamp() > object.creation_timestamp()
    });
    if !newer {
        map.insert(key, Arc::new(object.clone()));
    }
}

/// Jobs by name.
#[must_use]
pub fn jobs() -> Index<Job> {
    Index::new(|job| job.metadata.name.clone(), None)
}

/// Runner pods by the uid of their Job. What a deleted one said at its end is kept: it may be gone
/// before anybody has read it.
#[must_use]
pub fn pods() -> Index<Pod> {
    Index::new(|pod| owner_uid(pod, "Job"), Some(pod::deleted))
}

/// Uid of the object's controlling owner of a kind.
pub fn owner_uid<K: Resource>(object: &K, kind: &str) -> Option<String> {
    let owners = object.meta().owner_references.as_ref()?;
    let owner = owners
        .iter()
        .find(|owner| owner.controller == Some(true) && owner.kind == kind)?;
    Some(owner.uid.clone())
}

/// The resource that a Job or pod belongs to.
fn workflow_of<K: Resource>(object: &K) -> Option<ObjectRef<Guarded>> {
    let name = object.meta().annotations.as_ref()?.get(names::WORKFLOW)?;
    Some(ObjectRef::new(name).within(object.meta().namespace.as_deref()?))
}

/// Removes from a Job what nobody here reads, so that the index stays small.
pub fn prune_job(job: &mut Job) {
    job.metadata.managed_fields = None;
    if let Some(spec) = &mut job.spec {
        *spec = JobSpec {
            suspend: spec.suspend,
            ..Default::default()
        };
    }
}

/// Removes from a pod what nobody here reads, so that the index stays small.
pub fn prune_pod(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    if let Some(spec) = &mut pod.spec {
        *spec = PodSpec {
            node_name: spec.node_name.take(),
            ..Default::default()
        };
    }
    if let Some(status) = &mut pod.status {
        status.host_ips = None;
        status.pod_ips = None;
    }
}

#[cfg(test)]
mod tests;
