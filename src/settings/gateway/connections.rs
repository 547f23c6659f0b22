//! What whoever runs the gateway decides about connections to it.

use std::time::Duration;

use clap::Args;

/// Settings of connections.
#[derive(Args, Clone, Debug)]
pub struct ConnectionSettings {
    /// Connections at one time. More wait until one ends.
    #[arg(long, env = "DVRE_GATEWAY_MAX_CONNECTIONS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub max_connections: u32,

    /// Seconds within which the head of a request must have arrived, and in which an answer must go on being
    /// taken. A connection without requests is closed after that time, too: proxies in front have to give up
    /// theirs before, as most do after 60 s.
    #[arg(long, env = "DVRE_GATEWAY_HEADER_SECONDS", default_value_t = 65, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub header_seconds: u64,

    /// Seconds for which the gateway still takes connections when it is asked to end, while it says that it
    /// is not ready: as long as others need to notice.
    #[arg(long, env = "DVRE_GATEWAY_LINGER_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub linger_seconds: u64,
}

impl ConnectionSettings {
    /// How long a head may take, and a pause.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    /// How long connections are still taken at the end.
    #[must_use]
    pub fn linger(&self) -> Duration {
        Duration::from_secs(self.linger_seconds)
    }
}
