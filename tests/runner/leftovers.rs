//! Cleaning up outside of the pod, by a script in the place of the image's program.

use std::time::Duration;

use dvre_operator::runner::record::{Phase, Reason, StepPhase};
use rstest::rstest;
use serde_json::{Value, json};

use super::world::World;

const CLEANS: &str =
    "echo \"$@\" >> ${0%/*}/called; echo working >&2; echo '{\"clean\": true, \"failures\": []}'";

fn world(engine: &str, leftover: &Value, program: &str) -> World {
    World::new()
        .engine(engine)
        .with("leftovers", json!([leftover]))
        .script("dvre-leftovers", program)
}

fn called(world: &World) -> String {
    let calls = std::fs::read_to_string(world.root.join("usr/local/bin/called"));
    let root = world.root.to_string_lossy().into_owned();
    calls.unwrap_or_default().replace(&root, "")
}

fn slurm() -> Value {
    json!({"deployment": "hpc", "slurmJob": "dvre-1"})
}

#[rstest]
#[case::failure(
    "echo 2026-11-23 19:13:12.985 ERROR x >&2; exit 1",
    slurm(),
    CLEANS,
    true,
    true
)]
#[case::success("echo '{}'", slurm(), CLEANS, false, true)]
#[case::success_with_folder("echo '{}'", json!({"deployment": "hpc", "folder": "/x"}), CLEANS, true, true)]
#[case::not_clean(
    "exit 1",
    slurm(),
    "echo x >> ${0%/*}/called; echo '{\"clean\": false, \"failures\": [\"x\"]}'",
    true,
    false
)]
#[case::no_answer("exit 1", slurm(), "echo x >> ${0%/*}/called; exit 3", true, false)]
fn cleans_up(
    #[case] engine: &str,
    #[case] leftover: Value,
    #[case] program: &str,
    #[case] calls: bool,
    #[case] cleaned: bool,
) {
    let world = world(engine, &leftover, program).with("engine", json!("StreamFlow"));
    let ended = world.run();
    assert_eq!(!called(&world).is_empty(), calls, "{}", ended.log);
    assert_eq!(ended.outcome.cleaned, cleaned, "{}", ended.log);
    if calls && cleaned {
        assert_eq!(called(&world), "clean /dvre/run/run.json\n");
        assert!(ended.log.contains("working\n") && ended.log.contains("{\"clean\": true"));
    }
}

#[test]
fn nothing_is_left_of_an_engine_that_never_started() {
    let world = world("", &slurm(), CLEANS).workflow("class: Nothing", &json!({}));
    let ended = world.run();
    assert_eq!(ended.outcome.reason, Reason::InvalidWorkflow);
    assert!(ended.outcome.cleaned && called(&world).is_empty());
}

#[test]
fn without_the_program_something_may_be_left() {
    let world = World::new()
        .engine("echo 2026-11-23 19:13:12.985 ERROR x >&2; exit 1")
        .with("leftovers", json!([slurm()]));
    let ended = world.run();
    assert!(!ended.outcome.cleaned);
    assert!(
        ended.log.contains("dvre-runner: cannot start"),
        "{}",
        ended.log
    );
}

#[test]
fn a_second_stop_ends_the_engine_and_not_the_cleaning() {
    let world = world(
        "trap 'echo no' INT\necho ready; while true; do sleep 1; done",
        &slurm(),
        &format!("echo cleaning; sleep 1; {CLEANS}"),
    );
    let mut running = world.start();
    running.until("ready").stop().until("no").stop();
    let ended = running.until("cleaning").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Cancelled);
    assert!(ended.outcome.cleaned, "{}", ended.log);
}

#[test]
fn the_engine_leaves_time_for_cleaning() {
    let world = world(
        "trap '' INT\necho ready; while true; do sleep 1; done",
        &slurm(),
        "sleep 1000",
    )
    .with("graceSeconds", json!(4));
    let ended = world.start().until("ready").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Cancelled);
    assert!(!ended.outcome.cleaned);
    assert!(ended.log.contains("takes too long"), "{}", ended.log);
    assert!(
        ended.took > Duration::from_millis(3500) && ended.took < Duration::from_secs(6),
        "{:?}",
        ended.took
    );
}

#[test]
fn a_stop_that_comes_too_late_is_cleaned_up_after() {
    let world = world(
        "trap '' INT\necho ready >&2; sleep 0.5; echo '{}'",
        &slurm(),
        CLEANS,
    );
    let ended = world.start().until("ready").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Succeeded);
    assert!(ended.outcome.cleaned && !called(&world).is_empty());
}

/// StreamFlow's log of a run with two jobs on Slurm, one of which was handed in twice.
const SLURM: &str = "log() { echo \"2026-11-23 19:13:12.985 INFO     $*\" >&2; }\n\
    emit '{\"event\":\"workflow\",\"steps\":[\"/a\",\"/b\"]}'\n\
    log 'EXECUTING step /a (job /a/0) on location hpc/login into directory /x:'\n\
    log 'EXECUTING step /b (job /b/0) on location hpc/login into directory /x:'\n\
    log 'Scheduled job /a/0 with job id 1'; log 'Scheduled job /b/0 with job id 2'\n\
    log 'Scheduled job /a/0 with job id 3'; echo '{}'";

#[rstest]
#[case::well(
    "{\"2\": {\"state\": \"COMPLETED\"}, \"3\": {\"state\": \"COMPLETED\", \"reason\": \"None\"}}",
    Phase::Succeeded,
    Reason::Completed,
    "2 steps completed"
)]
#[case::cancelled(
    "{\"2\": {\"state\": \"CANCELLED by 0\", \"reason\": \"None\"}, \"3\": {\"state\": \"COMPLETED\"}}",
    Phase::Failed,
    Reason::StepFailed,
    "step /b failed: Slurm job 2 ended as CANCELLED"
)]
#[case::memory(
    "{\"3\": {\"state\": \"OUT_OF_MEMORY\", \"reason\": \"OutOfMemory\"}}",
    Phase::Failed,
    Reason::OutOfMemory,
    "step /a failed: Slurm job 3 ended as OUT_OF_MEMORY (OutOfMemory)"
)]
#[case::unknown(
    "{\"2\": {\"state\": \"\"}}",
    Phase::Succeeded,
    Reason::Completed,
    "2 steps completed"
)]
#[case::no_answer("nothing", Phase::Succeeded, Reason::Completed, "2 steps completed")]
fn slurm_has_the_last_word(
    #[case] states: &str,
    #[case] phase: Phase,
    #[case] reason: Reason,
    #[case] message: &str,
) {
    let done = "emit '{\"event\":\"job\",\"job\":\"/a/0\",\"step\":\"/a\",\"status\":\"RUNNING\"}' \
        '{\"event\":\"job\",\"job\":\"/b/0\",\"step\":\"/b\",\"status\":\"RUNNING\"}' \
        '{\"event\":\"step\",\"step\":\"/a\",\"status\":\"COMPLETED\"}' \
        '{\"event\":\"step\",\"step\":\"/b\",\"status\":\"COMPLETED\"}'";
    let program = format!(
        "echo \"$@\" >> ${{0%/*}}/called\n\
         if [ $1 = states ]; then echo '{states}'; else echo '{{\"clean\": true}}'; fi"
    );
    let world = world(&format!("{SLURM}; {done}"), &slurm(), &program);
    let ended = world.run();
    let outcome = ended.outcome;
    assert_eq!(
        (outcome.phase, outcome.reason),
        (phase, reason),
        "{}",
        ended.log
    );
    assert!(outcome.message.starts_with(message), "{}", outcome.message);
    assert!(outcome.cleaned);
    let calls = called(&world);
    assert!(
        calls.starts_with("states /dvre/run/run.json hpc 3 2\n"),
        "{calls}"
    );
    assert_eq!(calls.contains("clean"), phase == Phase::Failed, "{calls}");
    let failed = outcome
        .steps
        .iter()
        .filter(|step| step.phase == StepPhase::Failed);
    assert_eq!(failed.count(), usize::from(phase == Phase::Failed));
}
