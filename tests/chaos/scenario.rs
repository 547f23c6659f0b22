//! The ways a run can go. Each drives its resources to an end in the words of a user, and knows nothing
//! of faults; documents are the cheapest that take that way.

use dvre_operator::api::{Phase, Reason};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::case::{Case, Outcome};

/// One way.
pub struct Scenario {
    pub name: &'static str,
    /// Arguments of the operator, in the place of those it is installed with.
    pub arguments: &'static [&'static str],
    pub drive: for<'a> fn(&'a Case) -> BoxFuture<'a, Outcome>,
}

/// Those that are over in moments: the fast part of the tests.
pub const FAST: &[Scenario] = &[
    Scenario {
        name: "success",
        arguments: &[],
        drive: |case| Box::pin(success(case)),
    },
    Scenario {
        name: "rejected spec",
        arguments: &[],
        drive: |case| Box::pin(rejected(case)),
    },
    Scenario {
        name: "quota refusal",
        arguments: &[],
        drive: |case| Box::pin(quota_refusal(case)),
    },
];

/// The others.
pub const SLOW: &[Scenario] = &[
    Scenario {
        name: "quota lifted",
        arguments: &[],
        drive: |case| Box::pin(quota_lifted(case)),
    },
    Scenario {
        name: "tool failure",
        arguments: &[],
        drive: |case| Box::pin(tool_failure(case)),
    },
    Scenario {
        name: "delete while running",
        arguments: &[],
        drive: |case| Box::pin(delete_while_running(case)),
    },
    Scenario {
        name: "applied twice",
        arguments: &[],
        drive: |case| Box::pin(applied_twice(case)),
    },
    Scenario {
        name: "step pods",
        arguments: &[],
        drive: |case| Box::pin(step_pods(case)),
    },
];

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

async fn success(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("true")).await?;
    case.over("run").await
}

async fn rejected(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = shell("true");
    spec["cwl"]["baseCommand"] = json!({ "not": "a command" });
    case.apply("run", &spec).await?;
    case.over("run").await
}

/// The resource is there before the operator.
async fn tool_failure(case: &Case) -> Outcome {
    case.apply("run", &shell("echo no such gene >&2; exit 7"))
        .await?;
    case.start().await;
    case.over("run").await
}

async fn delete_while_running(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    case.delete_all("run").await
}

async fn applied_twice(case: &Case) -> Outcome {
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
    run["spec"]["ttlSecondsAfterFinished"] = Value::Null;
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

async fn quota_refusal(case: &Case) -> Outcome {
    no_jobs(case).await?;
    case.start().await;
    case.apply("run", &shell("true")).await?;
    case.until("run", |_, reason| reason == Reason::QuotaExceeded)
        .await
}

async fn quota_lifted(case: &Case) -> Outcome {
    quota_refusal(case).await?;
    let quotas = case.namespace.api::<ResourceQuota>();
    let deleted = quotas.delete("no-jobs", &DeleteParams::default()).await;
    deleted.map_err(|error| error.to_string())?;
    case.over("run").await
}

/// A run with an account, a binding and a policy of its own, whose steps are pods.
async fn step_pods(case: &Case) -> Outcome {
    case.start().await;
    let mut spec = shell("true");
    spec["deployment"] = json!("kubernetes");
    case.apply("run", &spec).await?;
    case.over("run").await
}
