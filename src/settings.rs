//! What whoever runs the operator decides: flags, each with an environment variable of the same
//! meaning. The Helm chart sets them from its values.

pub mod deployments;
pub mod election;
pub mod gateway;
pub mod resources;
pub mod streamflow;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use k8s_openapi::api::core::v1::ResourceRequirements;

use deployments::DeploymentSettings;
use election::ElectionSettings;

/// Settings of the operator.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Address for `/livez`, `/readyz` and `/metrics`.
    #[arg(long, env = "DVRE_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Namespace to watch; all when not given.
    #[arg(long, env = "DVRE_WATCH_NAMESPACE")]
    pub watch_namespace: Option<String>,

    /// How many resources are worked on at one time.
    #[arg(long, env = "DVRE_CONCURRENCY", default_value_t = 32)]
    pub concurrency: u16,

    /// How many runs' logs are followed at one time for their progress; 0 for none.
    #[arg(long, env = "DVRE_PROGRESS_FOLLOWERS", default_value_t = 64)]
    pub progress_followers: u16,

    /// Form of the log.
    #[arg(long, env = "DVRE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What to log, such as `info` or `dvre_operator=debug`.
    #[arg(long, env = "DVRE_LOG", default_value = "info")]
    pub log: String,

    /// Which of several operators works.
    #[command(flatten)]
    pub election: ElectionSettings,

    /// Settings of the runs.
    #[command(flatten)]
    pub run: RunSettings,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the operator decides for every run that does not say otherwise.
#[derive(Args, Clone, Debug)]
pub struct RunSettings {
    /// Image of the runner.
    #[arg(long, env = "DVRE_RUNNER_IMAGE", default_value = "dvre/runner:dev")]
    pub runner_image: String,

    /// When the runner's image is pulled: Always, IfNotPresent or Never.
    #[arg(
        long,
        env = "DVRE_RUNNER_IMAGE_PULL_POLICY",
        default_value = "IfNotPresent"
    )]
    pub runner_image_pull_policy: String,

    /// Requests and limits of the runner's container, as JSON; a resource may change single ones.
    #[arg(
        long,
        env = "DVRE_RUNNER_RESOURCES",
        value_parser = parse_resources,
        default_value = r#"{"requests":{"cpu":"250m","memory":"256Mi"},"limits":{"cpu":"2","memory":"2Gi"}}"#
    )]
    pub runner_resources: ResourceRequirements,

    /// Seconds from the creation of a Job until the engine must run.
    #[arg(long, env = "DVRE_START_DEADLINE_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(i64).range(1..=604_800))]
    pub start_deadline_seconds: i64,

    /// Size limit of a run's working folder, an emptyDir.
    #[arg(long, env = "DVRE_WORK_SIZE_LIMIT", default_value = "10Gi")]
    pub work_size_limit: String,

    /// Size limit of a run's folder for temporary files, an emptyDir.
    #[arg(long, env = "DVRE_TMP_SIZE_LIMIT", default_value = "2Gi")]
    pub tmp_size_limit: String,

    /// The most bytes that the runner fetches for one `https://` input.
    #[arg(long, env = "DVRE_FETCH_LIMIT_BYTES", default_value_t = 10 << 30)]
    pub fetch_limit_bytes: u64,

    /// Seconds before the first other attempt of a run that failed; doubled with each further one, up to
    /// 300.
    #[arg(long, env = "DVRE_RETRY_BACKOFF_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(i64).range(0..=300))]
    pub retry_backoff_seconds: i64,

    /// Seconds after a run's end when its Job, pods and ConfigMap are removed; never when not given.
    #[arg(long, env = "DVRE_TTL_SECONDS_AFTER_FINISHED", value_parser = clap::value_parser!(i64).range(0..=315_360_000))]
    pub ttl_seconds_after_finished: Option<i64>,

    /// Seconds that a run has to end cleanly when it is stopped.
    #[arg(long, env = "DVRE_GRACE_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=3600))]
    pub grace_seconds: i64,

    /// Where steps may run.
    #[command(flatten)]
    pub deployments: DeploymentSettings,
}

impl RunSettings {
    /// How long an attempt may take from the creation of its Job until the engine runs.
    #[must_use]
    pub fn start_deadline(&self, asked: Option<i64>) -> Duration {
        let seconds = asked.unwrap_or(self.start_deadline_seconds);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }
}

fn parse_resources(text: &str) -> Result<ResourceRequirements, String> {
    serde_json::from_str(text).map_err(|error| {
        format!(r#"must be JSON such as {{"requests":{{"cpu":"250m"}},"limits":{{"memory":"2Gi"}}}}: {error}"#)
    })
}
