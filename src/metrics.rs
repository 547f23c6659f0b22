//! Counters for `/metrics`. Labels come from closed enums alone, so their number is bounded.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::{Phase, Reason};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct End {
    phase: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Cause {
    reason: &'static str,
}

/// The operator's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    launched: Counter,
    repeated: Family<Cause, Counter>,
    finished: Family<End, Counter>,
    reconciles: Counter,
    failures: Counter,
    watch_errors: Counter,
    followers: Gauge,
    progress_writes: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("dvre");
        let (launched, reconciles, failures, watch_errors) = (
            Counter::default(),
            Counter::default(),
            Counter::default(),
            Counter::default(),
        );
        let finished = Family::<End, Counter>::default();
        let leader = Gauge::default();
        registry.register(
            "leader",
            "1 while this operator works, 0 while it stands by; the sum over all should be 1",
            leader.clone(),
        );
        registry.register(
            "runs_launched",
            "Attempts whose Job was created",
            launched.clone(),
        );
        let repeated = Family::<Cause, Counter>::default();
        registry.register(
            "attempts_repeated",
            "Attempts that ended while their run did not, by reason; Evicted and RunnerLost are the cluster's",
            repeated.clone(),
        );
        registry.register(
            "runs_finished",
            "Runs that ended, by phase and reason; a rise of RunnerLost or InternalError deserves a look",
            finished.clone(),
        );
        registry.register(
            "reconciles",
            "Times a resource was looked at",
            reconciles.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Times this could not be finished and was put off; the log has the errors",
            failures.clone(),
        );
        registry.register(
            "watch_errors",
            "Times a watch failed and began anew; a steady rise means missing permissions or CRD",
            watch_errors.clone(),
        );
        let (followers, progress_writes) = (Gauge::default(), Counter::default());
        registry.register(
            "progress_followers",
            "Logs of runners that are being followed for their progress",
            followers.clone(),
        );
        registry.register(
            "progress_writes",
            "Times progress was written to the status of a run",
            progress_writes.clone(),
        );
        Self {
            registry,
            leader,
            launched,
            repeated,
            finished,
            reconciles,
            failures,
            watch_errors,
            followers,
            progress_writes,
        }
    }
}

impl Metrics {
    /// This operator works, and no other.
    pub fn leads(&self) {
        self.leader.set(1);
    }

    /// An attempt's Job was created.
    pub fn launched(&self) {
        self.launched.inc();
    }

    /// An attempt ended, and its run did not.
    pub fn repeated(&self, reason: Reason) {
        let reason = reason.as_str();
        self.repeated.get_or_create(&Cause { reason }).inc();
    }

    /// A run ended.
    pub fn finished(&self, phase: Phase, reason: Reason) {
        self.finished
            .get_or_create(&End {
                phase: phase.as_str(),
                reason: reason.as_str(),
            })
            .inc();
    }

    /// A resource was looked at.
    pub fn reconciled(&self) {
        self.reconciles.inc();
    }

    /// This could not be finished.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// A watch failed.
    pub fn watch_error(&self) {
        self.watch_errors.inc();
    }

    /// How many logs are followed.
    #[must_use]
    pub fn followers(&self) -> Gauge {
        self.followers.clone()
    }

    /// Progress was written.
    pub fn progress_written(&self) {
        self.progress_writes.inc();
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_by_phase_and_reason() {
        let metrics = Metrics::default();
        metrics.finished(Phase::Failed, Reason::StepFailed);
        assert!(
            metrics
                .text()
                .contains(r#"dvre_runs_finished_total{phase="Failed",reason="StepFailed"} 1"#)
        );
    }
}
