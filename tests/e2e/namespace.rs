//! A namespace of the test's own: what is in it goes with it, also when the test panics.

use std::env;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace as CoreNamespace, ServiceAccount};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long anything may take: far more than it does, so that only what hangs runs into it.
pub const LIMIT: Duration = Duration::from_mins(5);

/// Keeps namespaces for a look at what is in them.
const KEEP: &str = "DVRE_E2E_KEEP";

/// A namespace that exists as long as this value.
pub struct Namespace {
    pub client: Client,
    pub name: String,
}

impl Namespace {
    /// Creates a namespace under a Pod Security level, and waits until pods can be created in it.
    pub async fn new(purpose: &str, level: &str) -> Self {
        Self::of("e2e", purpose, level).await
    }

    /// The same for another family of tests, whose name the namespace begins with.
    pub async fn of(family: &str, purpose: &str, level: &str) -> Self {
        let client = Client::try_default()
            .await
            .expect("KUBECONFIG must name a cluster");
        let namespace = serde_json::from_value(json!({
            "metadata": {
                "generateName": format!("{family}-{purpose}-"),
                "labels": { "pod-security.kubernetes.io/enforce": level, "dvre.io/e2e": purpose },
            }
        }));
        let created = Api::<CoreNamespace>::all(client.clone())
            .create(&PostParams::default(), &namespace.unwrap())
            .await
            .expect("a namespace must be created");
        let namespace = Self {
            client,
            name: created.name_any(),
        };
        namespace
            .wait(
                "default",
                "ServiceAccount default",
                |found: Option<&ServiceAccount>| found.is_some(),
            )
            .await;
        namespace
    }

    /// The objects of a kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Applies every document of a text of YAML, as `kubectl apply --server-side` does.
    pub async fn apply(&self, yaml: &str) {
        for document in serde_yaml::Deserializer::from_str(yaml) {
            let object = Value::deserialize(document).expect("manifests must be YAML");
            self.try_apply(&object)
                .await
                .expect("the API server must accept the manifest");
        }
    }

    /// Applies one object under strict validation.
    pub async fn try_apply(&self, object: &Value) -> kube::Result<DynamicObject> {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let (group, version) = text("apiVersion")
            .rsplit_once('/')
            .unwrap_or(("", text("apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.name, &resource);
        let name = object["metadata"]["name"]
            .as_str()
            .expect("manifests must have a name");
        let params = PatchParams::apply("e2e").validation_strict();
        api.patch(name, &params, &Patch::Apply(object)).await
    }

    /// Waits until an object, or its absence, is as the condition wants it.
    pub async fn wait<K>(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(Option<&K>) -> bool,
    ) -> Option<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        in_time(what, await_condition(self.api::<K>(), name, condition))
            .await
            .expect("the API server must be reachable")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        if env::var_os(KEEP).is_some() {
            eprintln!("{KEEP} is set: namespace {name} stays");
            return;
        }
        blocking(async move {
            let client = Client::try_default().await?;
            Api::<CoreNamespace>::all(client)
                .delete(&name, &DeleteParams::default())
                .await
                .map(|_| ())
        });
    }
}

/// Fails the test when something takes far too long.
pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work)
        .await
        .unwrap_or_else(|_| panic!("waited {} s for: {what}", LIMIT.as_secs()))
}

/// Does something asynchronous while a value is dropped: on a thread of its own, as the runtime of the
/// test may be on its way out.
pub fn blocking(work: impl Future<Output = kube::Result<()>> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime must start").block_on(work)
    });
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("while cleaning up: {error}"),
        Err(_) => eprintln!("cleaning up panicked"),
    }
}
