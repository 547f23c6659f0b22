//! Kubernetes Events for the milestones of a run. Their names follow from the run and the milestone,
//! so each is there once, whatever is repeated.

use std::future::Future;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::Resource;
use kube::api::PostParams;

use super::Context;
use super::observe::Observed;
use crate::api::{DvreWorkflow, DvreWorkflowStatus, Phase, Reason};
use crate::names::{self, OPERATOR};

/// Longest note of an Event in bytes; its API allows 1024.
const NOTE_LIMIT: usize = 1000;

/// Something worth an Event.
struct Milestone {
    kind: &'static str,
    reason: &'static str,
    action: &'static str,
    note: String,
}

/// Tells that an attempt's Job was created.
pub async fn runner_job_created(context: &Context, observed: &Observed<'_>, job: &str) {
    let note = format!("created Job {job}");
    let milestone = Milestone {
        kind: "Normal",
        reason: "RunnerJobCreated",
        action: "Launch",
        note,
    };
    tell(context, observed, milestone).await;
}

/// Tells that another engine did the work, and why.
pub async fn engine_fallback(context: &Context, observed: &Observed<'_>, why: &str) {
    let milestone = Milestone {
        kind: "Warning",
        reason: "EngineFallback",
        action: "Run",
        note: format!("cwltool ran the workflow, as StreamFlow is not available: {why}"),
    };
    tell(context, observed, milestone).await;
}

/// Tells that something of a deleted resource's run may be left outside of the cluster.
pub async fn clean_up_failed(context: &Context, observed: &Observed<'_>, trouble: &str) {
    let milestone = Milestone {
        kind: "Warning",
        reason: "CleanUpFailed",
        action: "CleanUp",
        note: trouble.to_owned(),
    };
    tell(context, observed, milestone).await;
}

/// Tells of what is new in a status and worth an Event: the end, and what keeps a run from starting.
pub fn milestones<'a>(
    context: &'a Context,
    observed: &'a Observed<'_>,
    status: &DvreWorkflowStatus,
) -> Option<impl Future<Output = ()> + 'a> {
    let milestone = milestone(&observed.status, status)?;
    Some(tell(context, observed, milestone))
}

fn tell<'a>(
    context: &'a Context,
    observed: &'a Observed<'_>,
    milestone: Milestone,
) -> impl Future<Output = ()> + 'a {
    let regarding = reference(&observed.workflow.metadata);
    publish(context, regarding, observed.attempt(), milestone)
}

/// Tells that a resource cannot be read.
pub async fn unreadable(context: &Context, metadata: &ObjectMeta, status: &DvreWorkflowStatus) {
    if let Some(milestone) = milestone(&DvreWorkflowStatus::default(), status) {
        publish(context, reference(metadata), 1, milestone).await;
    }
}

fn milestone(before: &DvreWorkflowStatus, status: &DvreWorkflowStatus) -> Option<Milestone> {
    let reason = status.reason?;
    if before.reason == Some(reason) && before.phase == status.phase {
        return None;
    }
    let (kind, action) = match status.phase? {
        Phase::Succeeded | Phase::Cancelled => ("Normal", "Finish"),
        Phase::Failed => ("Warning", "Finish"),
        Phase::Suspended => ("Normal", "Suspend"),
        Phase::Pending if reason == Reason::Queued => ("Normal", "Queue"),
        Phase::Pending if reason == Reason::Retrying => ("Warning", "Retry"),
        Phase::Pending | Phase::Starting
            if !matches!(reason, Reason::Pending | Reason::Starting) =>
        {
            ("Warning", "Start")
        }
        _ => return None,
    };
    let note = status.message.clone().unwrap_or_default();
    Some(Milestone {
        kind,
        reason: reason.as_str(),
        action,
        note,
    })
}

/// An Event that cannot be published must not hold up the run: status tells the same.
async fn publish(context: &Context, about: ObjectReference, attempt: i32, milestone: Milestone) {
    let Milestone {
        kind,
        reason,
        action,
        note,
    } = milestone;
    let namespace = about.namespace.clone().unwrap_or_default();
    let (name, uid) = (
        about.name.as_deref().unwrap_or_default(),
        about.uid.as_deref().unwrap_or_default(),
    );
    let cut = (0..=NOTE_LIMIT.min(note.len()))
        .rev()
        .find_map(|end| note.get(..end));
    let event = Event {
        metadata: ObjectMeta {
            name: Some(names::event(name, uid, reason, attempt)),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some(action.to_owned()),
        event_time: Some(MicroTime(jiff::Timestamp::now())),
        note: cut.map(str::to_owned),
        reason: Some(reason.to_owned()),
        regarding: Some(about),
        reporting_controller: Some(OPERATOR.to_owned()),
        reporting_instance: Some(context.instance.clone()),
        type_: Some(kind.to_owned()),
        ..Event::default()
    };
    let api: Api<Event> = Api::namespaced(context.client.clone(), &namespace);
    match super::within(api.create(&PostParams::default(), &event)).await {
        Ok(_) => {}
        Err(super::Error::Kube(kube::Error::Api(status))) if status.is_already_exists() => {}
        Err(error) => tracing::warn!(%error, reason, "an Event could not be published"),
    }
}

fn reference(metadata: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(DvreWorkflow::api_version(&()).into_owned()),
        kind: Some(DvreWorkflow::kind(&()).into_owned()),
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        field_path: None,
    }
}
