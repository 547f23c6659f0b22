//! Pods for steps.

use dvre_operator::api::{DvreWorkflow, Reason};
use dvre_operator::names;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::{Place, once};
use crate::sandbox::Sandbox;
use crate::verdict::{failed, succeeded};

fn kubernetes(settings: &Value) -> Place {
    let mut settings = settings.clone();
    if settings["resources"].is_null() {
        settings["resources"] =
            json!({"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}});
    }
    Place::new(json!({
        "deployment": "kubernetes",
        "deployments": [{"name": "kubernetes", "kubernetes": settings}],
    }))
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn kubernetes_works() {
    let sandbox = Sandbox::new("k8s").await;
    kubernetes(&json!({"replicas": 3})).works(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn kubernetes_is_deleted() {
    let sandbox = Sandbox::new("k8s-del").await;
    kubernetes(&json!({})).is_deleted(&sandbox).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn step_pods_have_what_their_step_asks_for() {
    let sandbox = Sandbox::new("k8s-pod").await;
    let mut spec = kubernetes(&json!({})).shell("sleep 600");
    spec["cwl"]["requirements"] = json!({
        "DockerRequirement": {"dockerPull": "docker.io/library/python:3.9-slim"},
        "ResourceRequirement": {"coresMin": 0.05, "ramMin": 64, "ramMax": 128},
    });
    sandbox.submit_spec("pod", spec).await;
    sandbox.in_step("pod").await;
    let run = sandbox.api::<DvreWorkflow>().get("pod").await.unwrap();
    let pods: Vec<Pod> = sandbox
        .list(&ListParams::default().labels(names::STEPS))
        .await;
    assert_eq!(pods.len(), 1);
    let pod = &pods[0];
    let owner = &pod.owner_references()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("Job", "pod-1"));
    assert_eq!(pod.labels()[names::NETWORK], "none");
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!(spec.automount_service_account_token, Some(false));
    let container = &spec.containers[0];
    assert_eq!(
        container.image.as_deref(),
        Some("docker.io/library/python:3.9-slim")
    );
    let resources = serde_json::to_value(&container.resources).unwrap();
    assert_eq!(
        resources["requests"],
        json!({"cpu": "50m", "memory": "64Mi"})
    );
    assert_eq!(resources["limits"], json!({"memory": "128Mi"}));
    let uid = run.uid().unwrap();
    let policy = sandbox
        .api::<NetworkPolicy>()
        .get(&names::network_policy("pod", &uid))
        .await
        .unwrap();
    let policy = policy.spec.unwrap();
    assert_eq!(policy.policy_types.unwrap(), ["Ingress", "Egress"]);
    assert_eq!((policy.ingress, policy.egress), (None, None));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_step_pod_that_cannot_start_fails_the_run_with_its_own_reason() {
    let sandbox = Sandbox::new("k8s-why").await;
    let place = |settings: Value| kubernetes(&settings);
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: pods}, spec: {hard: {requests.memory: 2Gi}}}";
    sandbox.apply(quota).await;
    let no_image = place(json!({"image": "docker.io/dvre/nothing:1"}));
    let nowhere = place(json!({"nodeSelector": {"disk": "none"}, "timeoutSeconds": 10}));
    let too_much =
        place(json!({"resources": {"requests": {"memory": "4Gi"}, "limits": {"memory": "4Gi"}}}));
    let (image, node, quota) = tokio::join!(
        sandbox.run_spec("image", no_image.shell("true")),
        sandbox.run_spec("node", nowhere.shell("true")),
        sandbox.run_spec("quota", too_much.shell("true")),
    );
    failed(
        &image,
        Reason::ImagePullFailed,
        &["docker.io/dvre/nothing:1"],
    );
    failed(&node, Reason::Unschedulable, &["node"]);
    failed(&quota, Reason::QuotaExceeded, &["exceeded quota"]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_step_that_takes_too_much_memory_in_its_pod() {
    let sandbox = Sandbox::new("k8s-oom").await;
    let settings = json!({"resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "32Mi"}}});
    let run = sandbox
        .run_spec("oom", kubernetes(&settings).shell("tail /dev/zero"))
        .await;
    let status = run.status.clone().unwrap();
    assert!(
        matches!(
            status.reason,
            Some(Reason::OutOfMemory | Reason::StepFailed)
        ),
        "{status:?}"
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn step_pods_of_a_killed_runner_go() {
    let sandbox = Sandbox::new("k8s-kill").await;
    let spec = once(kubernetes(&json!({})).shell("sleep 600"));
    sandbox.submit_spec("killed", spec).await;
    sandbox.in_step("killed").await;
    let pod = sandbox.pod("killed", "the runner's pod", |_| true).await;
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    let pods = sandbox.api::<Pod>();
    pods.delete(&pod.name_any(), &params).await.unwrap();
    let run = sandbox.finished("killed").await;
    assert_eq!(
        run.status.as_ref().unwrap().reason,
        Some(Reason::RunnerLost)
    );
    super::gone::<Pod>(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_runner_of_a_local_run_has_no_token() {
    let sandbox = Sandbox::new("k8s-token").await;
    let spec = Place::new(json!({})).shell("! test -e /var/run/secrets/kubernetes.io");
    succeeded(&sandbox.run_spec("token", spec).await);
}
