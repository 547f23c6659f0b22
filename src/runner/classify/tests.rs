use rstest::rstest;

use super::*;
use crate::runner::engine_log::StreamFlowLog;

const A_STEP: &str = r#"{"event":"step","step":"/a","status":"COMPLETED","time":11}"#;
const B_RUNS: &str = r#"{"event":"job","job":"/b/0","step":"/b","status":"RUNNING","time":12}"#;
const B_EXIT: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":7,"stderr":"\u001b[31mboom\u001b[0m\r\nlast\n\n"}"#;
const B_SILENT: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":127}"#;
const B_KILLED: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":-9}"#;
const B_STEP: &str = r#"{"event":"step","step":"/b","status":"FAILED","time":13}"#;

const EXECUTING: &str = "2026-11-23 19:13:00.610 INFO     EXECUTING workflow dvre\n";
const STEP: &str = "2026-11-23 19:13:00.700 INFO     EXECUTING step /b (job /b/0)\n";
const STEP_ELSEWHERE: &str = "2026-11-23 19:13:00.700 INFO     EXECUTING step /b (job /b/0) on location docker/5e into directory /x:\n";
const NOT_OPTIONAL: &str = "2026-11-23 19:13:00.665 ERROR    Token code is not optional.\n";
const NO_OUTPUT: &str = "2026-11-23 19:13:10.482 ERROR    No suitable token processors in d:\n\
    Tried PopCommandOutputProcessor, but received error Invalid value x\n\
    Tried CWLCommandOutputProcessor, but received error Expected d token of type Directory, got list.\n";
const DANGLING: &str = "2026-11-23 19:13:12.985 ERROR    \nTraceback (most recent call last):\n\
    schema_salad.exceptions.ValidationException: outputSource not found: file:///work/workflow/main.cwl#a/zz\n";
const DEPLOYING: &str = "2026-11-23 19:13:01.000 INFO     DEPLOYING hpc\n\
    2026-11-23 19:13:01.000 ERROR    Impossible to connect to login:22\n";
const B_SLURM: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":143,"stderr":"boom","kind":"StepFailed","message":"Slurm job 42 was cancelled"}"#;
const B_SLURM_MEMORY: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":0,"kind":"OutOfMemory","message":"step /b: Slurm job 42 used up its memory"}"#;
const B_NEWER: &str = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":7,"kind":"Bored","message":"the node is tired"}"#;
const NO_IMAGE: &str =
    r#"{"event":"error","kind":"ImagePullFailed","message":"image x: not found","step":"/b"}"#;
const POD_MEMORY: &str =
    r#"{"event":"error","kind":"OutOfMemory","message":"pod b used up its memory","step":"/b"}"#;
const NO_QUOTA: &str = r#"{"event":"error","kind":"QuotaExceeded","message":"exceeded quota: q"}"#;
const NO_HOST: &str =
    r#"{"event":"error","kind":"DeploymentFailed","message":"deployment hpc: no route to host"}"#;
const NEWER: &str = r#"{"event":"error","kind":"Bored","message":"the node is tired"}"#;
const RECOVERED: &str =
    r#"{"event":"error","kind":"QuotaExceeded","message":"exceeded quota: q","step":"/a"}"#;
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
#[case::told_of_the_command(&[B_RUNS, B_SLURM, B_STEP], &[EXECUTING, STEP], 0,
    Reason::StepFailed, Some("/b"), Some(143), "step /b failed: Slurm job 42 was cancelled")]
#[case::told_though_the_exit_code_is_well(&[B_RUNS, B_SLURM_MEMORY, B_STEP], &[EXECUTING, STEP], 0,
    Reason::OutOfMemory, Some("/b"), None, "step /b: Slurm job 42 used up its memory")]
#[case::told_in_new_words(&[B_RUNS, B_NEWER, B_STEP], &[EXECUTING, STEP], 0,
    Reason::StepFailed, Some("/b"), Some(7), "step /b failed: the node is tired")]
#[case::no_image(&[A_STEP, NO_IMAGE, B_STEP], &[EXECUTING, STEP], 0,
    Reason::ImagePullFailed, Some("/b"), None, "image x: not found")]
#[case::no_quota(&[A_STEP, NO_QUOTA, B_STEP], &[EXECUTING, STEP, NO_OUTPUT], 0,
    Reason::QuotaExceeded, None, None, "exceeded quota: q")]
#[case::no_host(&[A_STEP, NO_HOST, B_STEP], &[EXECUTING, DEPLOYING], 0,
    Reason::DeploymentFailed, None, None, "deployment hpc: no route to host")]
#[case::memory_of_a_pod(&[B_RUNS, B_KILLED, POD_MEMORY, B_STEP], &[EXECUTING, STEP], 0,
    Reason::OutOfMemory, Some("/b"), Some(137), "pod b used up its memory")]
#[case::torn_down_after_a_failure(&[B_RUNS, B_EXIT, NO_HOST, B_STEP], &[EXECUTING, STEP], 0,
    Reason::StepFailed, Some("/b"), Some(7), "step /b failed with exit code 7: boom\nlast")]
#[case::an_error_in_new_words(&[B_RUNS, NEWER, B_STEP], &[EXECUTING, STEP, NO_OUTPUT], 0,
    Reason::StepFailed, Some("/b"), None, "step /b failed: the node is tired")]
#[case::after_a_recovery(&[RECOVERED, A_STEP, B_RUNS, B_EXIT, B_STEP], &[EXECUTING, STEP], 0,
    Reason::StepFailed, Some("/b"), Some(7), "step /b failed with exit code 7: boom\nlast")]
#[case::killed_elsewhere(&[B_RUNS, B_KILLED, B_STEP], &[EXECUTING, STEP_ELSEWHERE], 1,
    Reason::StepFailed, Some("/b"), Some(137), "step /b failed with exit code 137 (killed by signal 9)")]
#[case::failed_elsewhere(&[B_RUNS, B_EXIT, B_STEP], &[EXECUTING, STEP_ELSEWHERE], 1,
    Reason::StepFailed, Some("/b"), Some(7), "step /b failed with exit code 7: boom\nlast")]
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
        memory_shared: false,
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

fn read(events: &[&str], lines: &[&str]) -> (Tally, StreamFlowLog) {
    let (mut tally, mut log) = (Tally::default(), StreamFlowLog::default());
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
        memory_shared: false,
        tally: &tally,
        log: &log,
    };
    let verdict = verdict(&evidence);
    assert_eq!((verdict.phase, verdict.reason), (phase, reason));
}

#[test]
fn containers_in_this_container_share_its_memory() {
    let (tally, log) = read(&[B_RUNS, B_KILLED, B_STEP], &[EXECUTING, STEP_ELSEWHERE]);
    let evidence = Evidence {
        exit: Exit::Code(1),
        cancelled: false,
        memory_kills: 1,
        memory_limit: None,
        memory_shared: true,
        tally: &tally,
        log: &log,
    };
    assert_eq!(verdict(&evidence).reason, Reason::OutOfMemory);
}

#[test]
fn a_long_tail_keeps_its_end() {
    let text = (0..100).fold(String::new(), |text, n| {
        text + &format!("line {n} {}\n", "é".repeat(60))
    });
    let tail = last_lines(&text, TAIL_LIMIT);
    assert!(tail.len() <= TAIL_LIMIT && tail.lines().last().unwrap().starts_with("line 99"));
}
