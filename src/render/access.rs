//! What lets the runner of a run with step pods create them: a ServiceAccount of its own, bound to the
//! operator's role for that, in the run's namespace only.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use super::run::Run;
use crate::names;

/// The account and its binding; none where no steps run in pods, or where the resource names an
/// account.
#[must_use]
pub fn access(run: &Run) -> Option<(ServiceAccount, RoleBinding)> {
    if !run.placement.token || run.runner.service_account_name.is_some() {
        return None;
    }
    let role = run.settings.deployments.steps_role.as_deref()?;
    let (kind, role) = role.split_once('/').unwrap_or(("ClusterRole", role));
    let name = names::account(&run.name, &run.uid);
    let account = ServiceAccount {
        metadata: run.metadata(name.clone(), "runner"),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    let binding = RoleBinding {
        metadata: run.metadata(name.clone(), "runner"),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: kind.to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name,
            namespace: Some(run.namespace.clone()),
            api_group: None,
        }]),
    };
    Some((account, binding))
}
