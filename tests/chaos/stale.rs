//! Views that are old or have holes: the operator looks away while the world changes.

use std::time::Instant;

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use futures::{StreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::case::{self, Case, Outcome, WATCHES};
use crate::journal::Entry;
use crate::report::TestReport;
use crate::scenario::Scenario;
use crate::ways::shell;
use crate::world::World;

const RESOURCES: &str = "watch dvreworkflows active";
const JOBS: &str = "watch jobs";
const PODS: &str = "watch pods";
/// A finalizer that nobody removes but the test.
const KEEP: &str = "dvre.io/chaos";

/// A scenario, and how many Jobs and pods must come of it.
struct Stale {
    scenario: Scenario,
    counts: &'static [&'static str],
}

/// All of them.
const STALE: &[Stale] = &[
    Stale {
        scenario: Scenario {
            name: "the same name again, seen late",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(again(case, &[RESOURCES], true)),
        },
        counts: TWICE,
    },
    Stale {
        scenario: Scenario {
            name: "the same name again, old one never seen to go",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(again(case, &[RESOURCES], false)),
        },
        counts: TWICE,
    },
    Stale {
        scenario: Scenario {
            name: "the same name again, nothing seen",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(again(case, &WATCHES, false)),
        },
        counts: TWICE,
    },
    Stale {
        scenario: Scenario {
            name: "the same name again, children seen late",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(again(case, &[JOBS, PODS], true)),
        },
        counts: TWICE,
    },
    Stale {
        scenario: Scenario {
            name: "the same name again, operator down",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(again_while_down(case)),
        },
        counts: TWICE,
    },
    Stale {
        scenario: Scenario {
            name: "the old Job of the same name will not go",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(old_job_stays(case)),
        },
        counts: TWICE,
    },
    Stale {
        scenario: Scenario {
            name: "an orphaned Job of the same name",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(orphaned_job(case)),
        },
        counts: ONCE,
    },
    Stale {
        scenario: Scenario {
            name: "pods seen late",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(unobserved(case, &[PODS], true)),
        },
        counts: ONCE,
    },
    Stale {
        scenario: Scenario {
            name: "pods never seen to run",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(unobserved(case, &[PODS], false)),
        },
        counts: ONCE,
    },
    Stale {
        scenario: Scenario {
            name: "Jobs seen late",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(unobserved(case, &[JOBS], true)),
        },
        counts: ONCE,
    },
    Stale {
        scenario: Scenario {
            name: "Jobs and pods never seen to run",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(unobserved(case, &[JOBS, PODS], false)),
        },
        counts: ONCE,
    },
    Stale {
        scenario: Scenario {
            name: "own writes never seen",
            arguments: &[],
            free: &[],
            drive: |case| Box::pin(unobserved(case, &[RESOURCES], false)),
        },
        counts: ONCE,
    },
];

const ONCE: &[&str] = &["run-1: 1 Job, 1 pod"];
const TWICE: &[&str] = &["run-1: 1 Job, 1 pod", "run-1: 1 Job, 1 pod"];

/// Plays all of them, so many at one time.
pub async fn run(world: &World, at_one_time: usize) -> TestReport {
    let began = Instant::now();
    let failures: Vec<Vec<String>> = stream::iter(STALE)
        .map(|stale| judge(world, stale))
        .buffer_unordered(at_one_time)
        .collect()
        .await;
    TestReport {
        what: "old views, and views with holes".to_owned(),
        runs: STALE.len(),
        seconds: began.elapsed().as_secs(),
        failures: failures.concat(),
    }
}

async fn judge(world: &World, stale: &Stale) -> Vec<String> {
    let name = stale.scenario.name;
    let found = match case::play(world, &stale.scenario, None, |_| true).await {
        Ok(played) => {
            let mut found = played.broken;
            if played.counts != stale.counts {
                found.push(format!("{:?} instead of {:?}", played.counts, stale.counts));
            }
            if !found.is_empty() {
                eprintln!("FAILED: {name}\n{}\n{}", found.join("\n"), played.story);
            }
            found
        }
        Err(why) => {
            eprintln!("FAILED: {name}\n{why}");
            why.lines().next().map(str::to_owned).into_iter().collect()
        }
    };
    let line = |found| format!("{name}: {found}");
    found.into_iter().map(line).collect()
}

/// Lets watches go on: with what they missed, or only with what there is now.
fn go_on(case: &Case, watches: &[&str], late: bool) {
    for watch in watches {
        if late {
            case.gates().release(watch);
        } else {
            case.gates().skip(watch);
        }
    }
}

fn hold(case: &Case, watches: &[&str]) {
    for watch in watches {
        case.gates().hold(watch);
    }
}

/// A running resource is deleted and created anew under its name while these watches are held.
async fn again(case: &Case, watches: &[&str], late: bool) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    hold(case, watches);
    case.delete("run").await?;
    case.apply("run", &shell("true")).await?;
    case.no_job("run-1").await?;
    go_on(case, watches, late);
    case.succeeded("run").await
}

async fn again_while_down(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    case.process().kill();
    case.delete("run").await?;
    case.apply("run", &shell("true")).await?;
    case.process().start();
    case.succeeded("run").await
}

/// The Job of the old resource is marked as deleted, and there for a long time.
async fn old_job_stays(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    case.finalizers(&json!([KEEP])).await?;
    case.delete("run").await?;
    case.apply("run", &shell("true")).await?;
    case.asked("create jobs run-1 #3").await;
    case.finalizers(&json!([])).await?;
    case.succeeded("run").await
}

/// A Job of the name belongs to nobody: it is not ours to use, nor to remove.
async fn orphaned_job(case: &Case) -> Outcome {
    case.start().await;
    case.apply("run", &shell("sleep 3600")).await?;
    case.running("run").await?;
    let jobs = case.namespace.api::<Job>();
    let old = jobs.get("run-1").await.map_err(|error| error.to_string())?;
    let runs = case.namespace.api::<DvreWorkflow>();
    let orphan = DeleteParams::orphan();
    let deleted = runs.delete("run", &orphan).await;
    deleted.map_err(|error| error.to_string())?;
    case.wait("run", |run: Option<&DvreWorkflow>| run.is_none())
        .await?;
    case.apply("run", &shell("true")).await?;
    case.until("run", |_, reason| reason == Reason::NameConflict)
        .await?;
    let found = jobs.get("run-1").await.map_err(|error| error.to_string())?;
    if found.uid() != old.uid() || found.metadata.deletion_timestamp.is_some() {
        return Err("the Job of somebody else was touched".to_owned());
    }
    case.orphans().await
}

/// A run goes its way while these watches are held.
async fn unobserved(case: &Case, watches: &[&str], late: bool) -> Outcome {
    case.start().await;
    if watches.contains(&RESOURCES) {
        case.apply("run", &shell("true")).await?;
        case.asked("create jobs run-1 #1").await;
        hold(case, watches);
    } else {
        hold(case, watches);
        case.apply("run", &shell("true")).await?;
    }
    case.job_over("run-1").await?;
    go_on(case, watches, late);
    case.succeeded("run").await
}

impl Case {
    /// Waits until the operator has asked for something.
    async fn asked(&self, request: &str) {
        let asked = |entry: &Entry| entry.at.to_string() == request;
        self.journal()
            .until(|entries| entries.iter().any(asked))
            .await;
    }

    async fn succeeded(&self, name: &str) -> Outcome {
        self.until(name, |phase, _| phase == Phase::Succeeded).await
    }

    /// Waits until a Job is gone.
    async fn no_job(&self, name: &str) -> Outcome {
        let gone = |job: Option<&Job>| {
            // Or one that came after it.
            job.is_none_or(|job| job.metadata.deletion_timestamp.is_none())
        };
        self.wait(name, gone).await.map(drop)
    }

    /// Waits until a Job is over.
    async fn job_over(&self, name: &str) -> Outcome {
        let over = |job: Option<&Job>| {
            let status = job.and_then(|job| job.status.as_ref());
            status.is_some_and(|status| status.completion_time.is_some())
        };
        self.wait(name, over).await.map(drop)
    }

    async fn finalizers(&self, finalizers: &serde_json::Value) -> Outcome {
        let patch = json!({ "metadata": { "finalizers": finalizers } });
        let jobs = self.namespace.api::<Job>();
        let patched = jobs
            .patch("run-1", &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.map(drop).map_err(|error| error.to_string())
    }

    /// Removes Jobs, pods and ConfigMaps that belong to nobody.
    async fn orphans(&self) -> Outcome {
        let (all, now) = (ListParams::default(), DeleteParams::background());
        let jobs = self.namespace.api::<Job>();
        let deleted = jobs.delete_collection(&now, &all).await;
        deleted.map_err(|error| error.to_string())?;
        let pods = self.namespace.api::<Pod>();
        let deleted = pods.delete_collection(&now, &all).await;
        deleted.map_err(|error| error.to_string())?;
        let ours = all.labels("app.kubernetes.io/managed-by=dvre-operator");
        let maps = self
            .namespace
            .api::<k8s_openapi::api::core::v1::ConfigMap>();
        let deleted = maps.delete_collection(&now, &ours).await;
        deleted.map(drop).map_err(|error| error.to_string())
    }
}
