//! Pure: whether a run that is over has left anything outside of the cluster.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use super::ending;
use super::observe::{JobState, Observed};
use super::placement;
use super::plan::{Plan, View, since};
use super::stopped::Stopped;

use crate::api::targets::DockerTarget;
use crate::api::{Phase, Reason};
use crate::render::clean_up::CleanUp;

/// How much longer than its own deadline a clean-up is waited for: its image may have to be pulled.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often one is looked at beside its events.
const INTERVAL: Duration = Duration::from_secs(10);

/// How far the clean-up is.
enum State {
    /// Nothing is left, or it is no use to look further.
    Over(Option<String>),
    /// Nobody has looked yet.
    Needed,
    /// Somebody is at it.
    UnderWay,
}

/// Whether nothing is left of an attempt, or something may be, for the reason given; what is to be done
/// about it otherwise.
pub fn settled(observed: &Observed<'_>) -> Result<Option<String>, Plan> {
    match state(observed) {
        State::Over(trouble) => Ok(trouble),
        State::Needed => Err(Plan::Clean),
        State::UnderWay => Err(Plan::Follow(under_way(observed))),
    }
}

/// What is to be done for a resource that is being deleted and holds our finalizer: its run is
/// stopped, so that the runner can clean up by itself; what it did not is done after it.
#[must_use]
pub fn leaving(observed: &Observed<'_>) -> Plan {
    if let JobState::Live(job) = &observed.job
        && !ending::is_over(observed, job)
    {
        return match Stopped::of(job) {
            None => Plan::Stop(Box::new(Stopped {
                phase: Phase::Cancelled,
                reason: Reason::Cancelled,
                message: "the resource was deleted".to_owned(),
            })),
            Some(stopped) if Stopped::is_undone(job) => Plan::Stop(Box::new(stopped)),
            Some(_) => Plan::Follow(under_way(observed)),
        };
    }
    match state(observed) {
        State::Over(trouble) => Plan::Release(trouble),
        State::Needed => Plan::Clean,
        State::UnderWay => Plan::Follow(under_way(observed)),
    }
}

fn state(observed: &Observed<'_>) -> State {
    let cleaned = observed
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.cleaned);
    let never_ran = matches!(observed.job, JobState::None);
    if cleaned || never_ran {
        return State::Over(None);
    }
    if let Some(why) = &observed.clean_up_refused {
        return State::Over(Some(left(observed, why)));
    }
    // Without the finalizer it is over; what came of it has yet to be recorded.
    let Some(job) = observed.clean_up.as_deref() else {
        return if observed.finalizer {
            State::Needed
        } else {
            State::Over(None)
        };
    };
    match ending::finished(job).map(|condition| condition.type_.as_str()) {
        Some("Complete") => State::Over(None),
        Some(_) => State::Over(Some(left(observed, &format!("Job {} failed", name(job))))),
        None => {
            let deadline = observed.settings.deployments.clean_up_seconds;
            let limit = PATIENCE + Duration::from_secs(u64::try_from(deadline).unwrap_or_default());
            let age = since(job.metadata.creation_timestamp.as_ref(), observed.now);
            if Duration::try_from(age).unwrap_or_default() < limit {
                return State::UnderWay;
            }
            let why = format!("Job {} did not end within {} s", name(job), limit.as_secs());
            State::Over(Some(left(observed, &why)))
        }
    }
}

fn name(job: &Job) -> &str {
    job.metadata.name.as_deref().unwrap_or_default()
}

fn left(observed: &Observed<'_>, why: &str) -> String {
    let leftovers = placement::leftovers(&observed.workflow.spec, observed.uid);
    let places: Vec<&str> = leftovers
        .iter()
        .map(|left| left.deployment.as_str())
        .collect();
    format!(
        "something of the run may be left on deployment {}: {why}",
        places.join(", ")
    )
}

fn under_way(observed: &Observed<'_>) -> View {
    View {
        phase: observed.status.phase.unwrap_or(Phase::Running),
        reason: observed.status.reason.unwrap_or(Reason::Running),
        message: "the attempt is over, and what it left outside of the cluster is being cleaned up"
            .to_owned(),
        since: None,
        quiet: observed.deleting || observed.status.phase != Some(Phase::Running),
        again: INTERVAL,
    }
}

/// Does something with the description of a resource's clean-up.
pub fn with<T>(observed: &Observed<'_>, work: impl FnOnce(&CleanUp<'_>) -> T) -> T {
    let spec = &observed.workflow.spec;
    let external = |target: &&DockerTarget| target.host.is_some();
    work(&CleanUp {
        namespace: observed
            .workflow
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default(),
        name: observed
            .workflow
            .metadata
            .name
            .as_deref()
            .unwrap_or_default(),
        uid: observed.uid,
        attempt: observed.attempt(),
        leftovers: &placement::leftovers(spec, observed.uid),
        hosts: &placement::hosts(spec),
        docker: spec
            .deployments
            .iter()
            .filter_map(|entry| entry.docker.as_ref())
            .find(external),
        runner: spec.runner.as_ref(),
        settings: observed.settings,
    })
}

#[cfg(test)]
mod tests;
