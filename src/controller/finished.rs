//! Runs that are over. Their outcome never changes, but their mutable fields may, and tools that wait
//! for a resource compare its generation with the observed one. Only metadata is watched, and nothing
//! is kept of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::core::ObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};
use serde_json::json;

use super::finalizer;
use super::guarded::{Guarded, Metadata};
use super::{Context, Error, retention, within};
use crate::names::OPERATOR;

/// The phases of runs that are not over, left out one by one: a field selector knows no "or".
const FINISHED: &str = "status.phase!=,status.phase!=Pending,status.phase!=Starting,\
                        status.phase!=Running,status.phase!=Suspended,status.phase!=Cancelling";

/// How many finished runs are worked on at one time.
const CONCURRENCY: usize = 8;
/// How often a status that could not be written is tried again, each time after twice the pause.
const RETRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Keeps the observed generation of finished runs true until `shutdown` resolves.
pub async fn run(context: Arc<Context>, shutdown: impl Future<Output = ()>) {
    let config = watch::Config::default().fields(FINISHED);
    let work = watch::watcher(context.api::<Metadata>(), config)
        .default_backoff()
        .for_each_concurrent(CONCURRENCY, |event| async {
            if let Some(metadata) = changed(event, &context) {
                keep_trying(&context, &metadata).await;
            }
        });
    tokio::select! {
        () = work => {}
        () = shutdown => {}
    }
}

/// Nothing else may ever happen to a finished run that would make this be tried again.
async fn keep_trying(context: &Context, metadata: &ObjectMeta) {
    let mut pause = FIRST_PAUSE;
    for _ in 0..=RETRIES {
        let Err(error) = observe_generation(context, metadata).await else {
            return;
        };
        tracing::warn!(%error, name = metadata.name, "a finished run's status could not be written");
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// The metadata of a finished run whose spec was changed since its creation.
fn changed(event: watcher::Result<Event<Metadata>>, context: &Context) -> Option<ObjectMeta> {
    match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => {
            Some(object.metadata).filter(|metadata| metadata.generation > Some(1))
        }
        Ok(Event::Delete(_) | Event::Init | Event::InitDone) => None,
        Err(error) => {
            context.metrics.watch_error();
            tracing::warn!(%error, "the watch of finished runs failed and starts again");
            None
        }
    }
}

async fn observe_generation(context: &Context, metadata: &ObjectMeta) -> Result<(), Error> {
    let (Some(namespace), Some(name)) = (&metadata.namespace, &metadata.name) else {
        return Ok(());
    };
    let api: Api<Guarded> = Api::namespaced(context.client.clone(), namespace);
    let Some(found) = within(api.get_opt(name)).await? else {
        return Ok(());
    };
    if found.metadata.deletion_timestamp.is_some() {
        // The end was recorded, so that nothing is left to do for it.
        return finalizer::release(context, found.meta()).await;
    }
    let generation = found.meta().generation.unwrap_or_default();
    let metadata = found.metadata;
    let Ok(workflow) = found.object else {
        return Ok(());
    };
    let Some(mut status) = workflow.status.clone() else {
        return Ok(());
    };
    if status.observed_generation == generation
        || status.phase.is_none_or(|phase| !phase.is_final())
    {
        return Ok(());
    }
    retention::keep_finished(context, &workflow).await?;
    for condition in &mut status.conditions {
        condition.observed_generation = Some(generation);
    }
    let patch = Patch::<()>::Json(serde_json::from_value(json!([
        { "op": "test", "path": "/metadata/uid", "value": metadata.uid },
        { "op": "replace", "path": "/status/observedGeneration", "value": generation },
        { "op": "replace", "path": "/status/conditions", "value": status.conditions },
    ]))?);
    let params = PatchParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PatchParams::default()
    };
    let api: Api<Metadata> = Api::namespaced(context.client.clone(), namespace);
    within(api.patch_status(name, &params, &patch)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Method;
    use rstest::rstest;
    use serde_json::Value;

    use super::*;
    use crate::controller::fixtures::{context, failure, hello};

    fn finished(observed: i64) -> Value {
        let mut object = serde_json::to_value(hello()).unwrap();
        object["metadata"]["generation"] = json!(2);
        object["status"] = json!({"observedGeneration": observed, "phase": "Succeeded"});
        object
    }

    #[rstest]
    #[case::changed_since(1, 1)]
    #[case::told_already(2, 0)]
    #[tokio::test]
    async fn a_late_change_is_observed_once(#[case] observed: i64, #[case] writes: usize) {
        let (context, requests) = context(move |method, _| match *method {
            Method::GET => (200, finished(observed)),
            _ => (200, finished(2)),
        });
        let metadata = serde_json::from_value(finished(observed)["metadata"].clone()).unwrap();
        observe_generation(&context, &metadata).await.unwrap();
        let requests = requests.lock().unwrap();
        let patches = requests
            .iter()
            .filter(|request| request.starts_with("PATCH"))
            .count();
        assert_eq!(patches, writes);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_write_is_tried_again() {
        let refused = std::sync::atomic::AtomicBool::new(false);
        let (context, requests) = context(move |method, _| match *method {
            Method::GET => (200, finished(1)),
            _ if refused.swap(true, std::sync::atomic::Ordering::Relaxed) => (200, finished(2)),
            _ => failure(500, "InternalError", "no"),
        });
        let metadata = serde_json::from_value(finished(1)["metadata"].clone()).unwrap();
        keep_trying(&context, &metadata).await;
        let requests = requests.lock().unwrap();
        let methods: Vec<&str> = requests.iter().map(|request| &request[..3]).collect();
        assert_eq!(methods, ["GET", "PAT", "GET", "PAT"]);
    }

    #[tokio::test]
    async fn a_run_that_was_never_changed_costs_nothing() {
        let (context, _) = context(|_, _| (200, Value::Null));
        let mut object = hello();
        let event = |object: &crate::api::DvreWorkflow| {
            let value = serde_json::to_value(object).unwrap();
            Ok(Event::Apply(serde_json::from_value(value).unwrap()))
        };
        assert!(changed(event(&object), &context).is_none());
        object.metadata.generation = Some(2);
        assert!(changed(event(&object), &context).is_some());
    }
}
