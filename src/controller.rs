//! The loop: watches feed requests, and each resource goes the same straight way through
//! observe → plan → apply → status, a file a step.

pub mod apply;
pub mod attempts;
pub mod children;
pub mod clean;
pub mod ending;
pub mod events;
pub mod finalizer;
pub mod finished;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod follow;
pub mod guarded;
pub mod memory;
pub mod observe;
pub mod placement;
pub mod plan;
pub mod pod;
pub mod progress;
pub mod queue;
pub mod references;
pub mod retention;
pub mod retry;
pub mod start;
pub mod status;
pub mod steer;
pub mod stopped;
pub mod tidy;
pub mod unreadable;
pub mod validate;

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::{Action, Config, ReconcileRequest, applier};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::metrics::Metrics;
use crate::names;
use crate::settings::Settings;
use children::Index;
use guarded::Guarded;
use memory::Memory;
use progress::Followers;

/// Only runs that are not over are watched, so that memory is used for those alone.
const ACTIVE: &str = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Cancelled";
/// How long one request to the API server may take, retries of the client included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause after repeated errors of one resource.
const MAX_BACKOFF: Duration = Duration::from_mins(5);

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

/// Why a reconcile could not be finished; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server said no, or could not be reached.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
    /// A child of an earlier resource of the same name is still being removed.
    #[error("{kind} {name} of an earlier resource of this name is still being removed")]
    Stale {
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The Job that cleans up was refused: the next look goes on without it.
    #[error("the Job that cleans up after the run was refused")]
    CleanUp,
    /// The log of a runner broke off.
    #[error("the log broke off: {0}")]
    Log(#[source] std::io::Error),
    /// There is a mistake in this program.
    #[error(
        "the operator came upon a mistake of its own, which the log shows before this: please report it"
    )]
    Panic,
    /// Something that always serialises did not.
    #[error("cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Bounds the time of one request.
async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Timeout),
    }
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

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.settings.watch_namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}

/// Runs the controller until `shutdown` resolves; reconciles under way are finished first.
pub async fn run(
    context: Arc<Context>,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (store, writer) = reflector::store::<Guarded>();
    let children = watch::Config::default().labels(names::SELECTOR);
    let resources = reflector::reflector(
        writer,
        watch::watcher(
            context.api::<Guarded>(),
            watch::Config::default().fields(ACTIVE),
        )
        .default_backoff(),
    );
    let active = {
        let store = store.clone();
        move |workflow: &ObjectRef<Guarded>| store.get(workflow).is_some()
    };
    let queue = stream::select_all([
        resource_requests(resources, store.clone(), context.clone()).boxed(),
        context
            .jobs
            .clone()
            .follow(
                watched(&context, &children, children::prune_job),
                active.clone(),
            )
            .boxed(),
        context
            .pods
            .clone()
            .follow(watched(&context, &children, children::prune_pod), active)
            .boxed(),
        context.followers.news().map(Ok).boxed(),
    ]);
    let metrics = context.metrics.clone();
    let queue = queue
        .filter_map(move |request| futures::future::ready(requested(request, &metrics)))
        .take_until(shutdown);
    let config = Config::default().concurrency(context.settings.concurrency);
    let retention = retention::run(context.clone(), {
        let store = store.clone();
        move |namespace: &str, name: &str, uid: &str| {
            let known = store.get(&ObjectRef::new(name).within(namespace));
            known.is_some_and(|known| known.metadata.uid.as_deref() == Some(uid))
        }
    });
    let following = context.clone();
    let work =
        applier(reconcile_boxed, retry_later, context, store, queue, config).for_each(|result| {
            // A child may outlive the sight of its resource, as when the run is over.
            if let Err(error @ kube::runtime::controller::Error::RunnerError(_)) = result {
                tracing::error!(%error, "the controller's loop failed");
            }
            futures::future::ready(())
        });
    tokio::select! {
        () = work => {}
        () = retention => {}
    }
    following.followers.stop();
}

fn watched<K>(
    context: &Context,
    config: &watch::Config,
    prune: fn(&mut K),
) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    watch::watcher(context.api::<K>(), config.clone())
        .default_backoff()
        .modify(prune)
        .boxed()
}

/// Which resources to look at after an event of their own watch. One that leaves it is forgotten: it
/// was deleted, or its run is over.
fn resource_requests(
    events: impl Stream<Item = watcher::Result<Event<Guarded>>>,
    store: Store<Guarded>,
    context: Arc<Context>,
) -> impl Stream<Item = watcher::Result<ObjectRef<Guarded>>> {
    events.flat_map(move |event| {
        let requests = match event {
            Ok(Event::Apply(object)) => vec![Ok(ObjectRef::from_obj(&object))],
            Ok(Event::Delete(object)) => {
                let uid = object.metadata.uid.as_deref().unwrap_or_default();
                context.memory.forget(uid);
                context.pods.forget(uid);
                context.followers.forget(uid);
                vec![]
            }
            // Only now does the store hold what was listed.
            Ok(Event::InitDone) => {
                context.listed.store(true, Ordering::Relaxed);
                let listed = store.state();
                listed
                    .iter()
                    .map(|object| Ok(ObjectRef::from_obj(&**object)))
                    .collect()
            }
            Ok(Event::Init | Event::InitApply(_)) => vec![],
            Err(error) => vec![Err(error)],
        };
        stream::iter(requests)
    })
}

fn requested(
    request: watcher::Result<ObjectRef<Guarded>>,
    metrics: &Metrics,
) -> Option<Result<ReconcileRequest<Guarded>, Infallible>> {
    match request {
        Ok(reference) => Some(Ok(reference.into())),
        Err(error) => {
            metrics.watch_error();
            tracing::warn!(%error, "a watch failed and starts again; is the CRD installed, and may we watch?");
            None
        }
    }
}

fn reconcile_boxed(
    object: Arc<Guarded>,
    context: Arc<Context>,
) -> futures::future::BoxFuture<'static, Result<Action, Error>> {
    Box::pin(isolated(reconcile(object, context)))
}

/// A panic is a mistake of ours, and what is wrong with one resource must not stop all others.
async fn isolated<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let result = AssertUnwindSafe(work).catch_unwind().await;
    // The hook has printed where it happened.
    result.unwrap_or(Err(Error::Panic))
}

/// Takes one resource from what is to what should be.
#[tracing::instrument(skip_all)]
async fn reconcile(object: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconciled();
    let workflow = match &object.object {
        Ok(workflow) => workflow,
        Err(error) => {
            unreadable::record(&context, &object.metadata, error).await?;
            return Ok(Action::await_change());
        }
    };
    let uid = workflow.uid().unwrap_or_default();
    context.jobs.ready().await;
    context.pods.ready().await;
    let observed = observe::observe(&context, workflow, context.memory.recall(&uid)).await?;
    context
        .memory
        .update(&uid, |remembered| remembered.resumed = observed.resumed);
    let plan = plan::plan(&observed);
    let plan = apply::apply(&context, &observed, plan).await?;
    if let Some(status) = status::status(&observed, &plan) {
        if let Some(pause) = status::pause(&observed, &status) {
            return Ok(Action::requeue(pause));
        }
        apply::write_status(&context, &observed, status).await?;
    }
    context
        .memory
        .update(&uid, |remembered| remembered.failures = 0);
    Ok(plan
        .again()
        .map_or_else(Action::await_change, Action::requeue))
}

/// How long to wait after an error: longer with each one in a row, and never all at once.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the applier's"
)]
fn retry_later(object: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let failures = context
        .memory
        .failed(object.meta().uid.as_deref().unwrap_or_default());
    context.metrics.failed();
    let pause = backoff(failures, object.meta().uid.as_deref().unwrap_or_default());
    tracing::warn!(
        namespace = object.meta().namespace.as_deref().unwrap_or_default(),
        name = object.meta().name.as_deref().unwrap_or_default(),
        %error,
        failures,
        retry_in = ?pause,
        "reconcile failed"
    );
    Action::requeue(pause)
}

/// 0.25 s, doubled with each failure, up to 300 s, and up to a quarter more by the resource's uid.
fn backoff(failures: u32, uid: &str) -> Duration {
    let base = Duration::from_millis(250).saturating_mul(1 << failures.saturating_sub(1).min(12));
    let spread = uid.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let base = base.min(MAX_BACKOFF);
    base + base.mul_f64(f64::from(spread % 256) / 1024.0)
}

#[cfg(test)]
mod tests;
