//! Many clients at one time: nothing is lost. The figures are printed, and not asserted.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use dvre_operator::api::DvreWorkflow;
use kube::api::ListParams;
use serde_json::json;

use crate::echo;
use crate::namespace::Namespace;
use crate::process::{Gateway, id};

/// How many clients ask at one time.
const CLIENTS: usize = 200;
/// How many workflows each of them submits.
const EACH: usize = 3;
/// How often each looks at every one of its workflows.
const LOOKS: usize = 5;

struct Figures(Vec<Duration>);

impl Figures {
    fn tell(mut self, what: &str, whole: Duration) {
        self.0.sort();
        let at = |share: usize| self.0[(self.0.len() - 1) * share / 100].as_millis();
        let rate =
            u32::try_from(self.0.len()).unwrap() / u32::try_from(whole.as_secs().max(1)).unwrap();
        eprintln!(
            "{what}: {} requests, about {rate} a second; {} ms median, {} ms at 95 %, {} ms at most",
            self.0.len(),
            at(50),
            at(95),
            at(100)
        );
    }
}

/// Submissions are refused by the operator, so that the load is the gateway's and not the kubelet's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn two_hundred_clients_lose_nothing() {
    let namespace = Namespace::new("load", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let mut body = echo("load");
    body["cwl_workflow"]["baseCommand"] = json!({ "no": "command" });
    let began = Instant::now();
    let results: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut ids, mut submitted, mut looked) = (Vec::new(), Vec::new(), Vec::new());
                    for _ in 0..EACH {
                        let since = Instant::now();
                        ids.push(id(&gateway.post("/streamflow/submit", &[], &body).good()));
                        submitted.push(since.elapsed());
                    }
                    for id in ids.iter().flat_map(|id| std::iter::repeat_n(id, LOOKS)) {
                        let since = Instant::now();
                        gateway.get(&format!("/streamflow/status/{id}"), &[]).good();
                        looked.push(since.elapsed());
                    }
                    (ids, submitted, looked)
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    let whole = began.elapsed();
    let (mut ids, mut submitted, mut looked) = (Vec::new(), Vec::new(), Vec::new());
    for (some, more, most) in results {
        ids.extend(some);
        submitted.extend(more);
        looked.extend(most);
    }
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), CLIENTS * EACH);
    let stored = namespace
        .api::<DvreWorkflow>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let stored: HashSet<_> = stored
        .items
        .into_iter()
        .filter_map(|run| run.metadata.name)
        .collect();
    assert!(
        ids.iter().all(|id| stored.contains(id)),
        "a submission was lost"
    );
    assert_eq!(stored.len(), ids.len(), "a submission was stored twice");
    let since = Instant::now();
    let listed = gateway.get("/streamflow/workflows", &[]).good();
    let listing = since.elapsed();
    assert_eq!(listed["total_workflows"], ids.len());
    for id in &ids {
        let record = gateway.over(id, &[]).await;
        assert_eq!(record["status"], "FAILED");
    }
    Figures(submitted).tell("submissions", whole);
    Figures(looked).tell("status", whole);
    eprintln!("a list of {}: {} ms", ids.len(), listing.as_millis());
}
