//! Faults between a real operator and a real API server: what is promised holds whatever goes wrong at
//! whatever request. `make chaos` prepares the cluster and runs all of it; docs/reliability.md says
//! what is promised, and how it is shown.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod case;
mod exchange;
mod faults;
mod journal;
mod matrix;
#[path = "../e2e/namespace.rs"]
#[allow(dead_code, clippy::panic, clippy::indexing_slicing, reason = "shared")]
mod namespace;
mod oracle;
mod process;
mod proxy;
mod recorder;
mod report;
mod request;
mod scenario;
mod stream;
mod world;

use faults::{ALL, Fault};
use report::MatrixReport;
use scenario::{FAST, SLOW, Scenario};
use world::World;

/// How many cases are played at one time: they wait more than they compute.
fn at_one_time() -> usize {
    let wanted = std::env::var("DVRE_CHAOS_JOBS").ok();
    wanted.and_then(|jobs| jobs.parse().ok()).unwrap_or(8)
}

/// The scenarios whose name contains what `DVRE_CHAOS_SCENARIO` says.
fn chosen<'a>(scenarios: impl IntoIterator<Item = &'a Scenario>) -> Vec<&'a Scenario> {
    let wanted = std::env::var("DVRE_CHAOS_SCENARIO").unwrap_or_default();
    let scenarios = scenarios.into_iter();
    scenarios
        .filter(|scenario| scenario.name.contains(&wanted))
        .collect()
}

fn check(report: &MatrixReport) {
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: hack/chaos fast"]
async fn fast_matrix() {
    let world = World::new().await;
    let faults = [
        Fault::CrashBefore,
        Fault::CrashAfter,
        Fault::Reply(409),
        Fault::Reply(422),
        Fault::LostReply,
        Fault::Reset,
    ];
    let report = matrix::run(&world, &chosen(FAST), &faults, at_one_time()).await;
    check(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make chaos"]
async fn full_matrix() {
    let world = World::new().await;
    let scenarios = chosen(FAST.iter().chain(SLOW));
    let report = matrix::run(&world, &scenarios, &ALL, at_one_time()).await;
    report::write("matrix", &report);
    check(&report);
}
