//! What every finished run must look like.

use dvre_operator::api::conditions::{ACCEPTED, READY, RECONCILING, STALLED, SUCCEEDED};
use dvre_operator::api::{DvreWorkflow, DvreWorkflowStatus, Phase, Reason};
use dvre_operator::names;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use serde_json::Value;

use crate::sandbox::Sandbox;

/// The most that a status may take.
const STATUS_LIMIT: usize = 64 * 1024;

/// Checks all that holds for any run that succeeded, and returns its status.
pub fn succeeded(run: &DvreWorkflow) -> &DvreWorkflowStatus {
    succeeded_with(run, "streamflow")
}

/// The same for a run with the given engine.
pub fn succeeded_with<'a>(run: &'a DvreWorkflow, engine: &str) -> &'a DvreWorkflowStatus {
    let status = finished(run, Phase::Succeeded, Reason::Completed);
    assert_eq!(
        conditions(status),
        [(ACCEPTED, "True"), (READY, "True"), (SUCCEEDED, "True")]
    );
    assert_eq!(status.execution_engine.as_deref(), Some(engine));
    assert_eq!(status.attempt, Some(1));
    assert_eq!(status.job_name, Some(names::job(&run.name_any(), 1)));
    assert!(status.start_time.is_some(), "{status:?}");
    for step in &status.steps {
        assert_eq!(step.phase, "Succeeded", "{step:?}");
        assert_eq!(step.completed, step.total, "{step:?}");
    }
    status
}

/// Why each attempt ended, once it is sure that all of them are told of.
pub fn attempts(run: &DvreWorkflow) -> Vec<Option<Reason>> {
    let attempts = run.status.iter().flat_map(|status| &status.attempts);
    attempts
        .enumerate()
        .map(|(index, attempt)| {
            let number = i32::try_from(index).unwrap() + 1;
            assert_eq!(attempt.number, number);
            assert_eq!(attempt.job_name, names::job(&run.name_any(), number));
            assert!(attempt.completion_time.is_some(), "{attempt:?}");
            attempt.reason
        })
        .collect()
}

/// Checks all that holds for any run that failed, and that the message has all the parts given.
pub fn failed<'a>(run: &'a DvreWorkflow, reason: Reason, parts: &[&str]) -> &'a DvreWorkflowStatus {
    let status = finished(run, Phase::Failed, reason);
    let message = status.message.as_deref().unwrap_or_default();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
    let accepted = condition(status, ACCEPTED);
    assert_eq!(
        conditions(status),
        [
            (ACCEPTED, accepted),
            (READY, "False"),
            (SUCCEEDED, "False"),
            (STALLED, "True")
        ]
    );
    for condition in status
        .conditions
        .iter()
        .filter(|condition| condition.type_ != ACCEPTED)
    {
        assert_eq!(condition.reason, reason.as_str(), "{condition:?}");
        assert_eq!(condition.message, message, "{condition:?}");
    }
    status
}

/// Checks that a run was refused before anything was created for it.
pub async fn refused(sandbox: &Sandbox, run: &DvreWorkflow, reason: Reason, parts: &[&str]) {
    let status = failed(run, reason, parts);
    assert_eq!(condition(status, ACCEPTED), "False", "{status:?}");
    assert_eq!(status.job_name, None);
    assert_eq!(sandbox.children::<Job>(run).await, [""; 0]);
    assert_eq!(sandbox.children::<ConfigMap>(run).await, [""; 0]);
    sandbox.event(run, reason.as_str()).await;
    assert_eq!(sandbox.event_reasons(run).await, [reason.as_str()]);
}

/// Checks that a run has the children and Events of one attempt that succeeded, and no others.
pub async fn ran_once(sandbox: &Sandbox, run: &DvreWorkflow) {
    let name = run.name_any();
    assert_eq!(sandbox.children::<Job>(run).await, [names::job(&name, 1)]);
    assert_eq!(sandbox.children::<ConfigMap>(run).await.len(), 1);
    told_once(sandbox, run, &["RunnerJobCreated", "Completed"]).await;
}

/// Checks that each of these milestones has one Event. On a busy node there may be others beside them
/// that tell what a start waits for, but none is there twice.
pub async fn told_once(sandbox: &Sandbox, run: &DvreWorkflow, milestones: &[&str]) {
    for milestone in milestones {
        sandbox.event(run, milestone).await;
    }
    let mut told = sandbox.event_reasons(run).await;
    let count = told.len();
    told.dedup();
    assert_eq!(told.len(), count, "an Event is there twice: {told:?}");
    let waits = ["Unschedulable", "RunnerNotReady"];
    told.retain(|reason| !milestones.contains(&reason.as_str()));
    assert!(
        told.iter().all(|reason| waits.contains(&reason.as_str())),
        "{told:?}"
    );
}

/// An output of a run by its name.
pub fn output<'a>(status: &'a DvreWorkflowStatus, name: &str) -> &'a Value {
    let outputs = status
        .outputs
        .as_ref()
        .expect("a run that succeeded has outputs");
    outputs
        .get(name)
        .unwrap_or_else(|| panic!("no output {name} in {outputs:?}"))
}

/// Checks that an output is a small text file, described in full.
pub fn assert_text(output: &Value, text: &str) {
    assert_eq!(output["class"], "File", "{output}");
    assert_eq!(output["contents"], text, "{output}");
    assert_eq!(output["size"], text.len(), "{output}");
    let checksum = output["checksum"].as_str().unwrap_or_default();
    assert!(
        checksum.starts_with("sha1$") && checksum.len() == 45,
        "{output}"
    );
    assert!(output["basename"].is_string(), "{output}");
}

/// The steps of a status: name, phase, finished and known jobs.
pub fn steps(status: &DvreWorkflowStatus) -> Vec<(&str, &str, i64, i64)> {
    let steps = status.steps.iter();
    steps
        .map(|step| {
            (
                step.name.as_str(),
                step.phase.as_str(),
                step.completed,
                step.total,
            )
        })
        .collect()
}

fn finished(run: &DvreWorkflow, phase: Phase, reason: Reason) -> &DvreWorkflowStatus {
    let status = run.status.as_ref().expect("a finished run has a status");
    assert_eq!(
        (status.phase, status.reason),
        (Some(phase), Some(reason)),
        "{status:?}"
    );
    assert_eq!(Some(status.observed_generation), run.metadata.generation);
    assert_eq!(
        status.deployment.as_deref(),
        Some(run.spec.deployment.as_str())
    );
    assert!(status.completion_time.is_some(), "{status:?}");
    assert!(!condition(status, ACCEPTED).is_empty(), "{status:?}");
    assert!(condition(status, RECONCILING).is_empty(), "{status:?}");
    let size = serde_json::to_string(status).unwrap_or_default().len();
    assert!(size <= STATUS_LIMIT, "a status of {size} bytes");
    assert!(
        status
            .message
            .as_ref()
            .is_some_and(|message| message.len() <= 1024),
        "{status:?}"
    );
    status
}

fn conditions(status: &DvreWorkflowStatus) -> Vec<(&str, &str)> {
    status
        .conditions
        .iter()
        .map(|c| (c.type_.as_str(), c.status.as_str()))
        .collect()
}

fn condition<'a>(status: &'a DvreWorkflowStatus, type_: &str) -> &'a str {
    let found = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_);
    found.map_or("", |condition| condition.status.as_str())
}
