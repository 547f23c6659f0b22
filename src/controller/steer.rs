//! Pure: what the spec asks of a run that is under way: to be cancelled, to be suspended, or to be over by
//! now.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::attempts;
use super::ending::Ending;
use super::observe::Observed;
use super::pod::Trouble;
use super::stopped::Stopped;
use crate::api::{Phase, Reason};

/// Why the attempt under way is to be stopped; `running` is when its engine started.
#[must_use]
pub fn stop(observed: &Observed<'_>, running: Option<&Time>) -> Option<Stopped> {
    let spec = &observed.workflow.spec;
    if spec.cancel == Some(true) {
        return Some(Stopped {
            phase: Phase::Cancelled,
            reason: Reason::Cancelled,
            message: "the run was cancelled by spec.cancel".to_owned(),
        });
    }
    if spec.suspend == Some(true) {
        return Some(Stopped {
            phase: Phase::Suspended,
            reason: Reason::Suspended,
            message: "the run was stopped by spec.suspend".to_owned(),
        });
    }
    let left = left(observed, running)?;
    (left <= SignedDuration::ZERO).then(|| Stopped {
        phase: Phase::Failed,
        reason: Reason::DeadlineExceeded,
        message: exceeded(observed),
    })
}

/// The end of a run that is not to start any more.
#[must_use]
pub fn end(observed: &Observed<'_>) -> Option<Ending> {
    if observed.workflow.spec.cancel == Some(true) {
        return Some(cancelled());
    }
    let left = left(observed, None)?;
    (left <= SignedDuration::ZERO).then(|| {
        Ending::failed(Trouble {
            reason: Reason::DeadlineExceeded,
            message: exceeded(observed),
        })
    })
}

/// The end of a run that was cancelled while nothing of it ran.
#[must_use]
pub fn cancelled() -> Ending {
    Ending {
        phase: Phase::Cancelled,
        ..Ending::failed(Trouble {
            reason: Reason::Cancelled,
            message: "the run was cancelled by spec.cancel".to_owned(),
        })
    }
}

/// How much of the run's time is left; None when it has no deadline.
#[must_use]
pub fn left(observed: &Observed<'_>, running: Option<&Time>) -> Option<SignedDuration> {
    let allowed = SignedDuration::from_secs(observed.workflow.spec.active_deadline_seconds?);
    let attempts = &observed.status.attempts;
    let spent = attempts::active(attempts, observed.attempt(), running, observed.now);
    Some(allowed - spent)
}

fn exceeded(observed: &Observed<'_>) -> String {
    let seconds = observed.workflow.spec.active_deadline_seconds;
    let attempts = match observed.attempt() {
        1 => String::new(),
        number => format!(", {number} attempts together"),
    };
    let progress = observed.status.progress.as_ref();
    format!(
        "the run took longer than spec.activeDeadlineSeconds allows ({} s{attempts}){}",
        seconds.unwrap_or_default(),
        progress.map_or_else(String::new, |progress| format!(
            "; {progress} jobs of its steps were done"
        )),
    )
}

/// When the current attempt could first start: since then its start deadline counts where there is no
/// Job yet.
#[must_use]
pub fn waiting_since(observed: &Observed<'_>) -> Timestamp {
    let created = observed.workflow.metadata.creation_timestamp.as_ref();
    let created = created.map_or(observed.now, |time| time.0);
    let last = observed.status.attempts.last();
    let ended = last.and_then(|attempt| attempt.completion_time.as_ref());
    let ended = ended.map(|time| time.0);
    [ended, observed.resumed]
        .into_iter()
        .flatten()
        .fold(created, Timestamp::max)
}

#[cfg(test)]
mod tests;
