//! Who asks, as far as it has been proven.

use std::collections::BTreeMap;

use kube::Client;

use super::fault::Fault;
use super::role::Role;

/// Who asks, and in whose name the cluster is asked.
#[derive(Clone)]
pub struct Caller {
    /// The name that has been proven; none where headers are believed.
    pub name: Option<String>,
    /// What decides what it may do.
    pub authority: Authority,
    /// A client that acts in its name, or in the gateway's own where the cluster does not know it.
    pub client: Client,
}

/// What decides what a caller may do.
#[derive(Clone, Debug)]
pub enum Authority {
    /// What it says of itself. Reads are open, or want a wallet.
    Claims {
        /// Whether who names no wallet may read.
        open_reads: bool,
    },
    /// The cluster's RBAC, as everything is asked for in its name.
    Cluster,
    /// Its role in each project.
    Projects(Roles),
}

/// The projects in which somebody has a role.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// The role in projects that are not named.
    pub elsewhere: Option<Role>,
    /// The role by project.
    pub projects: BTreeMap<String, Role>,
}

impl Roles {
    /// The role in a project.
    #[must_use]
    pub fn in_project(&self, project: &str) -> Option<Role> {
        self.projects.get(project).copied().or(self.elsewhere)
    }
}

impl Authority {
    /// What decides, for people.
    #[must_use]
    pub fn note(&self) -> &'static str {
        match self {
            Self::Claims { .. } => "The wallet and the role are believed as they were sent",
            Self::Cluster => "What you may do is decided by the cluster's RBAC",
            Self::Projects(_) => "The role is the one that the project's administrators gave you",
        }
    }
}

impl Caller {
    /// Refuses somebody who may submit nothing anywhere.
    pub fn require_submission(&self) -> Result<(), Fault> {
        let Authority::Projects(roles) = &self.authority else {
            return Ok(());
        };
        let mut roles = roles.projects.values().chain(&roles.elsewhere);
        if roles.any(|role| role.permits("submit_workflow")) {
            return Ok(());
        }
        Err(Fault::forbidden(
            "Permission denied: no role in any project permits 'submit_workflow'",
        ))
    }

    /// Whether it may see a workflow of this project, submitted by this owner. `claimed` is the wallet that
    /// it names.
    #[must_use]
    pub fn sees(&self, project: Option<&str>, owner: Option<&str>, claimed: Option<&str>) -> bool {
        match &self.authority {
            Authority::Claims { open_reads } => *open_reads || claimed.is_some(),
            Authority::Cluster => true,
            Authority::Projects(roles) => {
                let own = owner.is_some() && owner == self.name.as_deref();
                own || project.is_some_and(|project| roles.in_project(project).is_some())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_those_with_a_role_see_a_project() {
        let roles = Roles {
            elsewhere: None,
            projects: [("heart".to_owned(), Role::Contributor)].into(),
        };
        let caller = crate::gateway::testing::caller(Some("0xabc"), Authority::Projects(roles));
        assert!(caller.sees(Some("heart"), Some("0xother"), None));
        assert!(!caller.sees(Some("lung"), Some("0xother"), Some("0xother")));
        assert!(caller.sees(Some("lung"), Some("0xabc"), None));
        assert!(!caller.sees(None, None, Some("0xabc")));
    }

    #[tokio::test]
    async fn reads_without_a_wallet_can_be_closed() {
        let caller =
            |open_reads| crate::gateway::testing::caller(None, Authority::Claims { open_reads });
        assert!(caller(true).sees(Some("heart"), None, None));
        assert!(!caller(false).sees(Some("heart"), None, None));
        assert!(caller(false).sees(Some("heart"), None, Some("0x1")));
    }
}
