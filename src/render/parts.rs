//! What the places of a run's steps add to its pod.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, ObjectFieldSelector, PodSecurityContext,
    SeccompProfile, SecurityContext, Volume, VolumeMount,
};

use super::run::Run;
use super::{docker, singularity, ssh};
use crate::names;
use crate::runner::run_file::{JOB_NAME, JOB_UID, NAMESPACE};

/// User and group of the runner's image, and of step pods.
pub const UID: i64 = 1000;

/// Additions to a run's pod.
#[derive(Default)]
pub struct Parts {
    /// Volumes, and where the runner's container sees them.
    pub volumes: Vec<(Volume, Vec<VolumeMount>)>,
    /// Environment of the runner's container.
    pub env: Vec<EnvVar>,
    /// Containers that start before the runner and end with it.
    pub sidecars: Vec<Container>,
    /// Image of the runner, unless the resource names one.
    pub image: Option<String>,
    /// Security context of the runner's container, unless it is the strictest.
    pub security: Option<SecurityContext>,
    /// ServiceAccount whose token the runner gets.
    pub account: Option<String>,
}

impl Parts {
    /// What the places of a run add.
    pub fn of(run: &Run) -> Self {
        let mut parts = Self::default();
        ssh::add(run, &mut parts);
        docker::add(run, &mut parts);
        singularity::add(run, &mut parts);
        if run.placement.token {
            parts.account = Some(names::account(&run.name, &run.uid));
            parts.env.extend([
                field(JOB_NAME, "metadata.labels['batch.kubernetes.io/job-name']"),
                field(
                    JOB_UID,
                    "metadata.labels['batch.kubernetes.io/controller-uid']",
                ),
                field(NAMESPACE, "metadata.namespace"),
            ]);
        }
        parts
    }
}

/// A variable.
pub fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

/// The security context of a container under the strictest Pod Security level.
pub fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        ..SecurityContext::default()
    }
}

/// The security context of a pod under the strictest Pod Security level.
pub fn restricted_pod() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(UID),
        run_as_group: Some(UID),
        fs_group: Some(UID),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}
