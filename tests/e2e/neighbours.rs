//! What is around a run: earlier applies, other people's objects, strange neighbours, and an operator
//! that comes and goes.

use std::env;

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use dvre_operator::names;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::sandbox::Sandbox;
use crate::verdict::{failed, ran_once, succeeded};
use crate::{OPERATOR, shell};

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn the_same_manifest_twice_is_one_run() {
    let sandbox = Sandbox::new("twice").await;
    let spec = shell("sleep 2");
    sandbox.submit("twice", &spec).await;
    sandbox.submit("twice", &spec).await;
    let run = sandbox.finished("twice").await;
    succeeded(&run);
    sandbox.submit("twice", &spec).await;
    ran_once(&sandbox, &run).await;
    let after = sandbox.api::<DvreWorkflow>().get("twice").await.unwrap();
    assert_eq!(after.metadata.generation, Some(1));
    assert_eq!(after.status, run.status);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_name_of_253_characters() {
    let sandbox = Sandbox::new("long-name").await;
    let name = "n".repeat(253);
    let run = sandbox.run(&name, &shell("true")).await;
    succeeded(&run);
    ran_once(&sandbox, &run).await;
}

/// A Job of somebody else, which does nothing.
const FOREIGN_JOB: &str = "
    apiVersion: batch/v1
    kind: Job
    metadata: {name: conflict-1}
    spec:
      suspend: true
      template:
        spec: {restartPolicy: Never, containers: [{name: c, image: docker.io/dvre/none}]}
";

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_job_of_somebody_else_is_left_alone() {
    let sandbox = Sandbox::new("conflict").await;
    sandbox.apply(FOREIGN_JOB).await;
    let before = sandbox.api::<Job>().get("conflict-1").await.unwrap();
    let run = sandbox.run("conflict", &shell("true")).await;
    failed(
        &run,
        Reason::NameConflict,
        &["Job conflict-1", "does not belong"],
    );
    let after = sandbox.api::<Job>().get("conflict-1").await.unwrap();
    assert_eq!((after.uid(), &after.spec), (before.uid(), &before.spec));
    assert!(after.owner_references().is_empty());
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn strange_neighbours_stop_nobody() {
    let sandbox = Sandbox::new("neighbours").await;
    let tool = json!({
        "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true", "inputs": {}, "outputs": {},
    });
    // The schema takes any integer there, the type behind it does not.
    let heavy = json!([{
        "weight": i64::from(i32::MAX) + 1, "podAffinityTerm": { "topologyKey": "zone" },
    }]);
    let heavy = json!({ "preferredDuringSchedulingIgnoredDuringExecution": heavy });
    let strange = [
        ("empty", "InvalidWorkflow", json!({ "cwl": {} })),
        (
            "number",
            "InvalidWorkflow",
            json!({ "cwl": { "cwlVersion": 1.2, "class": [], "inputs": 7 } }),
        ),
        (
            "heavy",
            "InvalidObject",
            json!({ "cwl": tool, "runner": { "affinity": { "podAffinity": heavy } } }),
        ),
        (
            "much",
            "ChildRefused",
            json!({ "cwl": tool, "runner": { "resources": { "limits": { "memory": "much" } } } }),
        ),
        (
            "label",
            "ChildRefused",
            json!({ "cwl": tool, "runner": { "podLabels": { "not a key!": "x" } } }),
        ),
    ];
    for (name, _, spec) in &strange {
        sandbox.submit(name, &spec.to_string()).await;
    }
    for (name, reason, _) in &strange {
        let text = sandbox.failed_unread(name).await;
        assert!(text.contains(&format!("\"reason\":\"{reason}\"")), "{text}");
    }
    let run = sandbox.run("ordinary", &shell("true")).await;
    succeeded(&run);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_document_nested_without_end_stops_nobody() {
    let sandbox = Sandbox::new("nested").await;
    // Far beyond what parsers of JSON allow by default, and still accepted by the API server.
    let cwl = (0..1000).fold(json!({}), |inner, _| json!({ "x": inner }));
    let object = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": { "name": "nested" }, "spec": { "cwl": cwl },
    });
    let refusal = sandbox.try_apply(&object).await.unwrap_err();
    assert!(
        refusal.to_string().contains("recursion limit"),
        "it is the reply that cannot be read: {refusal}"
    );
    let run = sandbox.run("ordinary", &shell("true")).await;
    succeeded(&run);
    sandbox.failed_unread("nested").await;
}

/// Where the operator runs.
fn operators(sandbox: &Sandbox) -> Api<Pod> {
    let namespace =
        env::var("DVRE_OPERATOR_NAMESPACE").unwrap_or_else(|_| "dvre-system".to_owned());
    Api::namespaced(sandbox.client.clone(), &namespace)
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn an_operator_that_is_killed_goes_on_where_it_was() {
    let sandbox = Sandbox::new("restart").await;
    let _away = OPERATOR.write().await;
    sandbox.submit("restart", &shell("sleep 8")).await;
    sandbox.reaches("restart", Phase::Running).await;
    let selector = ListParams::default().labels("app.kubernetes.io/name=dvre-operator");
    let pods = operators(&sandbox).list(&selector).await.unwrap().items;
    assert!(
        !pods.is_empty(),
        "no operator in its namespace: set DVRE_OPERATOR_NAMESPACE"
    );
    for pod in pods {
        let kill = DeleteParams::default().grace_period(0);
        operators(&sandbox)
            .delete(&pod.name_any(), &kill)
            .await
            .unwrap();
    }
    let run = sandbox.finished("restart").await;
    succeeded(&run);
    assert_eq!(sandbox.children::<Pod>(&run).await.len(), 1);
    ran_once(&sandbox, &run).await;
    assert_eq!(
        run.status.unwrap_or_default().job_name,
        Some(names::job("restart", 1))
    );
}
