//! The Jobs and runner pods that belong to runs, as the watches show them, found without a scan.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};
use tokio::sync::watch;

use super::guarded::Guarded;
use crate::names;

/// Objects of one kind by namespace and a key of their own.
pub struct Index<K> {
    key: fn(&K) -> Option<String>,
    maps: Mutex<Maps<K>>,
    ready: watch::Sender<bool>,
}

type Map<K> = HashMap<(String, String), Arc<K>>;

struct Maps<K> {
    live: Map<K>,
    /// The next list while it arrives; it replaces the live one at its end.
    next: Map<K>,
}

impl<K: Resource + Clone> Index<K> {
    fn new(key: fn(&K) -> Option<String>) -> Self {
        let maps = Maps {
            live: HashMap::new(),
            next: HashMap::new(),
        };
        Self {
            key,
            maps: Mutex::new(maps),
            ready: watch::Sender::new(false),
        }
    }

    /// The object under a key.
    #[must_use]
    pub fn get(&self, namespace: &str, key: &str) -> Option<Arc<K>> {
        let maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        maps.live
            .get(&(namespace.to_owned(), key.to_owned()))
            .cloned()
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

    /// Takes over an event and says which resources it concerns.
    fn apply(&self, event: &Event<K>) -> Vec<ObjectRef<Guarded>> {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Apply(object) => {
                if let Some(key) = self.full_key(object) {
                    maps.live.insert(key, Arc::new(object.clone()));
                }
                workflow_of(object).into_iter().collect()
            }
            Event::Delete(object) => {
                if let Some(key) = self.full_key(object) {
                    // A later object of the same name may have arrived already.
                    if maps
                        .live
                        .get(&key)
                        .is_some_and(|known| known.uid() == object.uid())
                    {
                        maps.live.remove(&key);
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
                    maps.next.insert(key, Arc::new(object.clone()));
                }
                Vec::new()
            }
            Event::InitDone => {
                let next = std::mem::take(&mut maps.next);
                let before = std::mem::replace(&mut maps.live, next);
                let concerned: HashSet<_> = before
                    .values()
                    .chain(maps.live.values())
                    .filter_map(|o| workflow_of(&**o))
                    .collect();
                drop(maps);
                self.ready.send_replace(true);
                concerned.into_iter().collect()
            }
        }
    }

    fn full_key(&self, object: &K) -> Option<(String, String)> {
        Some((object.namespace()?, (self.key)(object)?))
    }

    /// Keeps the index up to date with a watch and says which resources each event concerns.
    pub fn follow(
        self: Arc<Self>,
        events: impl Stream<Item = watcher::Result<Event<K>>>,
    ) -> impl Stream<Item = watcher::Result<ObjectRef<Guarded>>> {
        events.flat_map(move |event| {
            let concerned = match event {
                Ok(event) => self.apply(&event).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            futures::stream::iter(concerned)
        })
    }
}

/// Jobs by name.
#[must_use]
pub fn jobs() -> Index<Job> {
    Index::new(|job| job.metadata.name.clone())
}

/// Runner pods by the uid of their Job.
#[must_use]
pub fn pods() -> Index<Pod> {
    Index::new(|pod| owner_uid(pod, "Job"))
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
        *spec = k8s_openapi::api::batch::v1::JobSpec {
            suspend: spec.suspend,
            ..Default::default()
        };
    }
}

/// Removes from a pod what nobody here reads, so that the index stays small.
pub fn prune_pod(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    pod.spec = None;
    if let Some(status) = &mut pod.status {
        status.host_ips = None;
        status.pod_ips = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(name: &str, uid: &str) -> Job {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "n", "uid": uid,
                         "annotations": {"dvre.io/workflow": "hello"}}
        }))
        .unwrap()
    }

    #[test]
    fn a_late_delete_does_not_remove_the_successor() {
        let index = jobs();
        index.apply(&Event::Apply(job("hello-1", "old")));
        index.apply(&Event::Apply(job("hello-1", "new")));
        index.apply(&Event::Delete(job("hello-1", "old")));
        assert_eq!(index.get("n", "hello-1").unwrap().uid().unwrap(), "new");
        index.apply(&Event::Delete(job("hello-1", "new")));
        assert!(index.get("n", "hello-1").is_none());
    }

    #[test]
    fn a_list_replaces_what_was_known() {
        let index = jobs();
        index.apply(&Event::Apply(job("gone", "1")));
        index.apply(&Event::Init);
        index.apply(&Event::InitApply(job("here", "2")));
        assert!(
            index.get("n", "gone").is_some(),
            "the old list serves until the new one is whole"
        );
        assert!(!index.is_ready());
        index.apply(&Event::InitDone);
        assert!(index.is_ready());
        assert!(index.get("n", "gone").is_none());
        assert!(index.get("n", "here").is_some());
    }

    #[tokio::test]
    async fn events_name_the_resource() {
        let index = Arc::new(jobs());
        let events = futures::stream::iter([Ok(Event::Apply(job("hello-1", "1")))]);
        let found: Vec<_> = index.follow(events).collect().await;
        assert_eq!(
            found[0].as_ref().unwrap(),
            &ObjectRef::new("hello").within("n")
        );
    }
}
