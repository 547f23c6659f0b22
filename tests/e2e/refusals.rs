//! Runs that are refused before any compute, and by which words.

use dvre_operator::api::Reason;

use crate::sandbox::Sandbox;
use crate::shell;
use crate::verdict::refused;

/// Submits a spec that must be refused for the reason and in the words given.
async fn refuses(purpose: &str, spec: &str, reason: Reason, parts: &[&str]) {
    let sandbox = Sandbox::new(purpose).await;
    let run = sandbox.run(purpose, spec).await;
    refused(&sandbox, &run, reason, parts).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_wrong_document_is_refused_with_the_place() {
    let spec = "
        cwl:
          cwlVersion: v1.2
          class: Workflow
          inputs: {data: File}
          outputs: {result: {type: File, outputSource: sort/outptu}}
          steps:
            sort:
              in: {data: data}
              out: [output]
              run: {class: CommandLineTool, baseCommand: sort, inputs: {data: File}, outputs: {output: stdout}}
    ";
    let parts = ["main.cwl#/outputs/result/outputSource", "outptu"];
    refuses("wrong-document", spec, Reason::InvalidWorkflow, &parts).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn an_unknown_requirement_is_refused() {
    let spec = "
        cwl:
          cwlVersion: v1.2
          class: CommandLineTool
          requirements: {MagicRequirement: {}}
          baseCommand: echo
          inputs: {}
          outputs: {}
    ";
    let parts = [
        "main.cwl#/requirements/MagicRequirement",
        "no engine here knows",
    ];
    refuses(
        "unknown-requirement",
        spec,
        Reason::UnsupportedRequirement,
        &parts,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_required_container_is_refused_where_none_can_run() {
    let spec = "
        cwl:
          cwlVersion: v1.2
          class: CommandLineTool
          requirements: {DockerRequirement: {dockerPull: 'docker.io/library/python:3'}}
          baseCommand: echo
          inputs: {}
          outputs: {}
        deployment: local
    ";
    let parts = ["main.cwl#/requirements/DockerRequirement", "hints"];
    refuses(
        "required-container",
        spec,
        Reason::UnsupportedRequirement,
        &parts,
    )
    .await;
}

/// A tool with one input, and an input object for it.
fn echo(type_: &str, inputs: &str) -> String {
    format!(
        "
        cwl:
          cwlVersion: v1.2
          class: CommandLineTool
          baseCommand: echo
          inputs: {{message: {{type: '{type_}', inputBinding: {{position: 1}}}}}}
          outputs: {{}}
        inputs: {inputs}
        "
    )
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_missing_input_is_refused() {
    let parts = ["inputs.message", "missing", "string"];
    refuses(
        "missing-input",
        &echo("string", "{}"),
        Reason::InvalidInputs,
        &parts,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn an_input_of_the_wrong_type_is_refused() {
    let spec = echo("int[]", "{message: [1, 2, three]}");
    let parts = ["inputs.message[2]", "expected int, found string"];
    refuses("wrong-type", &spec, Reason::InvalidInputs, &parts).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_document_beyond_the_limit_is_refused_with_the_limit() {
    let cwl = shell("true").replace(
        "inputs: {}",
        &format!("doc: '{}', inputs: {{}}", "x".repeat(1_000_001)),
    );
    let parts = ["the workflow's files take", "1000000", "volume"];
    refuses("too-large", &cwl, Reason::InvalidWorkflow, &parts).await;
}
