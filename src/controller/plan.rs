//! Pure: from what was observed to what is to be done. No step calls back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ending::Ending;
use super::observe::{JobState, Observed};
use super::pod::Trouble;
use super::stopped::Stopped;
use super::{clean, follow, start};
use crate::api::{Phase, Reason};
use crate::render::Run;

/// How often a run that is stuck is looked at beside its events: this often at first, and ever more
/// seldom, so that a thousand of them are no burden.
pub const STUCK_INTERVAL: Duration = Duration::from_secs(10);
const MAX_STUCK_INTERVAL: Duration = Duration::from_mins(1);

/// What is to be done for a resource.
#[derive(Debug)]
pub enum Plan {
    /// The resource cannot be run: record why.
    Reject(Trouble),
    /// The run cannot start yet: say why and look again after the time given.
    Hold(Trouble, Duration),
    /// Create the children of an attempt.
    Launch(Box<Run>),
    /// The run is suspended, and nothing of it is there.
    Suspend,
    /// The attempt is under way.
    Follow(View),
    /// End the attempt for the reason given.
    Stop(Box<Stopped>),
    /// The attempt is over and the run is not: record how, and make room for the next.
    Again(Box<Interlude>),
    /// The run is over: record how.
    Finish(Box<Ending>),
    /// The attempt is over, and may have left something outside of the cluster: clean up there.
    Clean,
    /// Nothing is left of the run of a resource that is being deleted, or something may be, for the
    /// reason given: let it go.
    Release(Option<String>),
    /// Nothing: the run is over and recorded, or the resource is being deleted.
    Done,
}

/// What comes between two attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct Interlude {
    /// How the earlier one ended.
    pub ending: Ending,
    /// Pending or Suspended.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
}

/// An attempt under way.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Where it is.
    pub phase: Phase,
    /// Why it is there.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
    /// When the runner started.
    pub since: Option<Time>,
    /// Whether status need not speak of it yet.
    pub quiet: bool,
    /// When to look again at the latest.
    pub again: Duration,
}

/// Decides what is to be done.
#[must_use]
pub fn plan(observed: &Observed<'_>) -> Plan {
    if observed.status.phase.is_some_and(Phase::is_final) {
        return if observed.finalizer {
            Plan::Release(None)
        } else {
            Plan::Done
        };
    }
    if observed.deleting {
        return if observed.finalizer {
            clean::leaving(observed)
        } else {
            Plan::Done
        };
    }
    let plan = match &observed.job {
        JobState::Live(job) => follow::follow(observed, job),
        JobState::Vanished => follow::vanished(observed),
        JobState::None => start::start(observed),
    };
    // An attempt is over once nothing is left of it.
    let cleaned = match plan {
        Plan::Finish(_) | Plan::Again(_) => clean::settled(observed),
        _ => return plan,
    };
    match (cleaned, plan) {
        (Err(first), _) => first,
        (Ok(Some(trouble)), Plan::Finish(mut ending)) => {
            ending.message = format!("{}; {trouble}", ending.message);
            Plan::Finish(ending)
        }
        (Ok(Some(trouble)), Plan::Again(mut next)) => {
            next.message = format!("{}; {trouble}", next.message);
            Plan::Again(next)
        }
        (Ok(_), plan) => plan,
    }
}

/// When to look again at a run that has been stuck for some time.
#[must_use]
pub fn stuck_interval(age: Duration) -> Duration {
    (age / 4).clamp(STUCK_INTERVAL, MAX_STUCK_INTERVAL)
}

/// Time passed since an object's creation.
#[must_use]
pub fn since(created: Option<&Time>, now: Timestamp) -> SignedDuration {
    created.map_or(SignedDuration::ZERO, |created| {
        now.duration_since(created.0)
    })
}

impl Plan {
    /// When to look at the resource again although nothing happens.
    #[must_use]
    pub fn again(&self) -> Option<Duration> {
        match self {
            Self::Hold(_, pause) => Some(*pause),
            Self::Follow(view) => Some(view.again),
            Self::Stop(_) | Self::Clean => Some(STUCK_INTERVAL),
            Self::Reject(_)
            | Self::Launch(_)
            | Self::Suspend
            | Self::Again(_)
            | Self::Finish(_)
            | Self::Release(_)
            | Self::Done => None,
        }
    }
}

#[cfg(test)]
mod tests;
