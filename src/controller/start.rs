//! Pure: what is to be done for a run of which no attempt is under way.

use std::time::Duration;

use super::observe::Observed;
use super::plan::Plan;
use super::pod::Trouble;
use super::{retry, steer, validate};
use crate::api::Reason;

/// Starts an attempt, or says why not.
#[must_use]
pub fn start(observed: &Observed<'_>) -> Plan {
    if let Some(ending) = steer::end(observed) {
        return Plan::Finish(Box::new(ending));
    }
    if observed.workflow.spec.suspend == Some(true) {
        return Plan::Suspend;
    }
    if let Some(pause) = pause(observed) {
        return pause;
    }
    match validate::run(observed) {
        Ok(run) => Plan::Launch(Box::new(run)),
        Err(cause) if cause.reason == Reason::ReferenceNotFound => {
            let (waited, deadline) = (observed.waited(), observed.start_deadline());
            if waited >= deadline {
                return Plan::Reject(in_vain(cause, deadline));
            }
            // A GitOps tool may apply the ConfigMap just after; later ones are worth less haste.
            let pause = (waited / 4).clamp(Duration::from_secs(1), Duration::from_secs(30));
            Plan::Hold(
                cause,
                pause
                    .min(deadline.saturating_sub(waited))
                    .max(Duration::from_millis(100)),
            )
        }
        Err(cause) => Plan::Reject(cause),
    }
}

/// The refusal of a start that was waited for too long.
#[must_use]
pub fn in_vain(mut cause: Trouble, deadline: Duration) -> Trouble {
    let waited = format!(" (waited {} s for it)", deadline.as_secs());
    cause.message.push_str(&waited);
    cause
}

/// The pause before another attempt.
fn pause(observed: &Observed<'_>) -> Option<Plan> {
    let due = retry::due(observed)?;
    let left = Duration::try_from(due.duration_since(observed.now)).ok()?;
    if left.is_zero() {
        return None;
    }
    let status = &observed.status;
    let told = status
        .message
        .clone()
        .filter(|_| status.reason == Some(Reason::Retrying));
    let cause = Trouble {
        reason: Reason::Retrying,
        // What stands there already says it better, and is not written again.
        message: told.unwrap_or_else(|| format!("attempt {} starts at {due}", observed.attempt())),
    };
    Some(Plan::Hold(cause, left))
}
