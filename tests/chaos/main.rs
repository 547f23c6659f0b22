//! Faults between a real operator and a real API server: what is promised holds whatever goes wrong at
//! whatever request. `make chaos` prepares the cluster and runs all of it; docs/reliability.md says
//! what is promised, and how it is shown.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod case;
mod crowd;
mod exchange;
mod faults;
mod journal;
mod matrix;
#[path = "../e2e/namespace.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod namespace;
mod oracle;
mod process;
mod proxy;
mod recorder;
mod remains;
mod report;
mod request;
mod scenario;
mod silence;
mod soak;
mod stale;
mod stream;
mod ways;
mod world;

use std::time::Duration;

use crowd::Crowd;
use faults::{ALL, Fault};
use scenario::{FAST, SLOW, Scenario};
use ways::shell;
use world::World;

/// How many runs a crowd has.
const CROWD: usize = 50;
/// How long the API server is away.
const OUTAGE: Duration = Duration::from_mins(1);
/// How many runs a soak has.
const SOAK: usize = 2000;
/// How much the operator may grow over a thousand runs, in KiB: what its allocator needs to settle.
const GROWTH: f64 = 1024.0;

/// How many cases are played at one time: they wait more than they compute.
fn at_one_time() -> usize {
    number("DVRE_CHAOS_JOBS", 10)
}

/// The scenarios whose name contains what `DVRE_CHAOS_SCENARIO` says.
fn chosen<'a>(scenarios: impl IntoIterator<Item = &'a Scenario>) -> Vec<&'a Scenario> {
    let wanted = std::env::var("DVRE_CHAOS_SCENARIO").unwrap_or_default();
    let scenarios = scenarios.into_iter();
    scenarios
        .filter(|scenario| scenario.name.contains(&wanted))
        .collect()
}

/// A number from the environment.
fn number(name: &str, default: usize) -> usize {
    let wanted = std::env::var(name).ok();
    wanted
        .and_then(|number| number.parse().ok())
        .unwrap_or(default)
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
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make chaos"]
async fn full_matrix() {
    let world = World::new().await;
    let scenarios = chosen(FAST.iter().chain(SLOW));
    let report = matrix::run(&world, &scenarios, &ALL, at_one_time()).await;
    report::write("matrix", &report);
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make chaos"]
async fn stale_views() {
    let world = World::new().await;
    stale::run(&world, at_one_time()).await.conclude("stale");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make chaos"]
async fn silent_watches() {
    let world = World::new().await;
    silence::run(&world).await.conclude("silence");
}

/// The lease is not what keeps a run from starting twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make chaos"]
async fn two_operators() {
    let world = World::new().await;
    let crowd = Crowd::new(&world, 2).await;
    crowd.submit(CROWD, &shell("true")).await;
    crowd.over(&world, CROWD).await;
    let report = crowd
        .check(&world, "two operators at one time", CROWD)
        .await;
    report.conclude("two-operators");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make chaos"]
async fn outage() {
    let world = World::new().await;
    let crowd = Crowd::new(&world, 1).await;
    crowd.submit(CROWD, &shell("true")).await;
    crowd.over(&world, CROWD / 10).await;
    crowd.operators[0].refuse(OUTAGE).await;
    crowd.over(&world, CROWD).await;
    let report = crowd.check(&world, "no API server for 60 s", CROWD).await;
    report.conclude("outage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: make chaos"]
async fn soak() {
    let world = World::new().await;
    let runs = number("DVRE_CHAOS_SOAK", SOAK);
    let report = soak::soak(&world, runs).await;
    eprintln!("{report:#?}");
    report::write("soak", &report);
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(report.slope_kib < GROWTH, "the operator grows");
}
