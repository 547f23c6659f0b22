//! Being told to stop, and leaving no process behind.

use std::time::Duration;

use dvre_operator::runner::record::{Phase, Reason};
use serde_json::json;

use super::world::{World, lives};

/// Long enough for a busy machine, short enough to tell a kill from a wait.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn sigterm_becomes_sigint() {
    let world =
        World::new().engine("trap 'echo cleaned up; exit 130' INT\necho ready\nsleep 1000 & wait");
    let ended = world.start().until("ready").stop().end();
    assert_eq!(
        (ended.outcome.phase, ended.outcome.reason),
        (Phase::Cancelled, Reason::Cancelled)
    );
    assert_eq!(ended.code, Some(143));
    assert!(ended.log.contains("cleaned up\n"), "{}", ended.log);
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn sigint_reaches_the_engine_though_our_parent_ignored_it() {
    let world = World::new()
        .engine("echo ready\nexec sleep 1000")
        .through(&["sh", "-c", "trap '' INT QUIT; exec \"$0\" \"$@\""]);
    let ended = world.start().until("ready").stop().end();
    assert_eq!(ended.code, Some(143));
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn what_does_not_stop_in_time_is_killed_with_all_its_descendants() {
    let world = World::new()
        .engine(
            "trap '' INT TERM\nsleep 1001 & echo $! >> pids\n\
             setsid sleep 1002 & echo $! >> pids\n\
             (setsid bash -c 'echo $$ >> pids; trap \"\" TERM HUP; sleep 1003 & wait; sleep 1004' &)\n\
             echo $$ >> pids; until [ $(wc -l < pids) = 4 ]; do sleep 0.05; done; echo ready; while true; do sleep 1; done",
        )
        .with("graceSeconds", json!(1));
    let ended = world.start().until("ready").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Cancelled);
    assert!(
        ended.took > Duration::from_millis(900) && ended.took < SOON,
        "{:?}",
        ended.took
    );
    let pids = world.read("work/pids");
    assert_eq!(pids.lines().count(), 4);
    assert!(!pids.lines().any(lives), "{pids}");
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let world = World::new().engine("trap 'echo no' INT\necho ready; while true; do sleep 1; done");
    let mut running = world.start();
    running.until("ready").stop().until("no").stop();
    let ended = running.end();
    assert_eq!(ended.outcome.phase, Phase::Cancelled);
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn sigterm_ends_a_fetch_at_once() {
    // It accepts connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://127.0.0.1:{}/x",
        silent.local_addr().unwrap().port()
    );
    let cwl = "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: \"true\", inputs: {f: File}, outputs: {}}";
    let world = World::new()
        .engine("echo started")
        .workflow(cwl, &json!({"f": {"class": "File", "location": url}}));
    let mut running = world.start();
    running.until("Staging");
    let _connection = silent.accept().unwrap();
    let ended = running.stop().end();
    assert_eq!(
        (ended.outcome.phase, ended.code),
        (Phase::Cancelled, Some(143))
    );
    assert!(
        ended.took < SOON && !ended.log.contains("started"),
        "{ended:?}"
    );
}

#[test]
fn orphans_do_not_hide_how_the_engine_ended() {
    let world = World::new()
        .engine("for i in {1..200}; do (exec -a orphan sleep 0.0$i &); done; sleep 0.1; exit 7")
        .with("engine", json!("StreamFlow"));
    let ended = world.run();
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.outcome.message,
        "the workflow engine ended with exit code 7"
    );
}

#[test]
fn what_the_engine_leaves_behind_neither_blocks_nor_survives() {
    let world =
        World::new().engine("(setsid sleep 1000 & echo $! > pid)\nsetsid sleep 1000 &\necho '{}'");
    let ended = world.run();
    assert_eq!(
        (ended.outcome.phase, ended.code),
        (Phase::Succeeded, Some(0))
    );
    assert!(ended.took < SOON, "{:?}", ended.took);
    assert!(!lives(&world.read("work/pid")));
}

#[test]
fn a_stop_after_the_engine_succeeded_is_too_late() {
    let world = World::new().engine("trap '' INT\necho ready >&2; sleep 0.5; echo '{}'");
    let ended = world.start().until("ready").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Succeeded, "{}", ended.log);
}
