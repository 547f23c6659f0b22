//! Pure: from a validated [`Run`] to the objects that carry it out, a file an object.

pub mod access;
pub mod clean_up;

pub mod config_map;
mod docker;
pub mod job;
pub mod network_policy;
mod parts;
pub mod placement;
pub mod run;
mod shared_claims;
mod singularity;
mod ssh;
mod step_pods;
pub mod streamflow;
mod volumes;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;

pub use run::Run;

/// The children of a run, in the order in which they are created.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// The workflow, its inputs and the engine's configuration. Immutable; one for all attempts.
    pub config_map: ConfigMap,
    /// What lets the runner create step pods.
    pub access: Option<(ServiceAccount, RoleBinding)>,
    /// What keeps step pods off the network.
    pub network_policy: Option<NetworkPolicy>,
    /// The runner of one attempt.
    pub job: Job,
}

/// Renders the children of a run.
#[must_use]
pub fn objects(run: &Run) -> Objects {
    Objects {
        config_map: config_map::config_map(run),
        access: access::access(run),
        network_policy: network_policy::network_policy(run),
        job: job::job(run),
    }
}

#[cfg(test)]
mod tests;
