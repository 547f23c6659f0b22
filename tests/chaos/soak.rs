//! Thousands of runs, first with an operator that is killed every few moments, then with one that must
//! not grow.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use futures::{StreamExt, stream};
use kube::api::DeleteParams;
use kube::runtime::wait::await_condition;
use serde::Serialize;
use serde_json::{Value, json};

use crate::crowd::Crowd;
use crate::oracle;
use crate::ways::{missing_input, no_command, shell};
use crate::world::World;

/// How many runs are there at one time.
const ACTIVE: usize = 16;
/// One run in so many starts the engine.
const ENGINE: usize = 25;
/// One run in so many of the others ends in the runner; the rest is refused, and needs no pod: a node starts
/// but a few in a second.
const RUNNER: usize = 4;
/// Pauses between kills, in milliseconds.
const KILLS: std::ops::Range<u64> = 2_000..10_000;
/// Runs between two samples of the memory.
const SAMPLE: usize = 25;

/// What a soak came to.
#[derive(Debug, Default, Serialize)]
pub struct SoakReport {
    pub runs: usize,
    pub kills: usize,
    pub seconds: u64,
    /// Resident memory at the first and the last sample of the operator that was not killed, in KiB.
    pub first_kib: u64,
    pub last_kib: u64,
    /// Growth in KiB for each thousand runs, by least squares.
    pub slope_kib: f64,
    /// What went wrong, a line each.
    pub failures: Vec<String>,
}

/// Runs so many, half of them while the operator is killed at random.
pub async fn soak(world: &World, runs: usize) -> SoakReport {
    let crowd = Crowd::new(world, 1).await;
    let process = crowd.operators[0].process();
    let done = AtomicUsize::new(0);
    let work = |range: std::ops::Range<usize>| {
        let (crowd, done) = (&crowd, &done);
        stream::iter(range)
            .map(async move |index| {
                let wrong = one(crowd, index).await;
                done.fetch_add(1, Ordering::Relaxed);
                wrong
            })
            .buffer_unordered(ACTIVE)
            .filter_map(std::future::ready)
            .collect::<Vec<String>>()
    };
    let mut random = fastrand::Rng::with_seed(5);
    let kill = async {
        loop {
            tokio::time::sleep(Duration::from_millis(random.u64(KILLS))).await;
            tokio::task::block_in_place(|| process.crash());
        }
    };
    let mut failures = tokio::select! {
        failures = work(0..runs / 2) => failures,
        () = kill => unreachable!("kills never end"),
    };
    let kills = process.starts() - 1;
    let mut samples = Vec::new();
    let sample = async {
        let mut next = done.load(Ordering::Relaxed) + SAMPLE;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let count = done.load(Ordering::Relaxed);
            if count >= next {
                next = count + SAMPLE;
                samples.extend(process.resident().map(|kib| (count, kib)));
            }
        }
    };
    tokio::select! {
        more = work(runs / 2..runs) => failures.extend(more),
        () = sample => unreachable!("samples never end"),
    }
    let seen = world.recorder.take(&crowd.namespace.name).await;
    failures.extend(oracle::broken(&seen));
    failures.extend(seen.relapses.clone());
    let jobs = (0..runs).filter(|index| Kind::of(*index) != Kind::Refused);
    let jobs = jobs.count();
    for (what, found) in [
        ("Jobs", seen.jobs.len()),
        ("Jobs with a pod", seen.pods.len()),
    ] {
        if found != jobs {
            failures.push(format!("{what}: {found} instead of {jobs}"));
        }
    }
    if process.log().contains("panicked at") {
        failures.push("the operator panicked".to_owned());
    }
    SoakReport {
        runs,
        kills,
        seconds: crowd.began.elapsed().as_secs(),
        first_kib: samples.first().map_or(0, |sample| sample.1),
        last_kib: samples.last().map_or(0, |sample| sample.1),
        slope_kib: slope(&samples),
        failures,
    }
}

/// How far a run goes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Engine,
    Runner,
    Refused,
}

impl Kind {
    fn of(index: usize) -> Self {
        if index.is_multiple_of(ENGINE) {
            Self::Engine
        } else if index.is_multiple_of(RUNNER) {
            Self::Runner
        } else {
            Self::Refused
        }
    }

    fn spec(self) -> Value {
        match self {
            Self::Engine => shell("true"),
            Self::Runner => missing_input(),
            Self::Refused => no_command(),
        }
    }

    fn end(self) -> (Phase, Reason) {
        match self {
            Self::Engine => (Phase::Succeeded, Reason::Completed),
            Self::Runner => (Phase::Failed, Reason::InvalidInputs),
            Self::Refused => (Phase::Failed, Reason::InvalidWorkflow),
        }
    }
}

/// Plays one run and deletes it; says what was wrong with it.
async fn one(crowd: &Crowd, index: usize) -> Option<String> {
    let name = format!("run-{index}");
    let kind = Kind::of(index);
    let run = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": { "name": name }, "spec": kind.spec(),
    });
    let runs = crowd.namespace.api::<DvreWorkflow>();
    let over = |run: Option<&DvreWorkflow>| {
        let status = run.and_then(|run| run.status.as_ref());
        status
            .and_then(|status| status.phase)
            .is_some_and(Phase::is_final)
    };
    let played = async {
        crowd.namespace.try_apply(&run).await?;
        let ended = await_condition(runs.clone(), &name, over).await;
        runs.delete(&name, &DeleteParams::default()).await?;
        Ok::<_, kube::Error>(ended.ok().flatten())
    };
    let ended = match tokio::time::timeout(Duration::from_mins(5), played).await {
        Ok(Ok(ended)) => ended.and_then(|run| run.status),
        Ok(Err(error)) => return Some(format!("{name}: {error}")),
        Err(_) => return Some(format!("{name} is not over after 5 min")),
    };
    let found = ended.and_then(|status| status.phase.zip(status.reason));
    (found != Some(kind.end())).then(|| format!("{name} ended as {found:?}"))
}

/// Growth for each thousand on the first axis, by least squares.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn slope(samples: &[(usize, u64)]) -> f64 {
    let count = samples.len() as f64;
    let points = || samples.iter().map(|(x, y)| (*x as f64 / 1000.0, *y as f64));
    let mean_x = points().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points().map(|(_, y)| y).sum::<f64>() / count;
    let together: f64 = points().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let spread: f64 = points().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}
