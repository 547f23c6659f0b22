//! Pure: what is to be done for a run whose attempt is under way, or just over.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ending::{self, Ending};
use super::observe::Observed;
use super::plan::{Interlude, Plan, STUCK_INTERVAL, View, since, stuck_interval};
use super::pod::{self, Trouble};
use super::progress;
use super::queue::Queue;
use super::stopped::Stopped;
use super::{retry, steer};
use crate::api::{Phase, Reason};

/// How long a start may take before status speaks of it: most runs are past it before anybody could
/// read it, and each write costs the API server.
const QUIET_START: SignedDuration = SignedDuration::from_secs(5);
/// How often a run is looked at although nothing happened, in case a watch missed something.
const IDLE_INTERVAL: Duration = Duration::from_mins(5);

/// Follows an attempt whose Job is there.
#[must_use]
pub fn follow(observed: &Observed<'_>, job: &Job) -> Plan {
    let stopped = Stopped::of(job);
    if let Some(ending) = ending::of_itself(observed)
        && (stopped.is_none() || ending.phase == Phase::Succeeded)
    {
        return ended(observed, ending);
    }
    if let Some(stopped) = stopped {
        return stopping(observed, job, &stopped);
    }
    let queue = Queue::of(job);
    let pod = observed.pod.as_deref().filter(|pod| queue.admits(pod));
    if let Some(pod) = pod.filter(|pod| pod::is_over(pod) || pod::is_lost(pod, observed.now)) {
        return ended(observed, ending::interrupted(observed, pod));
    }
    let running = pod.and_then(pod::running_since);
    if let Some(stopped) = steer::stop(observed, running) {
        // From when a deadline counts has to be known once the pod is gone.
        return match running {
            Some(since) if stopped.phase == Phase::Failed && !is_told(observed) => {
                running_in(observed, pod, since)
            }
            _ => Plan::Stop(Box::new(stopped)),
        };
    }
    if let Some(since) = running {
        return running_in(observed, pod, since);
    }
    if queue == Queue::Held {
        return queued(observed, job);
    }
    if pod.is_none()
        && let Some(cause) = ending::without_pod(job)
    {
        return ended(observed, Ending::failed(cause));
    }
    let trouble = pod
        .and_then(pod::trouble)
        .or_else(|| observed.trouble.clone());
    starting(observed, job, queue, trouble)
}

/// What follows when the Job of an attempt is gone.
#[must_use]
pub fn vanished(observed: &Observed<'_>) -> Plan {
    if let Some(ending) = ending::of_itself(observed) {
        return ended(observed, ending);
    }
    let ending = ending::vanished(observed);
    if observed.workflow.spec.suspend == Some(true) {
        return suspended(observed, ending);
    }
    ended(observed, ending)
}

/// What follows the end of an attempt that nobody asked for.
fn ended(observed: &Observed<'_>, mut ending: Ending) -> Plan {
    let lost = ending.phase == Phase::Failed && retry::is_infrastructure(ending.reason);
    if lost && observed.workflow.spec.cancel == Some(true) {
        let cancelled = steer::cancelled();
        (ending.phase, ending.reason) = (cancelled.phase, cancelled.reason);
        ending.message = cancelled.message;
    }
    if ending.phase == Phase::Failed
        && let Some(next) = retry::again(observed, &ending)
    {
        return Plan::Again(Box::new(next));
    }
    Plan::Finish(Box::new(ending))
}

/// What follows the end of an attempt because of `spec.suspend`.
fn suspended(observed: &Observed<'_>, mut ending: Ending) -> Plan {
    if observed.workflow.spec.cancel == Some(true) {
        return ended(observed, ending);
    }
    let attempt = observed.attempt();
    ending.reason = Reason::Suspended;
    Plan::Again(Box::new(Interlude {
        message: format!(
            "attempt {attempt} was stopped by spec.suspend; set it to false, and attempt {} runs the workflow \
             from its start",
            observed.next_attempt()
        ),
        ending,
        phase: Phase::Suspended,
        reason: Reason::Suspended,
    }))
}

/// An attempt that this operator stopped: over once its pod is.
fn stopping(observed: &Observed<'_>, job: &Job, stopped: &Stopped) -> Plan {
    if Stopped::is_undone(job) {
        return Plan::Stop(Box::new(stopped.clone()));
    }
    let ending = Ending {
        phase: stopped.phase,
        reason: stopped.reason,
        message: stopped.message.clone(),
        outcome: observed.outcome.clone(),
        times: ending::times(observed),
    };
    if ending::is_over(observed, job) {
        return match stopped.phase {
            Phase::Suspended if observed.workflow.spec.cancel == Some(true) => {
                Plan::Finish(Box::new(Ending {
                    times: ending.times,
                    outcome: ending.outcome,
                    ..steer::cancelled()
                }))
            }
            Phase::Suspended => suspended(observed, ending),
            _ => ended(observed, ending),
        };
    }
    let now = observed.status.phase.unwrap_or(Phase::Starting);
    let cancel = observed.workflow.spec.cancel == Some(true);
    let (phase, reason) = match stopped.phase {
        Phase::Cancelled => (Phase::Cancelling, Reason::Cancelling),
        Phase::Suspended if cancel => (Phase::Cancelling, Reason::Cancelling),
        _ => (now, stopped.reason),
    };
    Plan::Follow(View {
        phase,
        reason,
        message: format!("{}; its runner is being ended", stopped.message),
        since: None,
        quiet: stopped.phase == Phase::Failed,
        again: STUCK_INTERVAL,
    })
}

/// Whether status tells when the attempt started.
fn is_told(observed: &Observed<'_>) -> bool {
    let mut attempts = observed.status.attempts.iter();
    attempts.any(|it| it.number == observed.attempt() && it.start_time.is_some())
}

fn running_in(observed: &Observed<'_>, pod: Option<&Pod>, since: &Time) -> Plan {
    let left = steer::left(observed, Some(since)).map(Duration::try_from);
    let name = pod
        .and_then(|pod| pod.metadata.name.as_deref())
        .unwrap_or_default();
    Plan::Follow(View {
        phase: Phase::Running,
        reason: Reason::Running,
        message: observed.progress.as_deref().map_or_else(
            || format!("the workflow runs in pod {name}"),
            progress::words,
        ),
        since: Some(since.clone()),
        quiet: false,
        again: left.map_or(IDLE_INTERVAL, |left| {
            left.unwrap_or_default().min(IDLE_INTERVAL)
        }),
    })
}

/// A Job that waits in a queue may do so as long as the queue likes.
fn queued(observed: &Observed<'_>, job: &Job) -> Plan {
    let age = since(job.metadata.creation_timestamp.as_ref(), observed.now);
    let quiet = age < QUIET_START && observed.status.phase.is_none();
    let pause = if quiet {
        QUIET_START - age
    } else {
        SignedDuration::MAX
    };
    Plan::Follow(View {
        phase: Phase::Pending,
        reason: Reason::Queued,
        message: format!(
            "Job {} is suspended: its queue has not admitted it yet",
            observed.job_name()
        ),
        since: None,
        quiet,
        again: Duration::try_from(pause)
            .unwrap_or_default()
            .min(IDLE_INTERVAL),
    })
}

fn starting(observed: &Observed<'_>, job: &Job, queue: Queue, trouble: Option<Trouble>) -> Plan {
    let deadline = observed.start_deadline();
    let age = match queue {
        Queue::Since(moment) => observed.now.duration_since(moment),
        Queue::Never | Queue::Held => since(job.metadata.creation_timestamp.as_ref(), observed.now),
    };
    let left = SignedDuration::try_from(deadline).unwrap_or(SignedDuration::MAX) - age;
    if left <= SignedDuration::ZERO {
        return Plan::Stop(Box::new(not_started(deadline, trouble)));
    }
    let quiet = trouble.is_none() && age < QUIET_START && says_enough(observed.status.phase);
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

/// Whether a phase may stand for some seconds more while a Job starts.
#[must_use]
pub fn says_enough(phase: Option<Phase>) -> bool {
    matches!(phase, None | Some(Phase::Pending | Phase::Starting))
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
