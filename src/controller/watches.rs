//! IO: the watches, and which resource each of their events asks to look at.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::runtime::controller::ReconcileRequest;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use serde::de::DeserializeOwned;

use super::guarded::Guarded;
use super::{Context, children};
use crate::metrics::Metrics;
use crate::names;

/// Only runs that are not over are watched, so that memory is used for those alone.
const ACTIVE: &str = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Cancelled";

/// Starts the watches: the resources whose runs are not over, and which of them to look at.
pub fn requests(
    context: &Arc<Context>,
) -> (
    Store<Guarded>,
    impl Stream<Item = Result<ReconcileRequest<Guarded>, Infallible>> + use<>,
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
                watched(context, &children, children::prune_job),
                active.clone(),
            )
            .boxed(),
        context
            .pods
            .clone()
            .follow(watched(context, &children, children::prune_pod), active)
            .boxed(),
        context.followers.news().map(Ok).boxed(),
    ]);
    let metrics = context.metrics.clone();
    let queue =
        queue.filter_map(move |request| futures::future::ready(requested(request, &metrics)));
    (store, queue)
}

fn watched<K>(
    context: &Context,
    config: &watch::Config,
    prune: fn(&mut K),
) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
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
