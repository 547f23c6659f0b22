//! Nodes that are lost. A node without a kubelet is all that a control plane sees of a dead one: the
//! scheduler binds pods to it, and the controllers of nodes and of their pods notice that it is not there.
//!
//! It takes minutes. Tests start in the order of their names, so these are the first and others fill the time.

use dvre_operator::api::{DvreWorkflow, Reason};
use dvre_operator::names;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node as CoreNode, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::namespace::blocking;
use crate::sandbox::Sandbox;
use crate::shell;
use crate::verdict::attempts;

/// A node without a kubelet, which takes those pods alone that ask for it. It goes with this value.
struct DeadNode {
    client: Client,
    name: String,
}

impl DeadNode {
    async fn new(client: Client) -> Self {
        let nodes = Api::<CoreNode>::all(client.clone());
        let node = serde_json::from_value(json!({ "metadata": { "generateName": "e2e-dead-" } }));
        let created = nodes.create(&PostParams::default(), &node.unwrap()).await;
        let node = Self {
            client,
            name: created.expect("a node must be created").name_any(),
        };
        let taint =
            json!({ "spec": { "taints": [{ "key": node.label(), "effect": "NoSchedule" }] } });
        node.patch(&node.name, &taint).await;
        node.ask_for(&node.name).await;
        let now = jiff::Timestamp::now();
        let alive = json!({ "status": {
            "capacity": { "cpu": "4", "memory": "4Gi", "pods": "10" },
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it was there",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }],
        } });
        let (params, alive) = (PatchParams::default(), Patch::Merge(&alive));
        let patched = nodes.patch_status(&node.name, &params, &alive).await;
        patched.expect("a node must take a status");
        node
    }

    /// The label of nodes that take the pods of its test, which is the key of its taint, too.
    fn label(&self) -> String {
        format!("e2e.dvre.io/{}", self.name)
    }

    async fn patch(&self, node: &str, patch: &serde_json::Value) {
        let nodes = Api::<CoreNode>::all(self.client.clone());
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = nodes.patch(node, &params, &patch).await;
        patched.expect("a node must take a patch");
    }

    /// Makes a node one that takes the pods of this test.
    async fn ask_for(&self, node: &str) {
        let label = json!({ "metadata": { "labels": { self.label(): "" } } });
        self.patch(node, &label).await;
    }

    /// The same for all nodes that are there.
    async fn replace(&self) {
        let nodes = Api::<CoreNode>::all(self.client.clone());
        let nodes = nodes.list(&ListParams::default()).await.unwrap();
        let alive = |node: &&CoreNode| !node.name_any().starts_with("e2e-dead-");
        for node in nodes.iter().filter(alive) {
            self.ask_for(&node.name_any()).await;
        }
    }

    async fn delete(&self) {
        let nodes = Api::<CoreNode>::all(self.client.clone());
        let deleted = nodes.delete(&self.name, &DeleteParams::default()).await;
        deleted.expect("a node must be deletable");
    }

    /// The spec of a run whose runner is put here, and given up as soon as the node is.
    fn spec(&self) -> String {
        let label = self.label();
        let runner = json!({
            "resources": { "requests": { "cpu": "20m", "memory": "64Mi" } },
            "nodeSelector": { &label: "" },
            "tolerations": [
                { "key": label, "operator": "Exists" },
                {
                    "key": "node.kubernetes.io/unreachable", "operator": "Exists",
                    "effect": "NoExecute", "tolerationSeconds": 0,
                },
            ],
        });
        let mut spec: serde_json::Value = serde_yaml::from_str(&shell("true")).unwrap();
        spec["runner"] = runner;
        spec.to_string()
    }
}

impl Drop for DeadNode {
    fn drop(&mut self) {
        let (name, label) = (self.name.clone(), self.label());
        blocking(async move {
            let nodes = Api::<CoreNode>::all(Client::try_default().await?);
            let unlabel = json!({ "metadata": { "labels": { &label: null } } });
            for node in nodes.list(&ListParams::default().labels(&label)).await? {
                let (node, params) = (node.name_any(), PatchParams::default());
                nodes.patch(&node, &params, &Patch::Merge(&unlabel)).await?;
            }
            match nodes.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(error)) if error.code == 404 => Ok(()),
                result => result.map(|_| ()),
            }
        });
    }
}

/// A run whose runner was put on a node that is not there any more.
async fn bound(purpose: &str) -> (Sandbox, DeadNode, Pod) {
    let sandbox = Sandbox::new(purpose).await;
    let node = DeadNode::new(sandbox.client.clone()).await;
    sandbox.submit(purpose, &node.spec()).await;
    let here = |pod: &Pod| pod.spec.as_ref().unwrap().node_name.as_ref() == Some(&node.name);
    let pod = sandbox.pod(purpose, "the runner has a node", here).await;
    (sandbox, node, pod)
}

/// Checks that a run was tried again on another node, and nothing more.
async fn goes_on(sandbox: &Sandbox, name: &str, message: &str) -> DvreWorkflow {
    let run = sandbox.finished(name).await;
    assert_eq!(
        attempts(&run),
        [Some(Reason::Evicted), Some(Reason::Completed)]
    );
    let first = &run.status.as_ref().unwrap().attempts[0];
    let told = first.message.as_deref().unwrap_or_default();
    assert!(told.contains(message), "{told}");
    let jobs = [1, 2].map(|attempt| names::job(name, attempt));
    assert_eq!(sandbox.children::<Job>(&run).await, jobs);
    run
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_node_that_does_not_answer_any_more() {
    let (sandbox, node, pod) = bound("node-silent").await;
    node.replace().await;
    let run = goes_on(&sandbox, "node-silent", &node.name).await;
    // Only somebody who knows that the node is gone may say that its pods are, too.
    let pods = sandbox.children::<Pod>(&run).await;
    assert!(pods.contains(&pod.name_any()), "{pods:?}");
    let gone = |pod: Option<&Pod>| pod.is_none();
    node.delete().await;
    sandbox.wait(&pod.name_any(), "the pod is gone", gone).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_node_that_is_removed() {
    let (sandbox, node, pod) = bound("node-removed").await;
    node.replace().await;
    node.delete().await;
    goes_on(&sandbox, "node-removed", &node.name).await;
    let gone = |pod: Option<&Pod>| pod.is_none();
    sandbox.wait(&pod.name_any(), "the pod is gone", gone).await;
}
