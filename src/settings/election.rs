//! Whether several operators agree on one that works, and by which Lease.

use std::time::Duration;

use clap::Args;

/// Settings of the election of a leader.
#[derive(Args, Clone, Debug)]
pub struct ElectionSettings {
    /// Work only while holding a Lease, so that more than one operator can run.
    #[arg(long, env = "DVRE_LEADER_ELECT")]
    pub leader_elect: bool,

    /// Name of the Lease; operators that watch different namespaces need different ones.
    #[arg(long, env = "DVRE_LEASE_NAME", default_value = "dvre-operator")]
    pub lease_name: String,

    /// Namespace of the Lease; that of the pod when not given, or of the current kubeconfig context.
    #[arg(long, env = "DVRE_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// Seconds without renewal after which others take the Lease. It is renewed four times as often, and
    /// its holder gives up after five eighths of it.
    #[arg(long, env = "DVRE_LEASE_DURATION_SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(4..=3600))]
    pub lease_duration_seconds: u16,
}

impl ElectionSettings {
    /// How long a Lease holds after others saw it renewed.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.lease_duration_seconds.into())
    }

    /// How often the holder renews it.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.duration() / 4
    }

    /// How long after the last renewal the holder still works. What is left of the duration is for
    /// clocks that do not run alike, and for requests under way.
    #[must_use]
    pub fn term(&self) -> Duration {
        self.duration() * 5 / 8
    }
}
