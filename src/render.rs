//! Pure: from a validated [`Run`] to the objects that carry it out, a file an object.

pub mod config_map;
pub mod job;
pub mod run;
pub mod streamflow;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;

pub use run::Run;

/// The children of a run, in the order in which they are created.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// The workflow, its inputs and the engine's configuration. Immutable; one for all attempts.
    pub config_map: ConfigMap,
    /// The runner of one attempt.
    pub job: Job,
}

/// Renders the children of a run.
#[must_use]
pub fn objects(run: &Run) -> Objects {
    Objects {
        config_map: config_map::config_map(run),
        job: job::job(run),
    }
}

#[cfg(test)]
mod tests;
