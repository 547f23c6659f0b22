//! Runs that start and fail: status says which step, how and why.

use dvre_operator::api::{DvreWorkflow, Reason};

use crate::sandbox::Sandbox;
use crate::shell;
use crate::verdict::{failed, steps, told_once};

async fn run(sandbox: &Sandbox, name: &str, spec: &str) -> DvreWorkflow {
    let run = sandbox.run(name, spec).await;
    let status = run.status.clone().unwrap_or_default();
    let reason = status.reason.map(Reason::as_str).unwrap_or_default();
    assert_eq!(status.job_name, Some(format!("{name}-1")));
    told_once(sandbox, &run, &["RunnerJobCreated", reason]).await;
    run
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_tool_that_fails_is_quoted() {
    let sandbox = Sandbox::new("tool-fails").await;
    let script =
        "for i in $(seq 2000); do echo line $i >&2; done; echo 'the last word' >&2; exit 7";
    let run = run(&sandbox, "tool-fails", &shell(script)).await;
    let status = failed(
        &run,
        Reason::StepFailed,
        &["exit code 7", "line 2000", "the last word"],
    );
    assert_eq!(steps(status), [("/", "Failed", 0, 1)]);
    assert_eq!(status.steps[0].exit_code, Some(7));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_command_that_does_not_exist_is_named() {
    let sandbox = Sandbox::new("no-command").await;
    let spec = "
        cwl: {cwlVersion: v1.2, class: CommandLineTool, baseCommand: frobnicate, inputs: {}, outputs: {}}
    ";
    let run = run(&sandbox, "no-command", spec).await;
    let status = failed(&run, Reason::StepFailed, &["exit code 127", "frobnicate"]);
    assert_eq!(status.steps[0].exit_code, Some(127));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn an_input_file_that_does_not_exist_is_named() {
    let sandbox = Sandbox::new("no-file").await;
    let spec = "
        cwl:
          cwlVersion: v1.2
          class: CommandLineTool
          baseCommand: cat
          inputs: {data: {type: File, inputBinding: {position: 1}}}
          outputs: {}
        inputs: {data: {class: File, path: /data/refs/nope.txt}}
        volumes: [{name: refs, configMap: {name: refs}}]
    ";
    sandbox
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: refs}, data: {here.txt: ''}}")
        .await;
    let run = run(&sandbox, "no-file", spec).await;
    failed(
        &run,
        Reason::InvalidInputs,
        &["inputs.data", "/data/refs/nope.txt"],
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn an_output_that_was_not_made_is_named() {
    let sandbox = Sandbox::new("no-output").await;
    let spec = shell("true").replace(
        "outputs: {}",
        "outputs: {table: {type: File, outputBinding: {glob: table.csv}}}",
    );
    let run = run(&sandbox, "no-output", &spec).await;
    failed(&run, Reason::StepFailed, &["/", "table"]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_tool_that_takes_too_much_memory_is_told_apart() {
    let sandbox = Sandbox::new("out-of-memory").await;
    // It keeps the last line, and there is never an end of it.
    let spec = shell("tail /dev/zero").replace(
        "requests: {cpu: 20m, memory: 64Mi}",
        "requests: {cpu: 20m, memory: 64Mi}, limits: {memory: 256Mi}",
    );
    let run = run(&sandbox, "out-of-memory", &spec).await;
    failed(
        &run,
        Reason::OutOfMemory,
        &["memory", "spec.runner.resources.limits.memory"],
    );
}
