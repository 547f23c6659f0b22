//! Counts what is created, with a connection of its own that no fault touches: every Job and runner pod
//! of every run, by uid, and every end that did not last.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use dvre_operator::api::{DvreWorkflow, Phase};
use dvre_operator::names;
use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::request::masked;

/// Label that tells runners from Jobs that clean up.
const COMPONENT: &str = "app.kubernetes.io/component";

/// What was ever there in one namespace.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Uids of Jobs, by the uid of their resource and by their name.
    pub jobs: BTreeMap<(String, String), BTreeSet<String>>,
    /// Uids of runner pods, by the uid of their Job.
    pub pods: BTreeMap<String, BTreeSet<String>>,
    /// Ends that were taken back, as text.
    pub relapses: Vec<String>,
    /// Jobs that came after their resource had gone, and go by themselves, by name.
    pub late: BTreeSet<String>,
    /// Uids of resources that have gone.
    gone: BTreeSet<String>,
    /// Last phase of each resource, by uid.
    pub phases: HashMap<String, Option<Phase>>,
    /// What is there now, by uid.
    live: BTreeSet<String>,
}

impl Seen {
    /// Jobs and their pods, each with its number: `hello-1: 1 Job, 1 pod`.
    pub fn counts(&self) -> Vec<String> {
        let jobs = self.jobs.iter().map(|((_, name), uids)| {
            let pods = uids.iter().filter_map(|uid| self.pods.get(uid));
            let pods: usize = pods.map(BTreeSet::len).sum();
            format!("{}: {} Job, {pods} pod", masked(name), uids.len())
        });
        let mut counts: Vec<String> = jobs.collect();
        counts.sort();
        counts
    }

    /// How many resources are over in a phase.
    pub fn count(&self, phase: Phase) -> usize {
        let phases = self.phases.values();
        phases.filter(|found| **found == Some(phase)).count()
    }

    /// How many resources are over.
    pub fn over(&self) -> usize {
        let phases = self.phases.values().flatten();
        phases.filter(|phase| phase.is_final()).count()
    }
}

/// What was seen, and of which resources nothing counts any more: a namespace is used again, and a watch may
/// be behind another.
#[derive(Default)]
struct Namespaces {
    seen: HashMap<String, Seen>,
    taken: HashSet<String>,
}

/// Watches all namespaces as long as it lives.
pub struct Recorder {
    seen: Arc<Mutex<Namespaces>>,
    changes: watch::Sender<()>,
    _watches: JoinSet<()>,
}

impl Recorder {
    /// Begins to watch.
    pub fn new(client: &Client) -> Self {
        let seen = Arc::new(Mutex::new(Namespaces::default()));
        let changes = watch::Sender::new(());
        let mut watches = JoinSet::new();
        let ours = watcher::Config::default().labels(names::SELECTOR);
        let any = watcher::Config::default();
        let (api, jobs, pods) = (
            Api::<DvreWorkflow>::all(client.clone()),
            Api::<Job>::all(client.clone()),
            Api::<Pod>::all(client.clone()),
        );
        watches.spawn(follow(api, any, seen.clone(), changes.clone(), run));
        watches.spawn(follow(
            jobs,
            ours.clone(),
            seen.clone(),
            changes.clone(),
            job,
        ));
        watches.spawn(follow(pods, ours, seen.clone(), changes.clone(), pod));
        Self {
            seen,
            changes,
            _watches: watches,
        }
    }

    /// Waits until nothing that was seen in a namespace is there any more, and hands over what was.
    pub async fn take(&self, namespace: &str) -> Seen {
        let mut changes = self.changes.subscribe();
        loop {
            if let Some(seen) = self.take_now(namespace) {
                return seen;
            }
            let _ = changes.changed().await;
        }
    }

    /// Waits until what was seen in a namespace is as wanted.
    pub async fn until(&self, namespace: &str, condition: impl Fn(&Seen) -> bool) {
        let mut changes = self.changes.subscribe();
        let holds = || {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.seen.get(namespace).is_some_and(&condition)
        };
        while !holds() {
            let _ = changes.changed().await;
        }
    }

    fn take_now(&self, namespace: &str) -> Option<Seen> {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.seen.get(namespace);
        if seen.is_some_and(|seen| !seen.live.is_empty()) {
            return None;
        }
        let seen = all.seen.remove(namespace).unwrap_or_default();
        all.taken.extend(seen.phases.keys().cloned());
        Some(seen)
    }
}

async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    seen: Arc<Mutex<Namespaces>>,
    changes: watch::Sender<()>,
    note: fn(&mut Seen, &K),
) where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let mut events = std::pin::pin!(watcher::watcher(api, config));
    while let Some(event) = events.next().await {
        let (object, live) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => (object, true),
            Ok(Event::Delete(object)) => (object, false),
            Ok(Event::Init | Event::InitDone) => continue,
            Err(error) => {
                eprintln!("the recorder's watch: {error}");
                continue;
            }
        };
        let namespace = object.namespace().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        let mut all = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = object.labels().get(names::WORKFLOW_UID).unwrap_or(&uid);
        if all.taken.contains(owner) {
            continue;
        }
        let seen = all.seen.entry(namespace).or_default();
        note(seen, &object);
        if live {
            seen.live.insert(uid);
        } else {
            seen.live.remove(&uid);
            seen.gone.insert(uid);
        }
        changes.send_replace(());
    }
}

fn run(seen: &mut Seen, run: &DvreWorkflow) {
    let phase = run.status.as_ref().and_then(|status| status.phase);
    let uid = run.uid().unwrap_or_default();
    let before = seen.phases.insert(uid, phase).flatten();
    if before != phase && before.is_some_and(Phase::is_final) {
        let name = run.name_any();
        seen.relapses
            .push(format!("{name}: {before:?} became {phase:?}"));
    }
}

fn job(seen: &mut Seen, job: &Job) {
    let owner = job.labels().get(names::WORKFLOW_UID).cloned();
    let owner = owner.unwrap_or_default();
    let late = seen.gone.contains(&owner);
    let uids = seen.jobs.entry((owner, job.name_any())).or_default();
    let uid = job.uid().unwrap_or_default();
    if late && !uids.contains(&uid) {
        seen.late.insert(format!("{} {uid}", job.name_any()));
    } else {
        uids.insert(uid);
    }
}

/// Notes a runner's pod; a Job that cleans up may try more than once.
fn pod(seen: &mut Seen, pod: &Pod) {
    let runner = pod.labels().get(COMPONENT).is_some_and(|it| it == "runner");
    if let Some(job) = pod.labels().get(names::JOB_UID).filter(|_| runner) {
        seen.pods.entry(job.clone()).or_default().extend(pod.uid());
    }
}
