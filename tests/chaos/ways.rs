//! How each scenario is driven, and the cheapest documents that go that way.

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, Outcome};

/// The spec of a run of one shell script. It requests little, so that many fit on a node.
pub fn shell(script: &str) -> Value {
    json!({
        "cwl": {
            "cwlVersion": "v1.2", "class": "CommandLineTool",
            "baseCommand": ["sh", "-c", script], "inputs": {}, "outputs": {},
        },
        "runner": { "resources": { "requests": { "cpu": "20m", "memory": "64Mi" } } },
    })
}

/// The spec of a run that ends in the runner, before any engine starts: its input does not exist.
pub fn missing_input() -> Value {
    let mut spec = shell("true");
    spec["cwl"]["inputs"] = json!({ "file": { "type": "File" } });
    spec["inputs"] = json!({ "file": { "class": "File", "location": "missing.txt" } });
    spec
}

/// The spec of a run that the operator refuses.
pub fn no_command() -> Value {
    let mut spec = shell("true");
    spec["cwl"]["baseCommand"] = json!({ "not": "a command" });
    spec
}

pub async fn success(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("true")).await?;
    case.over("run").await
}

/// It takes so long that its progress is followed.
pub async fn followed(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 8")).await?;
    case.over("run").await
}

pub async fn rejected(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &no_command()).await?;
    case.over("run").await
}

/// The resource is there before the operator.
pub async fn tool_failure(case: &Case) -> Outcome {
    case.apply("run", &shell("echo no such gene >&2; exit 7"))
        .await?;
    case.start().await;
    case.over("run").await
}

pub async fn delete_while_running(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    case.delete_all("run").await
}

pub async fn applied_twice(case: &Case) -> Outcome {
    case.start().await;
    let mut run = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": { "name": "run" }, "spec": shell("true"),
    });
    case.create(&run).await?;
    case.create(&run).await?;
    case.until("run", |phase, _| {
        phase == Phase::Running || phase.is_final()
    })
    .await?;
    run["metadata"]["labels"] = json!({ "applied": "again" });
    case.create(&run).await?;
    case.over("run").await?;
    // A mutable field, so that there is another generation to be observed.
    run["spec"]["suspend"] = json!(false);
    case.create(&run).await
}

/// A quota that allows no Job.
async fn no_jobs(case: &Case) -> Outcome {
    case.create(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "no-jobs" },
        "spec": { "hard": { "count/jobs.batch": "0" } },
    }))
    .await?;
    let enforced = |quota: Option<&ResourceQuota>| {
        let status = quota.and_then(|quota| quota.status.as_ref());
        status.is_some_and(|status| status.used.is_some())
    };
    case.wait("no-jobs", enforced).await.map(drop)
}

pub async fn quota_refusal(case: &Case) -> Outcome {
    no_jobs(case).await?;
    case.start().await;
    case.apply("run", &shell("true")).await?;
    case.until("run", |_, reason| reason == Reason::QuotaExceeded)
        .await
}

pub async fn quota_lifted(case: &Case) -> Outcome {
    quota_refusal(case).await?;
    let quotas = case.namespace.api::<ResourceQuota>();
    let deleted = quotas.delete("no-jobs", &DeleteParams::default()).await;
    deleted.map_err(|error| error.to_string())?;
    case.over("run").await
}

/// A run with an account, a binding and a policy of its own, whose steps are pods.
pub async fn step_pods(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = shell("true");
    spec["deployment"] = json!("kubernetes");
    case.apply("run", &spec).await?;
    case.over("run").await
}

/// The spec of a run that may leave containers on a Docker daemon elsewhere, and so has a finalizer. Nobody
/// is at that address: the run fails, and no clean-up is of use.
fn elsewhere(script: &str) -> Value {
    let mut spec = shell(script);
    spec["deployments"] = json!([{ "name": "away", "docker": { "host": "tcp://127.0.0.1:9" } }]);
    spec["deployment"] = json!("away");
    spec
}

pub async fn clean_up_at_the_end(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &elsewhere("true")).await?;
    case.over("run").await
}

/// No node is as the runner wants it, so that it never gets to clean up by itself.
pub async fn clean_up_at_the_deletion(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = elsewhere("true");
    spec["runner"]["nodeSelector"] = json!({ "dvre.io/chaos": "nowhere" });
    case.apply("run", &spec).await?;
    let active = |job: Option<&Job>| {
        let status = job.and_then(|job| job.status.as_ref());
        status.is_some_and(|status| status.active == Some(1))
    };
    // Where its Job is refused, the run is over.
    tokio::select! {
        active = case.wait("run-1", active) => active.map(drop),
        over = case.over("run") => over,
    }?;
    case.delete_all("run").await
}

/// Sets a mutable field of a run's spec.
async fn set(case: &Case, field: &str, value: bool) -> Outcome {
    let patch = Patch::Merge(json!({ "spec": { field: value } }));
    let runs = case.namespace.api::<DvreWorkflow>();
    let patched = runs.patch("run", &PatchParams::default(), &patch).await;
    patched.map(drop).map_err(|error| error.to_string())
}

async fn cancelled(case: &Case) -> Outcome {
    set(case, "cancel", true).await?;
    case.until("run", |phase, _| phase == Phase::Cancelled)
        .await
}

async fn suspended(case: &Case) -> Outcome {
    case.until("run", |phase, _| phase == Phase::Suspended)
        .await
}

pub async fn cancel(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    cancelled(case).await
}

async fn held(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = shell("true");
    spec["suspend"] = json!(true);
    case.apply("run", &spec).await?;
    suspended(case).await
}

pub async fn cancel_before_start(case: &Case) -> Outcome {
    held(case).await?;
    cancelled(case).await
}

pub async fn suspended_at_first(case: &Case) -> Outcome {
    held(case).await?;
    set(case, "suspend", false).await?;
    case.over("run").await
}

/// The second attempt is cancelled, as it would take as long as the first.
pub async fn suspend_and_resume(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    set(case, "suspend", true).await?;
    suspended(case).await?;
    set(case, "suspend", false).await?;
    case.running("run").await?;
    cancelled(case).await
}

pub async fn deadline(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = shell("sleep 3600");
    spec["activeDeadlineSeconds"] = json!(3);
    case.apply("run", &spec).await?;
    case.over("run").await
}

/// No node is as the runner wants it.
pub async fn start_deadline(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = shell("true");
    spec["startDeadlineSeconds"] = json!(6);
    spec["runner"]["nodeSelector"] = json!({ "dvre.io/chaos": "nowhere" });
    case.apply("run", &spec).await?;
    case.over("run").await
}

/// With cwltool, which tries no step again by itself.
pub async fn retry_of_a_failure(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = shell("exit 7");
    spec["engine"] = json!("Cwltool");
    spec["retry"] = json!({ "policy": "OnAnyFailure", "limit": 1 });
    case.apply("run", &spec).await?;
    case.over("run").await
}

/// The runner's pod disappears at once. The second attempt is cancelled, as it would take long.
pub async fn retry_of_a_lost_runner(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    let (now, first) = (
        DeleteParams::default().grace_period(0),
        "batch.kubernetes.io/job-name=run-1",
    );
    let pods = case.namespace.api::<Pod>();
    let deleted = pods
        .delete_collection(&now, &ListParams::default().labels(first))
        .await;
    deleted.map_err(|error| error.to_string())?;
    case.until_status("run", |status| {
        status.attempt == Some(2) && status.phase == Some(Phase::Running)
    })
    .await?;
    cancelled(case).await
}

/// What is left of the run is removed, and the resource stays.
pub async fn ttl(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = missing_input();
    spec["ttlSecondsAfterFinished"] = json!(1);
    case.apply("run", &spec).await?;
    case.over("run").await?;
    case.wait("run-1", |job: Option<&Job>| job.is_none())
        .await
        .map(drop)
}
