//! What is left of a run goes some time after its end: Jobs, pods and ConfigMaps, never the resource.
//!
//! Resources whose run is over are not watched, but their Jobs are. So each Job carries the time that it
//! is kept; the resource itself is asked before anything is removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::guarded::Guarded;
use super::observe::{JobState, Observed};
use super::{Context, Error, ending, within};
use crate::api::{DvreWorkflow, DvreWorkflowSpec, Phase};
use crate::names;
use crate::settings::RunSettings;

/// How often Jobs are looked through.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a failure is waited out.
const PAUSE: Duration = Duration::from_secs(30);
/// How many runs are cleared at one time.
const CONCURRENCY: usize = 8;

/// How many seconds the children of a run are kept after its end; None for as long as the resource.
#[must_use]
pub fn seconds(spec: &DvreWorkflowSpec, settings: &RunSettings) -> Option<i64> {
    spec.ttl_seconds_after_finished
        .or(settings.ttl_seconds_after_finished)
}

/// Clears runs whose time is over, for ever. `active` tells whether the run of a resource, by namespace,
/// name and uid, is not over.
pub async fn run(context: Arc<Context>, active: impl Fn(&str, &str, &str) -> bool) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !context.is_ready() {
            continue;
        }
        let due = due(&context.jobs.all(), Timestamp::now());
        let due = due
            .into_iter()
            .filter(|run| !active(&run.namespace, &run.name, &run.uid));
        let results: Vec<Result<(), Error>> = stream::iter(due)
            .map(|run| clear(&context, run))
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let failures = results.into_iter().filter_map(Result::err);
        if let Some(error) = failures.last() {
            tracing::warn!(%error, "the children of a finished run could not be removed; tried again soon");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A run that may be cleared.
#[derive(Debug, PartialEq)]
struct Finished {
    namespace: String,
    name: String,
    uid: String,
    jobs: Vec<(String, Option<String>)>,
}

/// The runs all of whose Jobs ended, the last of them as long ago as it is to be kept.
fn due(jobs: &[Arc<Job>], now: Timestamp) -> Vec<Finished> {
    let mut runs: BTreeMap<&str, Vec<&Job>> = BTreeMap::new();
    for job in jobs {
        if let Some(uid) = job.labels().get(names::WORKFLOW_UID) {
            runs.entry(uid).or_default().push(job);
        }
    }
    runs.into_iter()
        .filter_map(|(uid, jobs)| {
            let last = jobs.iter().max_by_key(|job| job.creation_timestamp())?;
            let kept: i64 = last.annotations().get(names::TTL)?.parse().ok()?;
            let ends: Option<Vec<Timestamp>> = jobs.iter().map(|job| end(job)).collect();
            let end = ends?.into_iter().max()?;
            if now < end.checked_add(SignedDuration::from_secs(kept)).ok()? {
                return None;
            }
            Some(Finished {
                namespace: last.namespace()?,
                name: last.annotations().get(names::WORKFLOW)?.clone(),
                uid: uid.to_owned(),
                jobs: jobs.iter().map(|job| (job.name_any(), job.uid())).collect(),
            })
        })
        .collect()
}

fn end(job: &Job) -> Option<Timestamp> {
    Some(ending::finished(job)?.last_transition_time.as_ref()?.0)
}

async fn clear(context: &Context, run: Finished) -> Result<(), Error> {
    let api: Api<Guarded> = Api::namespaced(context.client.clone(), &run.namespace);
    let found = within(api.get_opt(&run.name)).await?;
    // One that is deleted takes its children along.
    let Some(workflow) = found
        .filter(|found| found.metadata.uid.as_deref() == Some(&run.uid))
        .and_then(|found| found.object.ok())
    else {
        return Ok(());
    };
    if !is_due(&workflow, &context.settings.run, Timestamp::now()) {
        return Ok(());
    }
    let namespace = &run.namespace;
    for (name, _) in &run.jobs {
        let api: Api<Job> = Api::namespaced(context.client.clone(), namespace);
        if let Some(map) = within(api.get_opt(name))
            .await?
            .and_then(|job| documents(&job))
        {
            remove::<ConfigMap>(context, namespace, &map, None).await?;
        }
    }
    // Last, as what is not done yet is found by them.
    for (name, uid) in &run.jobs {
        remove::<Job>(context, namespace, name, uid.clone()).await?;
    }
    tracing::info!(%namespace, name = run.name, "the children of a finished run were removed");
    Ok(())
}

/// Whether a run is over, and as long as its children are to be kept.
fn is_due(workflow: &DvreWorkflow, settings: &RunSettings, now: Timestamp) -> bool {
    let status = workflow.status.as_ref();
    let over = status.is_some_and(|status| status.phase.is_some_and(Phase::is_final));
    let ended = status.and_then(|status| status.completion_time.as_ref());
    let kept = seconds(&workflow.spec, settings).map(SignedDuration::from_secs);
    over && ended
        .zip(kept)
        .is_some_and(|(ended, kept)| ended.0.checked_add(kept).is_ok_and(|due| due <= now))
}

/// The ConfigMap that a runner's Job mounts.
fn documents(job: &Job) -> Option<String> {
    let pod = job.spec.as_ref()?.template.spec.as_ref()?;
    let mut volumes = pod.volumes.iter().flatten();
    let run = volumes.find(|volume| volume.name == names::RUN_VOLUME)?;
    Some(run.config_map.as_ref()?.name.clone())
}

/// Removes an object, if it is there and still the one that is meant.
pub async fn remove<K>(
    context: &Context,
    namespace: &str,
    name: &str,
    uid: Option<String>,
) -> Result<(), Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(context.client.clone(), namespace);
    let params = DeleteParams {
        preconditions: uid.map(|uid| Preconditions {
            uid: Some(uid),
            resource_version: None,
        }),
        ..DeleteParams::background()
    };
    match within(api.delete(name, &params)).await {
        Err(Error::Kube(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        // A conflict is tried again with a fresh view: another object of that name is not meant by it.
        result => result.map(|_| ()),
    }
}

/// Tells the Job of an attempt under way how long it is to be kept, where that was changed.
pub async fn keep(context: &Context, observed: &Observed<'_>) -> Result<(), Error> {
    let JobState::Live(job) = &observed.job else {
        return Ok(());
    };
    mark(
        context,
        job,
        seconds(&observed.workflow.spec, observed.settings),
    )
    .await
}

/// Tells the Jobs of a finished run how long they are to be kept, where that was changed.
pub async fn keep_finished(context: &Context, workflow: &DvreWorkflow) -> Result<(), Error> {
    let uid = workflow.uid().unwrap_or_default();
    let of_it = |job: &&Arc<Job>| job.labels().get(names::WORKFLOW_UID) == Some(&uid);
    for job in context.jobs.all().iter().filter(of_it) {
        mark(context, job, seconds(&workflow.spec, &context.settings.run)).await?;
    }
    Ok(())
}

async fn mark(context: &Context, job: &Job, kept: Option<i64>) -> Result<(), Error> {
    let kept = kept.map(|seconds| seconds.to_string());
    if job.annotations().get(names::TTL) == kept.as_ref() {
        return Ok(());
    }
    let api: Api<Job> =
        Api::namespaced(context.client.clone(), &job.namespace().unwrap_or_default());
    let patch = json!({
        "metadata": { "uid": job.metadata.uid, "annotations": { names::TTL: kept } }
    });
    let params = PatchParams::default();
    match within(api.patch(&job.name_any(), &params, &Patch::Merge(patch))).await {
        Err(Error::Kube(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        result => result.map(|_| ()),
    }
}

#[cfg(test)]
mod tests;
