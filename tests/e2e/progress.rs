//! Live progress: what status tells while a run goes on.

use dvre_operator::api::status::MAX_STATUS_BYTES;
use dvre_operator::api::{DvreWorkflow, DvreWorkflowStatus, Phase, StepStatus};
use futures::TryStreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::OPERATOR;
use crate::namespace::in_time;
use crate::sandbox::Sandbox;
use crate::verdict::{succeeded, succeeded_with};

/// A scatter of `jobs` shell scripts, one after the other, and a step after it.
fn scatter(jobs: usize, script: &str) -> serde_json::Value {
    let tool = |script: &str| {
        json!({"class": "CommandLineTool", "baseCommand": ["sh", "-c", script], "inputs": {"n": "Any"},
            "outputs": {"done": {"type": "stdout"}}})
    };
    json!({
        "cwl": {
            "cwlVersion": "v1.2", "class": "Workflow",
            "requirements": {"ScatterFeatureRequirement": {}},
            "inputs": {"all": "int[]"}, "outputs": {},
            "steps": {
                "each": {"run": tool(script), "scatter": "n", "in": {"n": "all"}, "out": ["done"]},
                "last": {"run": tool("true"), "in": {"n": "each/done"}, "out": []},
            },
        },
        "inputs": {"all": (1..=jobs).collect::<Vec<_>>()},
        "runner": {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}},
    })
}

/// Each status that a run has until its end, as a watch shows them.
async fn statuses(sandbox: &Sandbox, name: &str) -> Vec<DvreWorkflowStatus> {
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut seen: Vec<DvreWorkflowStatus> = Vec::new();
    let watch = watcher(sandbox.api::<DvreWorkflow>(), only)
        .default_backoff()
        .applied_objects();
    let until_end = watch.try_take_while(|run| {
        let status = run.status.clone().unwrap_or_default();
        let is_final = status.phase.is_some_and(Phase::is_final);
        seen.push(status);
        std::future::ready(Ok(!is_final))
    });
    in_time(
        &format!("{name} is over"),
        until_end.try_for_each(|_| std::future::ready(Ok(()))),
    )
    .await
    .expect("the watch must go on");
    seen
}

/// The first and second number of `7/12`.
fn fraction(status: &DvreWorkflowStatus) -> Option<(u64, u64)> {
    let (completed, total) = status.progress.as_deref()?.split_once('/')?;
    Some((completed.parse().ok()?, total.parse().ok()?))
}

fn step<'a>(status: &'a DvreWorkflowStatus, name: &str) -> Option<&'a StepStatus> {
    status.steps.iter().find(|step| step.name == name)
}

fn running(statuses: &[DvreWorkflowStatus]) -> Vec<&DvreWorkflowStatus> {
    let is_running = |status: &&DvreWorkflowStatus| status.phase == Some(Phase::Running);
    statuses.iter().filter(is_running).collect()
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_scatter_is_followed_while_it_runs() {
    let _there = OPERATOR.read().await;
    let sandbox = Sandbox::new("progress").await;
    sandbox.submit_spec("progress", scatter(6, "sleep 3")).await;
    let seen = statuses(&sandbox, "progress").await;
    let run = sandbox.finished("progress").await;
    let last = succeeded(&run);
    assert_eq!(last.progress.as_deref(), Some("7/7"));

    let running = running(&seen);
    let told: Vec<_> = running
        .iter()
        .filter_map(|status| fraction(status))
        .collect();
    assert!(told.is_sorted(), "progress only grows: {told:?}");
    assert!(
        told.iter()
            .any(|&(completed, _)| (1..6).contains(&completed)),
        "{told:?}"
    );
    let counts = running.iter().filter_map(|status| step(status, "/each"));
    let counts: Vec<_> = counts
        .map(|step| (step.phase.as_str(), step.completed))
        .collect();
    assert!(
        counts
            .iter()
            .any(|&(phase, completed)| phase == "Running" && (1..6).contains(&completed)),
        "{counts:?}"
    );
    assert!(
        running.iter().any(|status| status
            .message
            .as_deref()
            .is_some_and(|text| text.contains("step /each runs"))),
        "{running:?}"
    );
    assert!(
        running
            .iter()
            .all(|status| status.execution_engine.as_deref() == Some("streamflow"))
    );
    // One write for Running, one at once for the first progress, and then one in two seconds.
    let (Some(start), Some(end)) = (&last.start_time, &last.completion_time) else {
        panic!("times are missing: {last:?}");
    };
    let lasted = u64::try_from(end.0.duration_since(start.0).as_secs()).unwrap_or_default();
    let most = usize::try_from(lasted / 2).unwrap_or_default() + 2;
    println!(
        "{} writes while it ran for {lasted} s: {told:?}",
        running.len()
    );
    assert!(
        running.len() <= most,
        "{} writes in {lasted} s",
        running.len()
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_chatty_workflow_is_followed_and_cannot_forge_progress() {
    let _there = OPERATOR.read().await;
    let sandbox = Sandbox::new("chatty").await;
    let forged =
        r#"@dvre {"completed":666,"total":666,"stepCount":1,"steps":[{"name":"/forged"}]}"#;
    let script = format!(
        "for i in 1 2 3; do seq 100000 >&2; printf '%s\\n' '{forged}' >&2; head -c 300000 /dev/zero >&2; echo >&2; sleep 1; done"
    );
    // This engine passes on what a tool prints while it runs.
    let mut spec = scatter(4, &script);
    spec["engine"] = json!("Cwltool");
    sandbox.submit_spec("chatty", spec).await;
    let seen = statuses(&sandbox, "chatty").await;
    let run = sandbox.finished("chatty").await;
    let last = succeeded_with(&run, "cwltool");
    assert_eq!(last.progress.as_deref(), Some("5/5"));
    let running = running(&seen);
    let told: Vec<_> = running
        .iter()
        .filter_map(|status| fraction(status))
        .collect();
    assert!(
        told.iter()
            .any(|&(completed, _)| (1..5).contains(&completed)),
        "{told:?}"
    );
    assert!(told.iter().all(|&(_, total)| total <= 5), "{told:?}");
    assert!(seen.iter().all(|status| step(status, "/forged").is_none()));
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_thousand_steps_keep_status_small() {
    let _there = OPERATOR.read().await;
    let sandbox = Sandbox::new("thousand").await;
    // Each step waits for the first, which lasts long enough to be seen, and is then skipped.
    let tool = json!({"class": "CommandLineTool", "baseCommand": ["sleep", "8"], "inputs": {},
        "outputs": {"done": {"type": "stdout"}}});
    let mut steps = serde_json::Map::new();
    steps.insert(
        "first".to_owned(),
        json!({"run": tool, "in": {}, "out": ["done"]}),
    );
    let skipped = json!({"class": "ExpressionTool", "inputs": {"n": "Any"}, "outputs": {}, "expression": "${return {};}"});
    for number in 1..1000 {
        let name = format!("step-{number:0>400}");
        let step =
            json!({"run": skipped, "in": {"n": "first/done"}, "out": [], "when": "$(false)"});
        steps.insert(name, step);
    }
    let spec = json!({
        "cwl": {"cwlVersion": "v1.2", "class": "Workflow", "requirements": {"InlineJavascriptRequirement": {}},
            "inputs": {}, "outputs": {}, "steps": steps},
        "engine": "Cwltool",
        "runner": {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}},
    });
    sandbox.submit_spec("thousand", spec).await;
    let seen = statuses(&sandbox, "thousand").await;
    let sizes = seen
        .iter()
        .map(|status| serde_json::to_string(status).unwrap().len());
    let largest = sizes.max().unwrap_or_default();
    println!("the largest status has {largest} bytes");
    assert!(largest <= MAX_STATUS_BYTES, "{largest}");
    let told = running(&seen);
    assert!(
        told.iter()
            .any(|status| status.steps.iter().any(|step| step.name == "...")),
        "steps are told while it runs, and summed up"
    );
}
