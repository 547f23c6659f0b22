//! What all cases share: the cluster, its namespaces, and the way the operator is installed there.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, Config};

use crate::namespace::Namespace;
use crate::recorder::Recorder;

/// The cluster of the tests.
pub struct World {
    /// The connection of the proxies. It tries nothing again: that is the operator's part.
    pub upstream: Client,
    /// Arguments of the operator as it is installed.
    pub arguments: Vec<String>,
    pub recorder: Recorder,
    /// Namespaces that nobody uses, with nothing in them.
    idle: Mutex<Vec<Namespace>>,
}

impl World {
    /// The cluster that KUBECONFIG names, in which the operator is installed and scaled to 0.
    pub async fn new() -> Self {
        let mut config = Config::infer().await.expect("KUBECONFIG names a cluster");
        let client = Client::try_from(config.clone()).expect("KUBECONFIG names a cluster");
        config.default_retry = false;
        let upstream = Client::try_from(config).expect("KUBECONFIG names a cluster");
        let recorder = Recorder::new(&client);
        Self {
            arguments: arguments(&client).await,
            upstream,
            recorder,
            idle: Mutex::default(),
        }
    }

    /// The arguments of the installed operator, some of them replaced.
    pub fn arguments_with(&self, own: &[&str]) -> Vec<String> {
        let flag = |argument: &str| argument.split('=').next().map(str::to_owned);
        let replaced = |argument: &&String| own.iter().any(|own| flag(own) == flag(argument));
        let installed = self.arguments.iter().filter(|argument| !replaced(argument));
        let own = own.iter().map(|argument| (*argument).to_owned());
        installed.cloned().chain(own).collect()
    }

    /// A namespace with nothing in it.
    pub async fn namespace(&self) -> Namespace {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(namespace) => namespace,
            None => Namespace::of("chaos", "case", "restricted").await,
        }
    }

    /// Takes back a namespace with nothing in it.
    pub fn put_back(&self, namespace: Namespace) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(namespace);
    }
}

/// Arguments of the installed operator, without those that a process on this machine has of its own.
async fn arguments(client: &Client) -> Vec<String> {
    let namespace = std::env::var("DVRE_OPERATOR_NAMESPACE");
    let namespace = namespace.unwrap_or_else(|_| "dvre-system".to_owned());
    let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let installed = api
        .get("dvre-operator")
        .await
        .expect("the operator is installed");
    let spec = installed.spec.expect("a Deployment has a spec");
    assert_eq!(
        spec.replicas,
        Some(0),
        "the installed operator would do the work of those under test: hack/chaos scales it to 0"
    );
    let containers = spec.template.spec.map(|pod| pod.containers);
    let arguments = containers
        .into_iter()
        .flatten()
        .next()
        .and_then(|first| first.args);
    let arguments = arguments.unwrap_or_default().into_iter().skip(1);
    let own = [
        "--watch-namespace=",
        "--listen=",
        "--leader-elect",
        "--lease",
    ];
    arguments
        .filter(|argument| !own.iter().any(|own| argument.starts_with(own)))
        .collect()
}
