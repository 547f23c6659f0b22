//! Who has which role in which project, as a ConfigMap says.

pub mod watch;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::gateway::caller::Roles;
use crate::gateway::role::Role;

/// Before the name of a group.
pub const GROUP: &str = "group:";

/// Roles by subject: a wallet in lower case, a name, or a group.
type Subjects = BTreeMap<String, Role>;

/// Who has which role in which project.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectRoles {
    projects: BTreeMap<String, Subjects>,
    everywhere: Subjects,
}

impl ProjectRoles {
    /// Reads them from YAML.
    pub fn read(text: &str) -> Result<Self, String> {
        let read: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let mut projects = BTreeMap::new();
        for (project, subjects) in read.projects {
            let subjects =
                canonical(subjects).map_err(|why| format!("projects.{project}: {why}"))?;
            projects.insert(project, subjects);
        }
        let everywhere = canonical(read.everywhere).map_err(|why| format!("everywhere: {why}"))?;
        Ok(Self {
            projects,
            everywhere,
        })
    }

    /// The roles of somebody who is all of these subjects.
    #[must_use]
    pub fn of(&self, subjects: &[String]) -> Roles {
        let projects = self.projects.iter().filter_map(|(project, roles)| {
            let role = strongest(roles, subjects)?;
            Some((project.clone(), role))
        });
        Roles {
            elsewhere: strongest(&self.everywhere, subjects),
            projects: projects.collect(),
        }
    }
}

/// The same subjects as they are looked up. A wallet that is there twice is refused, for its roles may differ.
fn canonical(subjects: Subjects) -> Result<Subjects, String> {
    let mut found = Subjects::new();
    for (subject, role) in subjects {
        let name = canonical_name(&subject);
        if found.insert(name, role).is_some() {
            return Err(format!("{subject} is there twice"));
        }
    }
    Ok(found)
}

/// A wallet is the same in any case; other names are not.
fn canonical_name(subject: &str) -> String {
    if is_wallet(subject) {
        subject.to_lowercase()
    } else {
        subject.to_owned()
    }
}

/// Whether a name speaks of a wallet.
#[must_use]
pub fn is_wallet(name: &str) -> bool {
    name.starts_with("0x") || name.starts_with("0X")
}

/// The role of a coordinator, where one of them has it.
fn strongest(roles: &Subjects, subjects: &[String]) -> Option<Role> {
    let roles = subjects.iter().filter_map(|subject| roles.get(subject));
    roles.copied().reduce(|a, b| match (a, b) {
        (Role::Coordinator, _) | (_, Role::Coordinator) => Role::Coordinator,
        _ => Role::Contributor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: &str = "
        projects:
          heart:
            0xAbCdEf0123456789aBcDeF0123456789abcdef01: coordinator
            group:nurses: contributor
            alice: contributor
          42: {alice: coordinator}
        everywhere:
          group:staff: contributor
    ";

    fn of(subjects: &[&str]) -> Roles {
        let subjects: Vec<_> = subjects.iter().map(|&it| it.to_owned()).collect();
        ProjectRoles::read(ROLES).unwrap().of(&subjects)
    }

    #[test]
    fn a_wallet_has_its_role_in_any_case() {
        let roles = of(&["0xabcdef0123456789abcdef0123456789abcdef01"]);
        assert_eq!(roles.in_project("heart"), Some(Role::Coordinator));
        assert_eq!(roles.in_project("42"), None);
    }

    #[test]
    fn a_name_is_no_group_and_has_one_case() {
        assert_eq!(of(&["alice"]).in_project("42"), Some(Role::Coordinator));
        for stranger in ["Alice", "nurses", "", "heart"] {
            assert_eq!(of(&[stranger]).in_project("heart"), None, "{stranger}");
        }
    }

    #[test]
    fn of_several_roles_the_strongest_counts_and_those_of_a_project_before_others() {
        let both = of(&["alice", "group:nurses", "group:staff"]);
        assert_eq!(both.in_project("heart"), Some(Role::Contributor));
        assert_eq!(both.in_project("42"), Some(Role::Coordinator));
        assert_eq!(both.in_project("lung"), Some(Role::Contributor));
    }

    #[test]
    fn what_is_not_understood_is_refused_as_a_whole() {
        for wrong in [
            "[alice]",
            "alice",
            "projects: [",
            "projects: {heart: {alice: owner}}",
            "project: {heart: {alice: coordinator}}",
            "projects: {heart: alice}",
            "everywhere: {0xAB: coordinator, 0xab: contributor}",
        ] {
            assert!(ProjectRoles::read(wrong).is_err(), "{wrong}");
        }
        for nobody in ["", "{}", "projects: {}"] {
            assert_eq!(ProjectRoles::read(nobody).unwrap(), ProjectRoles::default());
        }
    }
}
