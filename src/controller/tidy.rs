//! IO: what is done after a run that could not tidy up by itself.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};

use super::observe::Observed;
use super::plan::Plan;
use super::retention::remove;
use super::{Context, Error, clean, placement};
use crate::names::{self, OPERATOR};
use crate::render::{self, Run};

/// Removes step pods that a killed runner could not: they would wait for it until the resource goes.
pub async fn remove_step_pods(context: &Context, observed: &Observed<'_>) -> Result<(), Error> {
    if !placement::may_have_pods(&observed.workflow.spec) {
        return Ok(());
    }
    let namespace = observed.workflow.namespace().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &namespace);
    let selector = format!("{}={},{}", names::WORKFLOW_UID, observed.uid, names::STEPS);
    let pods = ListParams::default().labels(&selector);
    match super::within(api.delete_collection(&DeleteParams::default(), &pods)).await {
        // An operator that may not: the owner references take them with the run's Job.
        Err(Error::Kube(kube::Error::Api(status))) if status.is_forbidden() => {
            tracing::warn!(
                namespace,
                message = status.message,
                "step pods cannot be removed"
            );
            Ok(())
        }
        result => result.map(|_| ()),
    }
}

/// Removes the documents of a run that could not be launched.
pub async fn withdraw(context: &Context, run: &Run) -> Result<(), Error> {
    remove::<ConfigMap>(context, &run.namespace, &run.config_map, None).await
}

/// Creates the Job that cleans up. What the API server refuses is not tried again: a namespace that is
/// being deleted takes nothing any more, and the resource would stay for ever.
pub async fn clean_up(context: &Context, observed: &Observed<'_>) -> Result<Plan, Error> {
    let job = clean::with(observed, render::clean_up::job);
    let namespace = job.namespace().unwrap_or_default();
    let api: Api<Job> = Api::namespaced(context.client.clone(), &namespace);
    let params = PostParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PostParams::default()
    };
    match super::within(api.create(&params, &job)).await {
        Ok(_) => {}
        Err(Error::Kube(kube::Error::Api(status))) if status.is_already_exists() => {}
        Err(Error::Kube(kube::Error::Api(status))) if (400..500).contains(&status.code) => {
            let why = format!(
                "the API server refused Job {}: {}",
                job.name_any(),
                status.message
            );
            context.memory.update(observed.uid, |remembered| {
                remembered.clean_up_refused = Some(why);
            });
            return Err(Error::CleanUp);
        }
        Err(error) => return Err(error),
    }
    Ok(Plan::Clean)
}
