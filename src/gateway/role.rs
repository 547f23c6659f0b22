//! Roles and their permissions, in the order and the words of the original server.

use serde::{Deserialize, Serialize};

/// What somebody is in a project.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs the project.
    Coordinator,
    /// Labels its samples.
    Contributor,
}

impl Role {
    /// Reads a role.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "coordinator" => Some(Self::Coordinator),
            "contributor" => Some(Self::Contributor),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Contributor => "contributor",
        }
    }

    /// What it permits.
    #[must_use]
    pub fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Coordinator => &[
                "submit_workflow",
                "start_querying",
                "continue_querying",
                "prompt_training",
                "terminate_project",
                "modify_project",
                "view_all_data",
                "manage_users",
                "assign_samples",
                "view_project_data",
            ],
            Self::Contributor => &[
                "submit_labels",
                "view_project_data",
                "participate_in_querying",
                "view_assigned_samples",
            ],
        }
    }

    /// Whether it permits this.
    #[must_use]
    pub fn permits(self, permission: &str) -> bool {
        self.permissions().contains(&permission)
    }
}
