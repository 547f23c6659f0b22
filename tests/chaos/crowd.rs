//! Many runs at one time: with two operators that know nothing of each other, and with an API server
//! that cannot be reached in the middle.

use std::time::{Duration, Instant};

use dvre_operator::api::{DvreWorkflow, Phase};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::oracle;
use crate::proxy::Proxy;
use crate::recorder::Seen;
use crate::report::TestReport;
use crate::world::World;

/// Longest time that a crowd may take: far more than it does.
const LIMIT: Duration = Duration::from_mins(10);
/// How many requests the tests make at one time.
const REQUESTS: usize = 8;

/// A namespace full of runs, and the operators that work on them.
pub struct Crowd {
    pub namespace: Namespace,
    pub operators: Vec<Proxy>,
    pub began: Instant,
}

impl Crowd {
    /// Starts so many operators in a namespace of their own.
    pub async fn new(world: &World, operators: usize) -> Self {
        let namespace = world.namespace().await;
        let mut proxies = Vec::new();
        for _ in 0..operators {
            let upstream = world.upstream.clone();
            let proxy = Proxy::new(upstream, &namespace.name, &world.arguments, None).await;
            proxy.process().start();
            proxies.push(proxy);
        }
        Self {
            namespace,
            operators: proxies,
            began: Instant::now(),
        }
    }

    /// Creates so many runs.
    pub async fn submit(&self, count: usize, spec: &Value) {
        let created = stream::iter(0..count)
            .map(Ok)
            .try_for_each_concurrent(REQUESTS, |index| self.create(index, spec));
        created.await.expect("runs must be created");
    }

    async fn create(&self, index: usize, spec: &Value) -> kube::Result<()> {
        let run = json!({
            "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
            "metadata": { "name": format!("run-{index}") }, "spec": spec,
        });
        self.namespace.try_apply(&run).await.map(drop)
    }

    /// Waits until so many runs are over.
    pub async fn over(&self, world: &World, count: usize) {
        let enough = world
            .recorder
            .until(&self.namespace.name, |seen| seen.over() >= count);
        let waited = tokio::time::timeout(LIMIT, enough).await;
        assert!(waited.is_ok(), "{count} runs are not over after {LIMIT:?}");
    }

    /// Checks that each run succeeded with one Job and one pod, and that nothing is left of them.
    pub async fn check(&self, world: &World, what: &str, count: usize) -> TestReport {
        let seconds = self.began.elapsed().as_secs();
        let mut broken = Vec::new();
        for operator in &self.operators {
            if operator.process().log().contains("panicked at") {
                broken.push(format!(
                    "an operator panicked\n{}",
                    operator.process().log()
                ));
            }
        }
        let runs = self.namespace.api::<DvreWorkflow>();
        let all = ListParams::default();
        let deleted = runs.delete_collection(&DeleteParams::default(), &all).await;
        deleted.expect("runs must be deleted");
        let seen = tokio::time::timeout(LIMIT, world.recorder.take(&self.namespace.name)).await;
        let seen = seen.expect("nothing must be left of runs that were deleted");
        broken.extend(oracle::broken(&seen));
        broken.extend(seen.relapses.clone());
        broken.extend(exactly(&seen, count));
        TestReport {
            what: what.to_owned(),
            runs: count,
            seconds,
            failures: broken,
        }
    }
}

/// What differs from so many runs that succeeded with one Job and one pod each.
fn exactly(seen: &Seen, count: usize) -> Vec<String> {
    let succeeded = seen.count(Phase::Succeeded);
    let found = [
        ("runs that succeeded", succeeded),
        ("Jobs", seen.jobs.len()),
        ("Jobs with a pod", seen.pods.len()),
    ];
    let wrong = found.into_iter().filter(|(_, found)| *found != count);
    wrong
        .map(|(what, found)| format!("{what}: {found} instead of {count}"))
        .collect()
}
