//! Templates that the cluster adds: ConfigMaps with a label, in the gateway's namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, ResourceExt};

use super::{LABEL, Template, Templates};
use crate::gateway::Gateway;

/// Follows the ConfigMaps for good. One that is no template is told in the log, and left out.
pub async fn follow(gateway: &Gateway) {
    let api: Api<ConfigMap> = Api::namespaced(gateway.client.clone(), &gateway.settings.namespace);
    let (reader, writer) = reflector::store();
    let config = watcher::Config::default().labels(&format!("{LABEL}=true"));
    let changes = watcher(api, config).default_backoff().reflect(writer);
    let mut changes = std::pin::pin!(changes.map_err(|error| {
        tracing::warn!(%error, "ConfigMaps with templates cannot be watched");
    }));
    while let Some(change) = changes.next().await {
        if matches!(
            change,
            Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_) | watcher::Event::InitDone)
        ) {
            let mut templates = gateway.shipped.clone();
            templates.extend(read(gateway, &reader.state()));
            gateway.offer(templates);
        }
    }
}

fn read(gateway: &Gateway, maps: &[Arc<ConfigMap>]) -> Templates {
    // Where two have one name, the one whose ConfigMap comes first wins, whatever order they arrived in.
    let mut maps: Vec<_> = maps.iter().collect();
    maps.sort_by_key(|map| std::cmp::Reverse(map.name_any()));
    let mut templates = Templates::new();
    for map in maps {
        let files: BTreeMap<_, _> = map.data.clone().unwrap_or_default();
        match Template::read(&files, &gateway.settings.template_images) {
            Ok(template) => {
                templates.insert(template.about.name.clone(), template);
            }
            Err(error) => {
                tracing::warn!(config_map = map.name_any(), error, "not a template");
            }
        }
    }
    templates
}
