//! What stands in status of runs with many steps, large outputs or secrets in them.

use dvre_operator::api::conditions::STATUS_TRUNCATED;
use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use serde_json::json;

use crate::sandbox::Sandbox;
use crate::verdict::{failed, output, ran_once, succeeded};

/// A run whose only output is a text of that many letters, after a flood of lines in the log.
fn letters(count: usize) -> String {
    let spec = json!({
        "cwl": {
            "cwlVersion": "v1.2",
            "class": "CommandLineTool",
            "requirements": { "InlineJavascriptRequirement": {} },
            "baseCommand": ["sh", "-c", "seq 20000 >&2"],
            "inputs": { "count": "int" },
            "outputs": { "letters": {
                "type": "string",
                "outputBinding": { "outputEval": "${ return new Array(inputs.count + 1).join('x'); }" },
            } },
        },
        "inputs": { "count": count },
    });
    spec.to_string()
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn outputs_beyond_a_termination_message_are_whole() {
    let sandbox = Sandbox::new("medium").await;
    let run = sandbox.run("medium", &letters(30_000)).await;
    assert_eq!(
        output(succeeded(&run), "letters"),
        &json!("x".repeat(30_000))
    );
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn outputs_beyond_a_status_are_left_out_and_it_says_so() {
    let sandbox = Sandbox::new("large").await;
    let run = sandbox.run("large", &letters(200_000)).await;
    let status = run.status.clone().unwrap_or_default();
    assert_eq!(status.phase, Some(Phase::Succeeded));
    assert_eq!(status.outputs, None);
    assert!(serde_json::to_string(&status).unwrap().len() <= 64 * 1024);
    let truncated = status
        .conditions
        .iter()
        .find(|c| c.type_ == STATUS_TRUNCATED)
        .unwrap();
    assert_eq!(truncated.status, "True");
    let pod = sandbox.pod("large", "the runner's pod", |_| true).await;
    assert!(
        truncated.message.contains(&pod.metadata.name.unwrap()),
        "{}",
        truncated.message
    );
    // What it says is true.
    let log = sandbox.log("large").await;
    assert!(
        log.lines()
            .last()
            .unwrap_or_default()
            .contains(&"x".repeat(200_000))
    );
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn beyond_a_hundred_steps_are_summed_up() {
    let sandbox = Sandbox::new("steps").await;
    let tool =
        json!({ "class": "CommandLineTool", "baseCommand": "true", "inputs": {}, "outputs": {} });
    let steps: serde_json::Map<_, _> = (0..130)
        .map(|n| (format!("s{n}"), json!({ "run": tool, "in": {}, "out": [] })))
        .collect();
    let cwl = json!({ "cwlVersion": "v1.2", "class": "Workflow", "inputs": {}, "outputs": {}, "steps": steps });
    let run = sandbox
        .run("steps", &json!({ "cwl": cwl }).to_string())
        .await;
    let status = run.status.clone().unwrap_or_default();
    assert_eq!(
        (status.phase, status.progress.as_deref()),
        (Some(Phase::Succeeded), Some("130/130"))
    );
    assert_eq!(status.steps.len(), 101);
    let rest = status.steps.last().unwrap();
    assert_eq!(
        (rest.name.as_str(), rest.completed, rest.total),
        ("...", 30, 30),
        "{rest:?}"
    );
}

/// A run of a script that gets a Secret's value in its environment.
async fn with_secret(sandbox: &Sandbox, name: &str, script: &str) -> DvreWorkflow {
    sandbox
        .apply(
            "{apiVersion: v1, kind: Secret, metadata: {name: token}, \
             stringData: {inputs.yaml: 'token: open-sesame-4711'}}",
        )
        .await;
    let spec = json!({
        "cwl": {
            "cwlVersion": "v1.2",
            "class": "CommandLineTool",
            "requirements": { "EnvVarRequirement": { "envDef": { "TOKEN": "$(inputs.token)" } } },
            "baseCommand": ["sh", "-c", script],
            "inputs": { "token": "string" },
            "outputs": { "said": "stdout" },
            "stdout": "said.txt",
        },
        "inputsFrom": [{ "secretKeyRef": { "name": "token", "key": "inputs.yaml" } }],
    });
    sandbox.run(name, &spec.to_string()).await
}

async fn assert_not_told(sandbox: &Sandbox, name: &str) {
    for public in [sandbox.everything().await, sandbox.log(name).await] {
        assert!(
            !public.contains("open-sesame-4711"),
            "the Secret's value is in: {public}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_tool_that_fails_does_not_tell_a_secret() {
    let sandbox = Sandbox::new("secret-error").await;
    let script = "echo \"cannot log in with $TOKEN at the door\" >&2; exit 3";
    let run = with_secret(&sandbox, "secret-error", script).await;
    failed(&run, Reason::StepFailed, &["exit code 3"]);
    assert_not_told(&sandbox, "secret-error").await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_small_output_file_does_not_tell_a_secret() {
    let sandbox = Sandbox::new("secret-output").await;
    let run = with_secret(&sandbox, "secret-output", "echo \"hello $TOKEN\"").await;
    let said = output(succeeded(&run), "said");
    assert_eq!(
        (&said["basename"], &said["size"]),
        (&json!("said.txt"), &json!(23))
    );
    assert_not_told(&sandbox, "secret-output").await;
}
