//! Kubernetes Events for the milestones of a run. Their names follow from the run and the milestone,
//! so each is there once, whatever is repeated.

use std::future::Future;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Resource, ResourceExt};

use super::Context;
use super::observe::Observed;
use crate::api::{DvreWorkflowStatus, Phase, Reason};
use crate::names::{self, OPERATOR};

/// Longest note of an Event, by its API.
const NOTE_LIMIT: usize = 1000;

/// Tells that an attempt's Job was created.
pub async fn runner_job_created(context: &Context, observed: &Observed<'_>, job: &str) {
    publish(
        context,
        observed,
        "Normal",
        "RunnerJobCreated",
        "Launch",
        format!("created Job {job}"),
    )
    .await;
}

/// Tells of what is new in a status and worth an Event: the end, and what keeps a run from starting.
pub fn milestones<'a>(
    context: &'a Context,
    observed: &'a Observed<'_>,
    status: &DvreWorkflowStatus,
) -> Option<impl Future<Output = ()> + 'a> {
    let reason = status.reason?;
    if observed.status.reason == Some(reason) && observed.status.phase == status.phase {
        return None;
    }
    let (kind, action) = match status.phase? {
        Phase::Succeeded => ("Normal", "Finish"),
        Phase::Failed | Phase::Cancelled => ("Warning", "Finish"),
        Phase::Pending | Phase::Starting
            if !matches!(reason, Reason::Pending | Reason::Starting) =>
        {
            ("Warning", "Start")
        }
        _ => return None,
    };
    let note = status.message.clone().unwrap_or_default();
    Some(publish(
        context,
        observed,
        kind,
        reason.as_str(),
        action,
        note,
    ))
}

/// An Event that cannot be published must not hold up the run: status tells the same.
async fn publish(
    context: &Context,
    observed: &Observed<'_>,
    kind: &str,
    reason: &str,
    action: &str,
    note: String,
) {
    let workflow = observed.workflow;
    let namespace = workflow.namespace().unwrap_or_default();
    let event = Event {
        metadata: ObjectMeta {
            name: Some(names::event(
                &workflow.name_any(),
                observed.uid,
                reason,
                observed.attempt(),
            )),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some(action.to_owned()),
        event_time: Some(MicroTime(observed.now)),
        note: Some(
            note.chars()
                .scan(0, |length, c| {
                    *length += c.len_utf8();
                    (*length <= NOTE_LIMIT).then_some(c)
                })
                .collect(),
        ),
        reason: Some(reason.to_owned()),
        regarding: Some(reference(workflow)),
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

fn reference(workflow: &crate::api::DvreWorkflow) -> ObjectReference {
    ObjectReference {
        resource_version: workflow.metadata.resource_version.clone(),
        ..workflow.object_ref(&())
    }
}
