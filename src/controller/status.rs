//! Pure: from what was observed and decided to the whole new status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::attempts;
use super::ending::Ending;
use super::observe::{JobState, Observed};
use super::plan::{Interlude, Plan, View};
use crate::api::conditions::{self, Accepted, Verdict};
use crate::api::status::{MAX_MESSAGE_BYTES, MAX_STATUS_BYTES, MAX_STEPS};
use crate::api::{DvreWorkflowStatus, Engine, Phase, Reason, StepStatus};
use crate::runner::record::{
    EngineName, Outcome, StepPhase, StepRecord, notable_steps, shorten_messages,
};
use crate::words::cut;

/// Size of the messages of all steps, in bytes.
const MAX_STEP_MESSAGES_BYTES: usize = 16 * 1024;

/// The status that follows from a plan that was carried out; None when there is nothing to say.
#[must_use]
pub fn status(observed: &Observed<'_>, plan: &Plan) -> Option<DvreWorkflowStatus> {
    let mut status = DvreWorkflowStatus {
        observed_generation: observed.workflow.metadata.generation.unwrap_or_default(),
        deployment: Some(observed.workflow.spec.deployment.clone()),
        ..observed.status.clone()
    };
    let verdict = match plan {
        Plan::Done | Plan::Launch(_) | Plan::Stop(_) | Plan::Clean | Plan::Release(_) => {
            return None;
        }
        Plan::Follow(view) if view.quiet => return None,
        Plan::Hold(cause, _) => verdict(
            Phase::Pending,
            cause.reason,
            &cause.message,
            known(observed),
        ),
        Plan::Suspend => verdict(
            Phase::Suspended,
            Reason::Suspended,
            &suspended(observed),
            known(observed),
        ),
        Plan::Reject(cause) => {
            status.completion_time = Some(Time(observed.now));
            let refused = Accepted::No(cause.reason, cut(&cause.message, MAX_MESSAGE_BYTES));
            verdict(Phase::Failed, cause.reason, &cause.message, refused)
        }
        Plan::Follow(view) => {
            identify(observed, &mut status);
            follow(observed, &mut status, view);
            verdict(view.phase, view.reason, &view.message, Accepted::Yes)
        }
        Plan::Again(next) => {
            rewind(observed, &mut status, next);
            verdict(next.phase, next.reason, &next.message, Accepted::Yes)
        }
        Plan::Finish(ending) if matches!(observed.job, JobState::None) => {
            status.completion_time = Some(Time(observed.now));
            verdict(
                ending.phase,
                ending.reason,
                &ending.message,
                known(observed),
            )
        }
        Plan::Finish(ending) => {
            identify(observed, &mut status);
            close(observed, &mut status, ending);
            finish(&mut status, ending, observed.now);
            verdict(ending.phase, ending.reason, &ending.message, Accepted::Yes)
        }
    };
    Some(sealed(status, verdict, observed))
}

fn verdict(phase: Phase, reason: Reason, message: &str, accepted: Accepted) -> Verdict {
    Verdict {
        phase,
        reason,
        message: cut(message, MAX_MESSAGE_BYTES),
        accepted,
        truncated: None,
    }
}

/// Whether an earlier look accepted the spec.
fn known(observed: &Observed<'_>) -> Accepted {
    let accepted = |condition: &Condition| {
        condition.type_ == conditions::ACCEPTED && condition.status == "True"
    };
    if observed.status.conditions.iter().any(accepted) {
        Accepted::Yes
    } else {
        Accepted::Unknown
    }
}

fn suspended(observed: &Observed<'_>) -> String {
    let status = &observed.status;
    match &status.message {
        // It tells what came before, and is not written again.
        Some(message) if status.reason == Some(Reason::Suspended) => message.clone(),
        _ => "spec.suspend holds the run; set it to false to start it".to_owned(),
    }
}

fn identify(observed: &Observed<'_>, status: &mut DvreWorkflowStatus) {
    status.attempt = Some(observed.attempt());
    status.job_name = Some(observed.job_name());
}

fn follow(observed: &Observed<'_>, status: &mut DvreWorkflowStatus, view: &View) {
    let engine = match observed.workflow.spec.engine {
        Engine::Auto | Engine::StreamFlow => "streamflow",
        Engine::Cwltool => "cwltool",
    };
    if let Some(since) = &view.since {
        status.start_time.get_or_insert_with(|| since.clone());
        let (number, job_name) = (observed.attempt(), observed.job_name());
        attempts::begun(&mut status.attempts, number, &job_name, since);
        status
            .execution_engine
            .get_or_insert_with(|| engine.to_owned());
    }
}

fn close(observed: &Observed<'_>, status: &mut DvreWorkflowStatus, ending: &Ending) {
    let (number, job_name) = (observed.attempt(), observed.job_name());
    attempts::ended(
        &mut status.attempts,
        number,
        &job_name,
        ending,
        observed.now,
    );
}

/// Closes an attempt and makes room for the next.
fn rewind(observed: &Observed<'_>, status: &mut DvreWorkflowStatus, next: &Interlude) {
    close(observed, status, &next.ending);
    attempts::explained(&mut status.attempts, &next.ending.message);
    if let Some(started) = &next.ending.times.0 {
        status.start_time.get_or_insert_with(|| started.clone());
    }
    status.attempt = Some(observed.attempt() + 1);
    status.job_name = None;
    status.execution_engine = None;
    status.progress = None;
    status.steps.clear();
}

fn finish(status: &mut DvreWorkflowStatus, ending: &Ending, now: Timestamp) {
    let (started, ended) = &ending.times;
    let recorded = ending.outcome.as_ref();
    if let Some(started) = started {
        status.start_time.get_or_insert_with(|| started.clone());
    }
    status.completion_time = Some(ended.clone().unwrap_or(Time(now)));
    let Some(outcome) = recorded else { return };
    status.execution_engine = match outcome.engine {
        EngineName::Streamflow => Some("streamflow".to_owned()),
        EngineName::Cwltool => Some("cwltool".to_owned()),
        EngineName::Unknown => None,
    };
    if outcome.total > 0 {
        status.progress = Some(format!("{}/{}", outcome.completed, outcome.total));
    }
    status.steps = steps(outcome);
    status.outputs.clone_from(&outcome.outputs);
}

/// The steps of an outcome, at most [`MAX_STEPS`] and one that sums up the rest.
fn steps(outcome: &Outcome) -> Vec<StepStatus> {
    let mut shown = notable_steps(&outcome.steps, MAX_STEPS);
    shorten_messages(&mut shown, MAX_MESSAGE_BYTES, MAX_STEP_MESSAGES_BYTES);
    let mut steps: Vec<StepStatus> = shown.iter().map(step).collect();
    let known = outcome.step_count.max(outcome.steps.len());
    if known > shown.len() {
        let completed: u64 = shown.iter().map(|step| step.completed).sum();
        let total: u64 = shown.iter().map(|step| step.total).sum();
        steps.push(StepStatus {
            name: "...".to_owned(),
            phase: format!("{}MoreSteps", known - shown.len()),
            completed: signed(outcome.completed.saturating_sub(completed)),
            total: signed(outcome.total.saturating_sub(total)),
            ..StepStatus::default()
        });
    }
    steps
}

fn step(record: &StepRecord) -> StepStatus {
    let phase = match record.phase {
        StepPhase::Pending => "Pending",
        StepPhase::Running => "Running",
        StepPhase::Succeeded => "Succeeded",
        StepPhase::Failed => "Failed",
        StepPhase::Skipped => "Skipped",
        StepPhase::Cancelled => "Cancelled",
        StepPhase::Unknown => "Unknown",
    };
    StepStatus {
        name: record.name.chars().take(512).collect(),
        phase: phase.to_owned(),
        completed: signed(record.completed),
        total: signed(record.total),
        start_time: record.start_time.map(Time),
        completion_time: record.completion_time.map(Time),
        exit_code: record.exit_code,
        message: record
            .message
            .as_deref()
            .map(|text| cut(text, MAX_MESSAGE_BYTES)),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Adds what follows from the verdict, and cuts what does not fit.
fn sealed(
    mut status: DvreWorkflowStatus,
    mut verdict: Verdict,
    observed: &Observed<'_>,
) -> DvreWorkflowStatus {
    let pod = observed
        .pod
        .as_deref()
        .and_then(|pod| pod.metadata.name.as_deref())
        .unwrap_or("the runner");
    let size = serde_json::to_string(&status).map_or(0, |json| json.len());
    // Conditions and message come on top: at most seven times a message.
    if size + 8 * MAX_MESSAGE_BYTES > MAX_STATUS_BYTES {
        status.outputs = None;
        verdict.truncated = Some(format!(
            "the outputs do not fit into a status of {MAX_STATUS_BYTES} bytes; the whole stands in the last \
             line of the log of pod {pod}{}",
            match &observed.workflow.spec.outputs {
                Some(outputs) => format!(
                    ", and in .dvre/outcome.json on claim {}",
                    outputs.persistent_volume_claim.claim_name
                ),
                None => String::new(),
            }
        ));
    } else if observed
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.outputs_truncated)
    {
        verdict.truncated = Some(format!(
            "the outputs were too long to report, and the log of pod {pod} could not be read"
        ));
    }
    let previous = std::mem::take(&mut status.conditions);
    status.conditions = conditions::conditions(
        &verdict,
        &previous,
        status.observed_generation,
        &Time(observed.now),
    );
    status.phase = conditions::phase(&status.conditions);
    status.reason = Some(verdict.reason);
    status.message = Some(verdict.message);
    status
}

#[cfg(test)]
mod tests;
