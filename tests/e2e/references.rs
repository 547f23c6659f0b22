//! ConfigMaps that a run reads, when they come and when they change.

use dvre_operator::api::{Phase, Reason};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, ran_once, succeeded, told_once};

/// A ConfigMap with a tool that prints a text.
fn tool(text: &str) -> String {
    format!(
        "
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: tool}}
        data:
          main.cwl: |
            cwlVersion: v1.2
            class: CommandLineTool
            baseCommand: [echo, {text}]
            inputs: {{}}
            outputs: {{output: stdout}}
            stdout: said.txt
        "
    )
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_config_map_that_comes_later_is_waited_for() {
    let sandbox = Sandbox::new("late").await;
    sandbox
        .submit("late", "cwlFrom: {configMap: {name: tool}}")
        .await;
    let waiting = sandbox.says("late", Reason::ReferenceNotFound).await;
    let status = waiting.status.clone().unwrap_or_default();
    assert_eq!(status.phase, Some(Phase::Pending));
    assert!(
        status
            .message
            .unwrap_or_default()
            .contains("ConfigMap tool")
    );
    sandbox.apply(&tool("at last")).await;
    let run = sandbox.finished("late").await;
    assert_text(output(succeeded(&run), "output"), "at last\n");
    let events = ["ReferenceNotFound", "RunnerJobCreated", "Completed"];
    told_once(&sandbox, &run, &events).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_config_map_that_never_comes_ends_the_run() {
    let sandbox = Sandbox::new("never").await;
    let spec = "{cwlFrom: {configMap: {name: tool}}, startDeadlineSeconds: 3}";
    let run = sandbox.run("never", spec).await;
    failed(&run, Reason::ReferenceNotFound, &["ConfigMap tool", "3 s"]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_change_after_the_start_does_not_reach_the_run() {
    let sandbox = Sandbox::new("changed").await;
    let data = |text: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: refs}}, data: {{word: {text}}}}}"
        )
    };
    // It waits until the volume, as the kubelet mounts it, has changed, and only then reads its input.
    let document = |text: &str| {
        format!(
            "
            apiVersion: v1
            kind: ConfigMap
            metadata: {{name: tool}}
            data:
              main.cwl: |
                cwlVersion: v1.2
                class: Workflow
                inputs: {{word: File}}
                outputs: {{output: {{type: File, outputSource: read/output}}}}
                steps:
                  wait:
                    in: {{}}
                    out: [output]
                    run:
                      class: CommandLineTool
                      baseCommand: [sh, -c, 'until grep -q new /dvre/volumes/refs/word; do sleep 0.1; done']
                      inputs: {{}}
                      outputs: {{output: stdout}}
                  read:
                    in: {{after: wait/output, word: word}}
                    out: [output]
                    run:
                      class: CommandLineTool
                      baseCommand: [sh, -c, 'echo {text}; cat $0']
                      inputs: {{after: File, word: {{type: File, inputBinding: {{position: 1}}}}}}
                      outputs: {{output: stdout}}
            "
        )
    };
    sandbox.apply(&data("old")).await;
    sandbox.apply(&document("old")).await;
    let spec = "
        cwlFrom: {configMap: {name: tool}}
        volumes: [{name: refs, configMap: {name: refs}}]
        inputs: {word: {class: File, path: /data/refs/word}}
    ";
    sandbox.submit("changed", spec).await;
    sandbox.reaches("changed", Phase::Running).await;
    // The runner has copied the volume once the engine is at work.
    sandbox.apply(&document("new")).await;
    sandbox.in_step("changed").await;
    sandbox.apply(&data("new")).await;
    // The kubelet looks at a pod's volumes when the pod changes, and else only each minute.
    let pod = sandbox.pod("changed", "the runner's pod", |_| true).await;
    let touch =
        Patch::Merge(json!({ "metadata": { "annotations": { "dvre.io/e2e": "look again" } } }));
    let params = PatchParams::default();
    sandbox
        .api::<Pod>()
        .patch(&pod.name_any(), &params, &touch)
        .await
        .unwrap();
    let run = sandbox.finished("changed").await;
    assert_text(output(succeeded(&run), "output"), "old\nold");
    ran_once(&sandbox, &run).await;
}
