//! What takes over when StreamFlow is not available, and when nothing does.

use dvre_operator::runner::record::{EngineName, Phase, Reason};
use rstest::rstest;
use serde_json::{Value, json};

use super::world::World;

/// cwltool, as far as the runner needs it. It says what is there of the first engine's files.
const CWLTOOL: &str = "ls outputs scratch | sed 's/^/there: /' >&2\n\
    echo '[2026-11-24 18:28:51] INFO [job main.cwl] /x$ true' >&2\n\
    echo '[2026-11-24 18:28:51] INFO [job main.cwl] completed success' >&2\n\
    echo '[2026-11-24 18:28:51] INFO Final process status is success' >&2\n\
    echo '{\"n\": 1}'";
const REFUSES: &str =
    "echo 'dvre-streamflow: StreamFlow is not available: No module named x' >&2; exit 78";
const DIES: &str = "touch outputs/old scratch/old\n\
    echo 'Traceback (most recent call last):' >&2; echo \"ImportError: No module named 'x'\" >&2; exit 1";

fn world(engine: Option<&str>) -> World {
    let world = World::new().script("cwltool", CWLTOOL);
    match engine {
        Some(script) => world.engine(script),
        None => world,
    }
}

#[rstest]
#[case::missing(None, "this runner image has no StreamFlow")]
#[case::refuses(Some(REFUSES), "No module named x")]
#[case::dies(Some(DIES), "it ended with exit code 1: No module named 'x'")]
#[case::dies_silently(Some("exit 127"), "it ended with exit code 127")]
#[case::is_killed(Some("kill -9 $$"), "it was killed by signal 9")]
fn cwltool_takes_over(#[case] engine: Option<&str>, #[case] why: &str) {
    let ended = world(engine).run();
    let outcome = ended.outcome;
    assert_eq!(outcome.phase, Phase::Succeeded, "{}", ended.log);
    assert_eq!(outcome.engine, EngineName::Cwltool);
    assert_eq!(outcome.fallback.as_deref(), Some(why));
    let (start, end) = outcome.message.split_once(" s with cwltool, ").unwrap();
    assert!(start.starts_with("1 step completed in "), "{start}");
    assert_eq!(end, format!("as StreamFlow is not available: {why}"));
    assert_eq!(outcome.outputs.unwrap()["n"], 1);
    assert!(!ended.log.contains("there: old"), "{}", ended.log);
    let told = |line: &&dvre_operator::runner::record::Progress| {
        line.engine == Some(EngineName::Cwltool) && line.fallback.as_deref() == Some(why)
    };
    assert!(
        ended.progress.iter().any(|line| told(&line)),
        "{}",
        ended.log
    );
}

#[test]
fn a_program_that_cannot_be_started_is_not_available() {
    let world = world(None);
    world.write("usr/local/bin/dvre-streamflow", "no program");
    let ended = world.run();
    assert_eq!(ended.outcome.phase, Phase::Succeeded, "{}", ended.log);
    let why = ended.outcome.fallback.unwrap();
    assert!(
        why.starts_with("it cannot be started: Permission denied"),
        "{why}"
    );
}

#[rstest]
#[case::missing(None, json!("Auto"), json!("step pods"),
    "StreamFlow is not available: this runner image has no StreamFlow; there is no fallback: step pods")]
#[case::refuses(Some(REFUSES), json!("Auto"), json!("step pods"),
    "StreamFlow is not available: No module named x; there is no fallback: step pods")]
#[case::dies(Some(DIES), json!("Auto"), json!("step pods"),
    "StreamFlow is not available: it ended with exit code 1: No module named 'x'; there is no fallback: step pods")]
#[case::only_streamflow(Some(REFUSES), json!("StreamFlow"), json!(null),
    "StreamFlow is not available: No module named x")]
#[case::only_streamflow_missing(None, json!("StreamFlow"), json!(null),
    "StreamFlow is not available: this runner image has no StreamFlow")]
fn there_is_no_fallback(
    #[case] script: Option<&str>,
    #[case] engine: Value,
    #[case] refused: Value,
    #[case] message: &str,
) {
    let ended = world(script)
        .with("engine", engine)
        .with("cwltool", json!({"refused": refused}))
        .run();
    let outcome = ended.outcome;
    assert_eq!(
        (outcome.phase, outcome.reason),
        (Phase::Failed, Reason::DeploymentFailed),
        "{}",
        ended.log
    );
    assert_eq!(
        (outcome.message.as_str(), outcome.fallback),
        (message, None)
    );
}

#[rstest]
#[case::logged(
    "echo '2026-11-23 19:13:12.985 ERROR    bad file' >&2; exit 1",
    Reason::InvalidWorkflow
)]
#[case::reported(
    "emit '{\"event\":\"workflow\",\"steps\":[\"/\"]}'; exit 1",
    Reason::InternalError
)]
fn an_engine_that_has_begun_is_available(#[case] script: &str, #[case] reason: Reason) {
    let outcome = world(Some(script)).run().outcome;
    assert_eq!(
        (outcome.engine, outcome.reason),
        (EngineName::Streamflow, reason)
    );
    assert_eq!(outcome.fallback, None);
}

#[test]
fn a_stop_is_no_reason_to_fall_back() {
    let world = world(Some(
        "echo ready; trap 'exit 1' INT; while true; do sleep 0.1; done",
    ));
    let ended = world.start().until("ready").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Cancelled, "{}", ended.log);
    assert_eq!(ended.outcome.engine, EngineName::Streamflow);
}

#[test]
fn what_takes_over_fails_like_any_other() {
    let world = World::new().engine(REFUSES).script(
        "cwltool",
        "echo '[2026-11-24 18:28:51] INFO [job main.cwl] /x$ false' >&2\n\
         echo '[2026-11-24 18:28:51] WARNING [job main.cwl] exited with status: 1' >&2\n\
         echo '[2026-11-24 18:28:51] WARNING [job main.cwl] completed permanentFail' >&2\n\
         echo '{}'; exit 1",
    );
    let outcome = world.run().outcome;
    assert_eq!(
        (outcome.reason, outcome.message.as_str()),
        (Reason::StepFailed, "step / failed with exit code 1")
    );
    assert_eq!(outcome.fallback.as_deref(), Some("No module named x"));
}

#[test]
fn a_secret_in_the_reason_is_hidden() {
    let cwl = "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: \"true\", inputs: {key: string}, outputs: {}}";
    let world = world(Some("echo 'no hunter2-key' >&2; exit 1"))
        .workflow(cwl, &json!({}))
        .with("inputs", json!(["/dvre/secrets/0/inputs"]))
        .with("secretInputs", json!(true));
    world.write("dvre/secrets/0/inputs", "key: hunter2-key\n");
    let ended = world.run();
    assert_eq!(
        ended.outcome.fallback.as_deref(),
        Some("it ended with exit code 1: no [redacted]")
    );
    assert!(!ended.log.contains("hunter2"), "{}", ended.log);
}
