//! What there is in the namespace of a case at its end, and that nothing is left after that.

use std::collections::BTreeSet;
use std::time::Instant;

use dvre_operator::api::DvreWorkflow;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};

use crate::case::{Case, LIMIT, LOOK, Outcome};
use crate::oracle::{self, End};

/// Kinds of objects of which nothing may be left: group, version, kind.
const KINDS: [(&str, &str, &str); 7] = [
    ("dvre.io", "v1alpha1", "DvreWorkflow"),
    ("batch", "v1", "Job"),
    ("", "v1", "Pod"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
];
/// What every namespace has.
const GIVEN: [&str; 2] = ["configmaps/kube-root-ca.crt", "serviceaccounts/default"];

/// Jobs that clean up after a run belong to nobody, and go by themselves after some minutes.
const CLEAN_UP: &str = "app.kubernetes.io/component=clean-up";

impl Case {
    /// Removes Jobs with a label, and their pods.
    async fn sweep(&self, label: &str) -> Outcome {
        let (now, these) = (
            DeleteParams::background(),
            ListParams::default().labels(label),
        );
        let jobs = self.namespace.api::<Job>();
        let deleted = jobs.delete_collection(&now, &these).await;
        deleted.map(drop).map_err(|error| error.to_string())
    }

    /// What there is of the runs: their status and their children.
    pub async fn end(&self) -> Outcome<End> {
        let mut end = End::default();
        let api = self.namespace.api::<DvreWorkflow>();
        let runs = api.list(&ListParams::default()).await;
        for run in runs.map_err(|error| error.to_string())? {
            let status = serde_json::to_value(&run.status).unwrap_or_default();
            end.add(&run.name_any(), &status);
        }
        end.children = self.objects().await?;
        // Step pods are removed by the runner while it ends, or after that.
        let lasting = |name: &String| !name.starts_with("pods/") || name.ends_with("-POD");
        end.children.retain(lasting);
        Ok(end)
    }

    /// Objects of the namespace that it did not have at its beginning, masked.
    async fn objects(&self) -> Outcome<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for (group, version, kind) in KINDS {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let (client, name) = (self.namespace.client.clone(), &self.namespace.name);
            let api: Api<DynamicObject> = Api::namespaced_with(client, name, &resource);
            let objects = api.list_metadata(&ListParams::default()).await;
            for object in objects.map_err(|error| error.to_string())? {
                let name = format!("{}/{}", resource.plural, object.name_any());
                if !GIVEN.contains(&name.as_str()) {
                    found.insert(oracle::plain(&name));
                }
            }
        }
        Ok(found)
    }

    /// Deletes all runs, and waits until nothing is left of them.
    pub async fn clear(&self) -> Outcome {
        let api = self.namespace.api::<DvreWorkflow>();
        let all = ListParams::default();
        let deleted = api.delete_collection(&DeleteParams::default(), &all).await;
        deleted.map_err(|error| error.to_string())?;
        self.nothing_left().await
    }

    /// Makes the namespace as it was, for the next case, once nothing is to start any more: what the
    /// operator asked for last may have come late.
    pub async fn leave(&self) -> Outcome {
        let (now, all) = (DeleteParams::default(), ListParams::default());
        let quotas = self.namespace.api::<ResourceQuota>();
        let deleted = quotas.delete_collection(&now, &all).await;
        deleted.map_err(|error| error.to_string())?;
        self.nothing_left().await
    }

    /// Waits until nothing is left of any run.
    pub async fn nothing_left(&self) -> Outcome {
        let limit = Instant::now() + LIMIT / 2;
        loop {
            let left = self.objects().await?;
            if left.is_empty() {
                return Ok(());
            }
            if !left.iter().any(|name| name.starts_with("dvreworkflows/")) {
                self.sweep(CLEAN_UP).await?;
            }
            if Instant::now() > limit {
                return Err(format!("still there after the deletion: {left:?}"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
