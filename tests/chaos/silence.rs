//! Watches whose connection is there and says nothing, not even that it ends: only the operator's own
//! clock can tell, after about five minutes.

use std::time::Instant;

use futures::future::join_all;

use crate::case::WATCHES;
use crate::crowd::Crowd;
use crate::journal::Entry;
use crate::report::TestReport;
use crate::ways::shell;
use crate::world::World;

/// Plays one run with each watch silent in turn, all at one time.
pub async fn run(world: &World) -> TestReport {
    let began = Instant::now();
    let reports = join_all(WATCHES.map(|watch| with_silent(world, watch))).await;
    TestReport {
        what: "a watch is silent until the operator notices".to_owned(),
        runs: reports.len(),
        seconds: began.elapsed().as_secs(),
        failures: reports.into_iter().flat_map(|it| it.failures).collect(),
    }
}

async fn with_silent(world: &World, watch: &str) -> TestReport {
    let crowd = Crowd::new(world, 1).await;
    let operator = &crowd.operators[0];
    let begun = |times: usize| {
        move |entries: &[Entry]| {
            let these = entries.iter();
            these
                .filter(|it| it.at.request.to_string() == watch)
                .count()
                >= times
        }
    };
    operator.journal().until(begun(1)).await;
    operator.gates().hold(watch);
    crowd.submit(1, &shell("true")).await;
    let noticed = async {
        operator.journal().until(begun(2)).await;
        operator.gates().release(watch);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = crowd.over(world, 1) => {}
        () = noticed => {}
    }
    let seconds = crowd.began.elapsed().as_secs();
    eprintln!("{watch} silent: over after {seconds} s");
    crowd.check(world, watch, 1).await
}
