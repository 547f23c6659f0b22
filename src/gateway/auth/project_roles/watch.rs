//! The roles as they stand in the cluster.

use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use super::ProjectRoles;
use crate::gateway::caller::Roles;
use crate::gateway::fault::Fault;

/// The key of the ConfigMap.
pub const KEY: &str = "roles.yaml";

/// The roles that a ConfigMap gave last.
pub struct KnownRoles {
    api: Api<ConfigMap>,
    name: String,
    known: RwLock<Option<Arc<ProjectRoles>>>,
}

impl KnownRoles {
    /// Those of a ConfigMap; nothing is known of it yet.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            known: RwLock::default(),
        }
    }

    /// Whether it has been looked for at least once.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known().is_some()
    }

    /// The roles of somebody who is all of these subjects.
    pub fn of(&self, subjects: &[String]) -> Result<Roles, Fault> {
        let known = self.known();
        let known = known
            .ok_or_else(|| Fault::unavailable("the roles have not been read yet: try again"))?;
        Ok(known.of(subjects))
    }

    /// Follows the ConfigMap for good.
    pub async fn follow(&self) {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut changes = std::pin::pin!(watcher(self.api.clone(), config).default_backoff());
        let mut found = false;
        while let Some(change) = changes.next().await {
            match change {
                Ok(watcher::Event::Init) => found = false,
                Ok(watcher::Event::InitApply(map)) => {
                    found = true;
                    self.read(&map);
                }
                Ok(watcher::Event::Apply(map)) => self.read(&map),
                Ok(watcher::Event::InitDone) if found => {}
                Ok(watcher::Event::InitDone | watcher::Event::Delete(_)) => {
                    tracing::warn!(
                        config_map = self.name,
                        "there is no ConfigMap with roles: nobody has one"
                    );
                    self.learn(ProjectRoles::default());
                }
                Err(error) => {
                    tracing::warn!(%error, config_map = self.name, "roles cannot be watched");
                }
            }
        }
    }

    fn read(&self, map: &ConfigMap) {
        let text = map.data.as_ref().and_then(|data| data.get(KEY));
        let text = text.ok_or_else(|| format!("there is no key {KEY}"));
        match text.and_then(|text| ProjectRoles::read(text)) {
            Ok(roles) => {
                tracing::info!(config_map = self.name, "roles read");
                self.learn(roles);
            }
            Err(error) => {
                tracing::error!(
                    config_map = self.name,
                    error,
                    "no roles can be read from it: those before stay"
                );
                // Who has none before has none now.
                if !self.is_known() {
                    self.learn(ProjectRoles::default());
                }
            }
        }
    }

    fn known(&self) -> Option<Arc<ProjectRoles>> {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, roles: ProjectRoles) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::new(roles));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::role::Role;
    use crate::gateway::testing::no_client;

    fn map(data: Option<&str>) -> ConfigMap {
        let data = data.map(|text| [(KEY.to_owned(), text.to_owned())].into());
        ConfigMap {
            data,
            ..ConfigMap::default()
        }
    }

    fn role(known: &KnownRoles) -> Option<Role> {
        let roles = known.of(&["alice".to_owned()]).unwrap();
        roles.in_project("heart")
    }

    #[tokio::test]
    async fn a_broken_config_map_changes_nothing() {
        let known = KnownRoles::new(no_client(), "lab", "roles");
        assert!(!known.is_known() && known.of(&[]).is_err());
        known.read(&map(Some("everywhere: {alice: owner}")));
        assert_eq!(role(&known), None);
        known.read(&map(Some("everywhere: {alice: coordinator}")));
        for broken in [None, Some("["), Some("everywhere: {alice: owner}")] {
            known.read(&map(broken));
            assert_eq!(role(&known), Some(Role::Coordinator), "{broken:?}");
        }
        known.read(&map(Some("{}")));
        assert_eq!(role(&known), None);
    }
}
