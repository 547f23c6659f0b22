//! Pure: from what was observed and decided to the whole new status.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::attempts;
use super::ending::Ending;
use super::observe::{JobState, Observed};
use super::plan::{Interlude, Plan, View};
use super::progress;
use crate::api::conditions::{self, Accepted, Verdict};
use crate::api::status::{MAX_MESSAGE_BYTES, MAX_STATUS_BYTES};
use crate::api::{DvreWorkflowStatus, Engine, Phase, Reason};
use crate::runner::record::EngineName;
use crate::words::shorten;

mod size;
mod steps;

/// Longest name of a deployment; an older definition may have let a longer one in.
const MAX_NAME_BYTES: usize = 63;

/// The status that follows from a plan that was carried out; None when there is nothing to say.
#[must_use]
pub fn status(observed: &Observed<'_>, plan: &Plan) -> Option<DvreWorkflowStatus> {
    let mut status = DvreWorkflowStatus {
        observed_generation: observed.workflow.metadata.generation.unwrap_or_default(),
        deployment: Some(shorten(&observed.workflow.spec.deployment, MAX_NAME_BYTES)),
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
            let refused = Accepted::No(cause.reason, shorten(&cause.message, MAX_MESSAGE_BYTES));
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

/// Whether a status tells no more than the progress of a run that goes on.
#[must_use]
pub fn is_progress(observed: &Observed<'_>, status: &DvreWorkflowStatus) -> bool {
    let before = &observed.status;
    status.phase == Some(Phase::Running)
        && (status.phase, status.reason, status.attempt)
            == (before.phase, before.reason, before.attempt)
}

/// How long the writing of a status has to wait: there is one write of progress in two seconds.
#[must_use]
pub fn pause(observed: &Observed<'_>, status: &DvreWorkflowStatus) -> Option<Duration> {
    let left = progress::PACE.checked_sub(observed.written?)?;
    (is_progress(observed, status) && *status != observed.status && !left.is_zero()).then_some(left)
}

fn verdict(phase: Phase, reason: Reason, message: &str, accepted: Accepted) -> Verdict {
    Verdict {
        phase,
        reason,
        message: shorten(message, MAX_MESSAGE_BYTES),
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
    let Some(since) = &view.since else { return };
    status.start_time.get_or_insert_with(|| since.clone());
    let (number, job_name) = (observed.attempt(), observed.job_name());
    attempts::begun(&mut status.attempts, number, &job_name, since);
    let progress = observed.progress.as_deref();
    let told = progress.and_then(|progress| engine(progress.engine?));
    let asked = match observed.workflow.spec.engine {
        Engine::Auto | Engine::StreamFlow => "streamflow",
        Engine::Cwltool => "cwltool",
    };
    let known = told.or_else(|| status.execution_engine.take());
    status.execution_engine = Some(known.unwrap_or_else(|| asked.to_owned()));
    if let Some(progress) = progress {
        let jobs = (progress.completed, progress.total);
        status.progress = fraction(jobs);
        status.steps = steps::listed(&progress.steps, progress.step_count, jobs);
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
    status.attempt = Some(observed.next_attempt());
    status.job_name = None;
    status.execution_engine = None;
    status.progress = None;
    status.steps.clear();
}

fn engine(name: EngineName) -> Option<String> {
    match name {
        EngineName::Streamflow => Some("streamflow".to_owned()),
        EngineName::Cwltool => Some("cwltool".to_owned()),
        EngineName::Unknown => None,
    }
}

fn fraction((completed, total): (u64, u64)) -> Option<String> {
    (total > 0).then(|| format!("{completed}/{total}"))
}

fn finish(status: &mut DvreWorkflowStatus, ending: &Ending, now: Timestamp) {
    let (started, ended) = &ending.times;
    let recorded = ending.outcome.as_ref();
    if let Some(started) = started {
        status.start_time.get_or_insert_with(|| started.clone());
    }
    status.completion_time = Some(ended.clone().unwrap_or(Time(now)));
    let Some(outcome) = recorded else {
        steps::end(&mut status.steps);
        return;
    };
    let jobs = (outcome.completed, outcome.total);
    status.execution_engine = engine(outcome.engine);
    status.progress = fraction(jobs).or_else(|| status.progress.take());
    status.steps = steps::listed(&outcome.steps, outcome.step_count, jobs);
    status.outputs.clone_from(&outcome.outputs);
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
    let previous = std::mem::take(&mut status.conditions);
    status.message = None;
    let cut = size::fit(&mut status, size::room(&verdict));
    if let Some(what) = cut.words() {
        verdict.truncated = Some(format!(
            "{what} do not fit into a status of {MAX_STATUS_BYTES} bytes; the whole stands in the {} of pod {pod}{}",
            if verdict.phase.is_final() {
                "last line of the log"
            } else {
                "log"
            },
            match &observed.workflow.spec.outputs {
                Some(outputs) if verdict.phase.is_final() => format!(
                    ", and in .dvre/outcome.json on claim {}",
                    outputs.persistent_volume_claim.claim_name
                ),
                _ => String::new(),
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
