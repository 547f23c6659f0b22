//! What every reconcile needs: the client, the settings, and what the watches and we ourselves remember.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, Resource};

use super::children::{self, Index};
use super::memory::Memory;
use super::progress::Followers;
use crate::metrics::Metrics;
use crate::names;
use crate::settings::Settings;

/// What every reconcile needs.
pub struct Context {
    /// Client of the API server.
    pub client: Client,
    /// What whoever runs the operator decides.
    pub settings: Settings,
    /// Jobs of runs, by name.
    pub jobs: Arc<Index<Job>>,
    /// Runner pods, by the uid of their Job.
    pub pods: Arc<Index<Pod>>,
    /// Whether another operator works, or has to be waited for.
    pub standby: AtomicBool,
    /// Whether the first list of resources has arrived.
    pub listed: AtomicBool,
    /// What we wrote last.
    pub memory: Memory,
    /// Live progress of runs that last.
    pub followers: Followers,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Name of this process in Events.
    pub instance: String,
}

/// Name of this process for people: that of its pod.
#[must_use]
pub fn instance() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| names::OPERATOR.to_owned())
}

impl Context {
    /// Makes the context of a controller.
    #[must_use]
    pub fn new(client: Client, settings: Settings, metrics: Arc<Metrics>) -> Self {
        let followers = Followers::new(client.clone(), settings.progress_followers, &metrics);
        Self {
            client,
            standby: AtomicBool::new(settings.election.leader_elect),
            settings,
            jobs: Arc::new(children::jobs()),
            pods: Arc::new(children::pods()),
            listed: AtomicBool::new(false),
            memory: Memory::default(),
            followers,
            metrics,
            instance: instance(),
        }
    }

    /// From now on this operator works.
    pub fn lead(&self) {
        self.standby.store(false, Ordering::Relaxed);
        self.metrics.leads();
    }

    /// Whether this operator leaves the work to another.
    #[must_use]
    pub fn stands_by(&self) -> bool {
        self.standby.load(Ordering::Relaxed)
    }

    /// Whether the watches have shown what there is.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.listed.load(Ordering::Relaxed) && self.jobs.is_ready() && self.pods.is_ready()
    }

    /// The kind in every namespace that is watched.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.settings.watch_namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}
