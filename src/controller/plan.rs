//! Pure: from what was observed to what is to be done. No step calls back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::clean;
use super::ending::{self, Ending};
use super::observe::{JobState, Observed};
use super::pod::{self, Trouble};
use super::progress;
use super::stopped::Stopped;
use super::validate;
use crate::api::{Phase, Reason};
use crate::render::Run;

/// How long a start may take before status speaks of it: most runs are past it before anybody could
/// read it, and each write costs the API server.
const QUIET_START: SignedDuration = SignedDuration::from_secs(5);
/// How often a run that is stuck is looked at beside its events: this often at first, and ever more
/// seldom, so that a thousand of them are no burden.
const STUCK_INTERVAL: Duration = Duration::from_secs(10);
const MAX_STUCK_INTERVAL: Duration = Duration::from_mins(1);
/// How often a run is looked at although nothing happened, in case a watch missed something.
const IDLE_INTERVAL: Duration = Duration::from_mins(5);

/// What is to be done for a resource.
#[derive(Debug)]
pub enum Plan {
    /// The resource cannot be run: record why.
    Reject(Trouble),
    /// The run cannot start yet: say why and look again after the time given.
    Hold(Trouble, Duration),
    /// Create the children of an attempt.
    Launch(Box<Run>),
    /// The attempt is under way.
    Follow(View),
    /// End the attempt for the reason given.
    Stop(Box<Stopped>),
    /// The run is over: record how.
    Finish(Box<Ending>),
    /// The run is over, and may have left something outside of the cluster: clean up there.
    Clean,
    /// Nothing is left of the run of a resource that is being deleted, or something may be, for the
    /// reason given: let it go.
    Release(Option<String>),
    /// Nothing: the run is over and recorded, or the resource is being deleted.
    Done,
}

/// An attempt under way.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Starting or Running.
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
        JobState::Live(job) => follow(observed, job),
        JobState::Vanished => Plan::Finish(Box::new(ending::vanished(observed))),
        JobState::None => start(observed),
    };
    match plan {
        Plan::Finish(ending) => clean::settled(observed, *ending),
        plan => plan,
    }
}

fn start(observed: &Observed<'_>) -> Plan {
    match validate::run(observed) {
        Ok(run) => Plan::Launch(Box::new(run)),
        Err(cause) if cause.reason == Reason::ReferenceNotFound => {
            let waited = observed.age();
            let deadline = observed.start_deadline();
            if waited >= deadline {
                let message = format!("{} (waited {} s for it)", cause.message, deadline.as_secs());
                return Plan::Reject(Trouble { message, ..cause });
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

fn follow(observed: &Observed<'_>, job: &Job) -> Plan {
    if let Some(stopped) = Stopped::of(job) {
        return stopping(observed, &stopped);
    }
    if let Some(ending) = ending::recorded(observed) {
        return Plan::Finish(Box::new(ending));
    }
    let Some(pod) = observed.pod.as_deref() else {
        if let Some(cause) = ending::without_pod(job) {
            return Plan::Finish(Box::new(Ending::failed(cause)));
        }
        return starting(observed, job, observed.trouble.clone());
    };
    if pod::is_over(pod) {
        let mut ending = Ending::failed(pod::cause_of_end(pod));
        ending.times = ending::times(observed);
        return Plan::Finish(Box::new(ending));
    }
    if let Some(since) = pod::running_since(pod) {
        return Plan::Follow(View {
            phase: Phase::Running,
            reason: Reason::Running,
            message: running(observed, pod),
            since: Some(since.clone()),
            quiet: false,
            again: IDLE_INTERVAL,
        });
    }
    starting(
        observed,
        job,
        pod::trouble(pod).or_else(|| observed.trouble.clone()),
    )
}

fn running(observed: &Observed<'_>, pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    observed.progress.as_deref().map_or_else(
        || format!("the workflow runs in pod {name}"),
        progress::words,
    )
}

fn starting(observed: &Observed<'_>, job: &Job, trouble: Option<Trouble>) -> Plan {
    let deadline = observed.start_deadline();
    let age = since(job.metadata.creation_timestamp.as_ref(), observed.now);
    let left = SignedDuration::try_from(deadline).unwrap_or(SignedDuration::MAX) - age;
    if left <= SignedDuration::ZERO {
        return Plan::Stop(Box::new(not_started(deadline, trouble)));
    }
    let quiet = trouble.is_none() && age < QUIET_START;
    let (reason, message) = match trouble {
        Some(Trouble { reason, message }) => (reason, message),
        None => (
            Reason::Starting,
            "the runner's pod is starting: scheduling, image and volumes".to_owned(),
        ),
    };
    let pause = if quiet { QUIET_START - age } else { left };
    let pause = Duration::try_from(pause.min(left)).unwrap_or_default();
    Plan::Follow(View {
        phase: Phase::Starting,
        reason,
        message,
        since: None,
        quiet,
        again: pause
            .min(stuck_interval(Duration::try_from(age).unwrap_or_default()))
            .max(Duration::from_millis(100)),
    })
}

/// When to look again at a run that has been stuck for some time.
#[must_use]
pub fn stuck_interval(age: Duration) -> Duration {
    (age / 4).clamp(STUCK_INTERVAL, MAX_STUCK_INTERVAL)
}

fn not_started(deadline: Duration, trouble: Option<Trouble>) -> Stopped {
    let seconds = deadline.as_secs();
    match trouble {
        Some(Trouble { reason, message }) => Stopped {
            phase: Phase::Failed,
            reason,
            message: format!("the runner did not start within {seconds} s: {message}"),
        },
        None => Stopped {
            phase: Phase::Failed,
            reason: Reason::StartDeadlineExceeded,
            message: format!("the runner did not start within {seconds} s"),
        },
    }
}

/// An attempt that this operator stopped: over once its pod is.
fn stopping(observed: &Observed<'_>, stopped: &Stopped) -> Plan {
    let pod = observed.pod.as_deref();
    if pod.is_none_or(pod::is_over) {
        return Plan::Finish(Box::new(Ending {
            phase: stopped.phase,
            reason: stopped.reason,
            message: stopped.message.clone(),
            outcome: observed.outcome.clone(),
            times: ending::times(observed),
        }));
    }
    Plan::Follow(View {
        phase: observed.status.phase.unwrap_or(Phase::Starting),
        reason: stopped.reason,
        message: stopped.message.clone(),
        since: None,
        quiet: true,
        again: STUCK_INTERVAL,
    })
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
            Self::Reject(_) | Self::Launch(_) | Self::Finish(_) | Self::Release(_) | Self::Done => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
