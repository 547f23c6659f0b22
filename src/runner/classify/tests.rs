use rstest::rstest;

use super::*;

const A_STEP: &str = r#"{"event":"step","step":"/a","status":"COMPLETED","time":11}"#;
const B_RUNS: &str = r#"{"event":"job","job":"/b/0","step":"/b","status":"RUNNING","time":12}"#;
const B_EXIT: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":7,"stderr":"\u001b[31mboom\u001b[0m\r\nlast\n\n"}"#;
const B_SILENT: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":127}"#;
const B_KILLED: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":-9}"#;
const B_STEP: &str = r#"{"event":"step","step":"/b","status":"FAILED","time":13}"#;

const EXECUTING: &str = "2026-11-23 19:13:00.610 INFO     EXECUTING workflow dvre\n";
const STEP: &str = "2026-11-23 19:13:00.700 INFO     EXECUTING step /b (job /b/0)\n";
const NOT_OPTIONAL: &str = "2026-11-23 19:13:00.665 ERROR    Token code is not optional.\n";
const NO_OUTPUT: &str = "2026-11-23 19:13:10.482 ERROR    No suitable token processors in d:\n\
    Tried PopCommandOutputProcessor, but received error Invalid value x\n\
    Tried CWLCommandOutputProcessor, but received error Expected d token of type Directory, got list.\n";
const DANGLING: &str = "2026-11-23 19:13:12.985 ERROR    \nTraceback (most recent call last):\n\
    schema_salad.exceptions.ValidationException: outputSource not found: file:///work/workflow/main.cwl#a/zz\n";
const DEPLOYING: &str = "2026-11-23 19:13:01.000 INFO     DEPLOYING hpc\n\
    2026-11-23 19:13:01.000 ERROR    Impossible to connect to login:22\n";
const IMPORT: &str =
    "Traceback (most recent call last):\n  File \"x\"\nModuleNotFoundError: No module named 'x'\n";

#[rstest]
#[case::failed_command(&[A_STEP, B_RUNS, B_EXIT, B_STEP], &[EXECUTING, STEP], 0,
    Reason::StepFailed, Some("/b"), Some(7), "step /b failed with exit code 7: boom\nlast")]
#[case::not_found(&[B_RUNS, B_SILENT, B_STEP], &[EXECUTING, STEP], 0,
    Reason::StepFailed, Some("/b"), Some(127), "step /b failed with exit code 127 (command not found)")]
#[case::killed_but_not_for_memory(&[B_RUNS, B_KILLED, B_STEP], &[EXECUTING, STEP], 0,
    Reason::StepFailed, Some("/b"), Some(137), "step /b failed with exit code 137 (killed by signal 9)")]
#[case::killed_for_memory(&[B_RUNS, B_KILLED, B_STEP], &[EXECUTING, STEP], 1,
    Reason::OutOfMemory, Some("/b"), Some(137),
    "step /b was killed because the container used up its memory of 256Mi; raise spec.runner.resources.limits.memory")]
#[case::a_part_of_it_killed(&[B_RUNS, B_EXIT, B_STEP], &[EXECUTING, STEP], 2,
    Reason::StepFailed, Some("/b"), Some(7),
    "step /b failed with exit code 7, after a process was killed because the container used up its memory: boom\nlast")]
#[case::missing_output(&[B_RUNS, B_STEP], &[EXECUTING, STEP, NO_OUTPUT], 0,
    Reason::StepFailed, Some("/b"), None, "step /b did not give its output d: Expected d token of type Directory, got list.")]
#[case::missing_input(&[A_STEP, B_STEP], &[EXECUTING, NOT_OPTIONAL, STEP], 0,
    Reason::InvalidInputs, None, None, "Token code is not optional.")]
#[case::null_between_steps(&[A_STEP, B_STEP], &[EXECUTING, STEP, NOT_OPTIONAL], 0,
    Reason::StepFailed, Some("/b"), None, "step /b failed: Token code is not optional.")]
#[case::bad_document(&[], &[DANGLING], 0,
    Reason::InvalidWorkflow, None, None, "outputSource not found: main.cwl#a/zz")]
#[case::no_deployment(&[], &[EXECUTING, DEPLOYING], 0,
    Reason::DeploymentFailed, None, None, "deployment hpc could not be set up: Impossible to connect to login:22")]
#[case::broken_image(&[], &[IMPORT], 0,
    Reason::InternalError, None, None, "the workflow engine ended with exit code 1: No module named 'x'")]
#[case::silence(&[], &[], 0,
    Reason::InternalError, None, None, "the workflow engine ended with exit code 1")]
fn verdicts(
    #[case] events: &[&str],
    #[case] log: &[&str],
    #[case] memory_kills: u64,
    #[case] reason: Reason,
    #[case] step: Option<&str>,
    #[case] exit_code: Option<i32>,
    #[case] message: &str,
) {
    let (tally, log) = read(events, log);
    let evidence = Evidence {
        exit: Exit::Code(1),
        cancelled: false,
        memory_kills,
        memory_limit: Some(256 << 20),
        tally: &tally,
        log: &log,
    };
    let verdict = verdict(&evidence);
    assert_eq!(verdict.message, message);
    assert_eq!(
        (
            verdict.reason,
            verdict.failed_step.as_deref(),
            verdict.exit_code
        ),
        (reason, step, exit_code)
    );
    assert_eq!(verdict.phase, Phase::Failed);
}

fn read(events: &[&str], lines: &[&str]) -> (Tally, EngineLog) {
    let (mut tally, mut log) = (Tally::default(), EngineLog::default());
    for event in events {
        tally.take(serde_json::from_str(event).unwrap());
    }
    for line in lines.concat().split_inclusive('\n') {
        log.take(line.as_bytes());
    }
    (tally, log)
}

#[rstest]
#[case::killed_for_memory(Exit::Signal(9), false, 1, Phase::Failed, Reason::OutOfMemory)]
#[case::killed_from_outside(Exit::Signal(9), false, 0, Phase::Failed, Reason::InternalError)]
#[case::cancelled(Exit::Signal(2), true, 0, Phase::Cancelled, Reason::Cancelled)]
#[case::cancelled_by_force(Exit::Signal(9), true, 0, Phase::Cancelled, Reason::Cancelled)]
fn ends_of_the_engine(
    #[case] exit: Exit,
    #[case] cancelled: bool,
    #[case] memory_kills: u64,
    #[case] phase: Phase,
    #[case] reason: Reason,
) {
    let (tally, log) = read(&[], &[EXECUTING, STEP]);
    let evidence = Evidence {
        exit,
        cancelled,
        memory_kills,
        memory_limit: None,
        tally: &tally,
        log: &log,
    };
    let verdict = verdict(&evidence);
    assert_eq!((verdict.phase, verdict.reason), (phase, reason));
}

#[test]
fn a_long_tail_keeps_its_end() {
    let text = (0..100).fold(String::new(), |text, n| {
        text + &format!("line {n} {}\n", "é".repeat(60))
    });
    let tail = tail(&text);
    assert!(tail.len() <= TAIL_LIMIT && tail.lines().last().unwrap().starts_with("line 99"));
}
