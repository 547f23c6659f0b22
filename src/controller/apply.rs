//! IO: carries out a plan. Children are created once, under deterministic names; what somebody else
//! already has under such a name is never touched.

use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::children::owner_uid;
use super::events;
use super::finalizer;
use super::follow::says_enough;
use super::guarded::Metadata;
use super::memory::Launched;
use super::observe::{JobState, Observed};
use super::plan::{Plan, View, stuck_interval};
use super::pod::Trouble;
use super::retention;
use super::start;
use super::status;
use super::tidy;
use super::{Context, Error};
use crate::api::{DvreWorkflowStatus, Phase, Reason};
use crate::names::OPERATOR;
use crate::render::{self, Objects, Run};

/// When a Job that was just created is looked at although no event came.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// Carries out a plan and returns what it came to: a launch that succeeded is followed, one that was
/// refused is held or rejected.
pub async fn apply(context: &Context, observed: &Observed<'_>, plan: Plan) -> Result<Plan, Error> {
    let metadata = &observed.workflow.metadata;
    match plan {
        Plan::Launch(run) => {
            let leaves = !run.placement.leftovers.is_empty();
            if leaves && !observed.finalizer {
                finalizer::hold(context, metadata).await?;
            }
            let plan = launch(context, observed, &run).await?;
            if leaves && matches!(plan, Plan::Reject(_)) {
                finalizer::release(context, metadata).await?;
            }
            Ok(plan)
        }
        Plan::Clean => tidy::clean_up(context, observed).await,
        Plan::Finish(_) | Plan::Reject(_) => {
            // Before the end is recorded: what is over is no longer watched.
            if observed.finalizer {
                finalizer::release(context, metadata).await?;
            }
            if matches!(plan, Plan::Finish(_)) {
                close(context, observed).await?;
            }
            Ok(plan)
        }
        Plan::Again(next) => {
            close(context, observed).await?;
            context.metrics.repeated(next.ending.reason);
            context.memory.update(observed.uid, |remembered| {
                remembered.clean_up_refused = None;
            });
            Ok(Plan::Again(next))
        }
        Plan::Release(trouble) => {
            if let Some(trouble) = &trouble {
                tracing::warn!(namespace = metadata.namespace, name = metadata.name, %trouble, "a deleted run");
                events::clean_up_failed(context, observed, trouble).await;
            }
            finalizer::release(context, metadata).await?;
            Ok(Plan::Release(trouble))
        }
        Plan::Stop(stopped) => {
            if let JobState::Live(job) = &observed.job {
                let api: Api<Job> =
                    Api::namespaced(context.client.clone(), &job.namespace().unwrap_or_default());
                let patch = Patch::Merge(stopped.patch(job));
                super::within(api.patch(&job.name_any(), &PatchParams::default(), &patch)).await?;
            }
            Ok(Plan::Stop(stopped))
        }
        Plan::Follow(view) => {
            retention::keep(context, observed).await?;
            Ok(Plan::Follow(view))
        }
        other => Ok(other),
    }
}

/// What is done after each attempt.
async fn close(context: &Context, observed: &Observed<'_>) -> Result<(), Error> {
    let outcome = observed.outcome.as_ref();
    if outcome.is_none() && !matches!(observed.job, JobState::None) {
        tidy::remove_step_pods(context, observed).await?;
    }
    if let Some(why) = outcome.and_then(|outcome| outcome.fallback.as_deref()) {
        events::engine_fallback(context, observed, why).await;
    }
    Ok(())
}

async fn launch(context: &Context, observed: &Observed<'_>, run: &Run) -> Result<Plan, Error> {
    let plan = create_all(context, observed, run, render::objects(run)).await?;
    if matches!(plan, Plan::Reject(_)) && run.attempt == 1 {
        // Nothing else would remove them before the resource goes.
        tidy::withdraw(context, run).await?;
    }
    Ok(plan)
}

async fn create_all(
    context: &Context,
    observed: &Observed<'_>,
    run: &Run,
    objects: Objects,
) -> Result<Plan, Error> {
    if let Err(refusal) = create(context, observed, run, objects.config_map).await? {
        return Ok(refusal);
    }
    if let Some((account, binding)) = objects.access {
        if let Err(refusal) = create(context, observed, run, account).await? {
            return Ok(refusal);
        }
        if let Err(refusal) = create(context, observed, run, binding).await? {
            return Ok(refusal);
        }
    }
    if let Some(policy) = objects.network_policy
        && let Err(refusal) = create(context, observed, run, policy).await?
    {
        return Ok(refusal);
    }
    let job = match create(context, observed, run, objects.job).await? {
        Ok(job) => job,
        Err(refusal) => return Ok(refusal),
    };
    context.memory.update(&run.uid, |remembered| {
        remembered.launched = Some(Launched {
            attempt: run.attempt,
            job_uid: job.uid(),
        });
    });
    context.metrics.launched();
    events::runner_job_created(context, observed, &job.name_any()).await;
    Ok(Plan::Follow(View {
        phase: Phase::Starting,
        reason: Reason::Starting,
        message: format!("Job {} was created", job.name_any()),
        since: None,
        quiet: says_enough(observed.status.phase),
        again: FIRST_LOOK,
    }))
}

/// Creates a child. One that is there already and belongs to this resource counts as created, as
/// after a crash or a reply that was lost.
async fn create<K>(
    context: &Context,
    observed: &Observed<'_>,
    run: &Run,
    child: K,
) -> Result<Result<K, Plan>, Error>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(context.client.clone(), &run.namespace);
    let name = child.name_any();
    let kind = K::kind(&());
    let params = PostParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PostParams::default()
    };
    match super::within(api.create(&params, &child)).await {
        Ok(created) => Ok(Ok(created)),
        Err(Error::Kube(kube::Error::Api(status))) if status.is_already_exists() => {
            let Some(found) = super::within(api.get_opt(&name)).await? else {
                return Err(Error::Stale {
                    kind: kind.into_owned(),
                    name,
                });
            };
            match owner_uid(&found, "DvreWorkflow") {
                Some(uid) if uid == run.uid => Ok(Ok(found)),
                // A child of an earlier resource of this name, which the garbage collector removes.
                Some(_) if found.annotations().get(crate::names::WORKFLOW) == Some(&run.name) => {
                    Err(Error::Stale {
                        kind: kind.into_owned(),
                        name,
                    })
                }
                _ => Ok(Err(Plan::Reject(Trouble {
                    reason: Reason::NameConflict,
                    message: format!(
                        "{kind} {name} exists already and does not belong to this resource: give the \
                         resource another name, or remove the {kind}"
                    ),
                }))),
            }
        }
        Err(Error::Kube(kube::Error::Api(status))) => {
            refused(observed, &kind, &name, *status).map(Err)
        }
        Err(error) => Err(error),
    }
}

/// What a refusal by the API server means for the run.
fn refused(observed: &Observed<'_>, kind: &str, name: &str, status: Status) -> Result<Plan, Error> {
    let message = format!("the API server refused {kind} {name}: {}", status.message);
    match status.code {
        // Quotas and admission policies may let it pass later.
        403 => {
            let quota = status.message.contains("exceeded quota");
            let reason = if quota {
                Reason::QuotaExceeded
            } else {
                Reason::ChildRefused
            };
            let (waited, deadline) = (observed.waited(), observed.start_deadline());
            let cause = Trouble { reason, message };
            if waited >= deadline {
                return Ok(Plan::Reject(start::in_vain(cause, deadline)));
            }
            Ok(Plan::Hold(
                cause,
                stuck_interval(waited).min(deadline.saturating_sub(waited)),
            ))
        }
        400 | 413 | 422 => Ok(Plan::Reject(Trouble {
            reason: Reason::ChildRefused,
            message,
        })),
        _ => Err(Error::Kube(kube::Error::Api(Box::new(status)))),
    }
}

/// Writes a status, if it differs from the one that was last written or read, and tells of the
/// milestones in it.
pub async fn write_status(
    context: &Context,
    observed: &Observed<'_>,
    status: DvreWorkflowStatus,
) -> Result<(), Error> {
    if status == observed.status {
        return Ok(());
    }
    let namespace = observed.workflow.namespace().unwrap_or_default();
    // The reply is the whole resource, of which nothing is needed.
    let api: Api<Metadata> = Api::namespaced(context.client.clone(), &namespace);
    // The whole status is replaced: a merge would drop the nulls of CWL outputs and keep what is gone.
    // The test keeps it from hitting a later resource of the same name.
    let patch = Patch::<()>::Json(serde_json::from_value(json!([
        { "op": "test", "path": "/metadata/uid", "value": observed.uid },
        { "op": "add", "path": "/status", "value": status },
    ]))?);
    let params = PatchParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PatchParams::default()
    };
    let name = observed.workflow.name_any();
    // Remembered before it is sent: the watch may tell of it before the reply does.
    context.memory.update(observed.uid, |remembered| {
        remembered.status = Some(status.clone());
    });
    let write = super::within(api.patch_status(&name, &params, &patch));
    let milestones = join_all(events::milestones(context, observed, &status));
    let (written, _) = tokio::join!(write, milestones);
    if let Err(error) = written {
        context
            .memory
            .update(observed.uid, |remembered| remembered.status = None);
        return if is_gone(&error) { Ok(()) } else { Err(error) };
    }
    context.memory.update(observed.uid, |remembered| {
        remembered.written = Some(Instant::now());
    });
    if status::is_progress(observed, &status) {
        context.metrics.progress_written();
    }
    if let Some(phase) = status.phase.filter(|phase| phase.is_final()) {
        let reason = status.reason.unwrap_or(Reason::InternalError);
        context.metrics.finished(phase, reason);
        tracing::info!(%namespace, name, phase = phase.as_str(), %reason, "run finished");
    }
    Ok(())
}

/// Whether the resource was deleted, or deleted and created anew, in the meantime.
fn is_gone(error: &Error) -> bool {
    let Error::Kube(kube::Error::Api(status)) = error else {
        return false;
    };
    // The answer to a patch whose test fails; a status that is not valid is refused in other words.
    status.is_not_found() || (status.code == 422 && status.message.contains("rejected our request"))
}

#[cfg(test)]
mod tests;
