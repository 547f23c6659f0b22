//! With logs of the real cwltool 3.2.20260720092025; only its folders and Python's are renamed.

use std::fmt::Write as _;
use std::fs;

use rstest::rstest;

use super::*;
use crate::runner::classify::{Evidence, Exit, Verdict, verdict};
use crate::runner::tally::Tally;

pub(super) struct Read {
    pub(super) log: CwltoolLog,
    tally: Tally,
    doomed: bool,
}

pub(super) fn read(name: &str, steps: &str) -> Read {
    let file = format!(
        "{}/src/runner/engine_log/cwltool/logs/{name}.log",
        env!("CARGO_MANIFEST_DIR")
    );
    read_text(&fs::read(file).unwrap(), steps)
}

pub(super) fn read_text(text: &[u8], steps: &str) -> Read {
    let steps: Vec<String> = steps.split(' ').map(str::to_owned).collect();
    let mut log = CwltoolLog::new(&steps, Containers::Docker);
    let mut events = vec![Event::Workflow { steps }];
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        events.extend(log.take(line));
    }
    events.extend(log.finish());
    let doomed = events.contains(&Event::Doomed);
    let mut tally = Tally::default();
    for event in events {
        tally.take(event);
    }
    Read { log, tally, doomed }
}

pub(super) fn steps(read: &Read) -> String {
    read.tally
        .steps()
        .iter()
        .fold(String::new(), |mut text, step| {
            let code = step
                .exit_code
                .map_or("-".to_owned(), |code| code.to_string());
            let _ = writeln!(
                text,
                "{} {:?} {}/{} {code}",
                step.name, step.phase, step.completed, step.total
            );
            text
        })
}

pub(super) fn judge(read: &Read) -> Verdict {
    verdict(&Evidence {
        exit: Exit::Code(1),
        cancelled: false,
        memory_kills: 0,
        memory_limit: None,
        memory_shared: false,
        tally: &read.tally,
        log: &read.log,
    })
}

#[rstest]
#[case::tool("tool", "/", "/ Succeeded 1/1 0\n")]
#[case::expression("expr", "/", "/ Succeeded 1/1 -\n")]
#[case::chain("chain", "/a /b", "/a Succeeded 1/1 0\n/b Succeeded 1/1 0\n")]
#[case::scatter("scatter", "/b", "/b Succeeded 3/3 0\n")]
#[case::empty_scatter("scatterempty", "/b", "/b Succeeded 0/0 -\n")]
#[case::nested(
    "nested",
    "/p/x /p/e /q/x /q/e",
    "/p/x Succeeded 2/2 0\n/p/e Succeeded 2/2 -\n/q/x Succeeded 1/1 0\n/q/e Succeeded 1/1 -\n"
)]
#[case::conditions("when", "/a /s", "/a Skipped 0/0 -\n/s Succeeded 2/2 0\n")]
#[case::repeated("loop", "/l", "/l Succeeded 3/3 0\n")]
#[case::failed_scatter("scatterfail", "/b", "/b Failed 2/3 7\n")]
#[case::failed_below(
    "nestedfail",
    "/p/x /p/e /q/x /q/e",
    "/p/x Failed 1/2 7\n/p/e Succeeded 2/2 -\n/q/x Succeeded 1/1 0\n/q/e Succeeded 1/1 -\n"
)]
#[case::failed_expression("wfexpr", "/a", "/a Failed 0/1 -\n")]
#[case::no_image("dkpull", "/a", "/a Failed 0/1 -\n")]
fn counts(#[case] name: &str, #[case] leaves: &str, #[case] expected: &str) {
    let read = read(name, leaves);
    assert_eq!(steps(&read), expected);
    assert!(read.log.spoke());
}

#[rstest]
#[case::exit_code(
    "fails",
    "/",
    Reason::StepFailed,
    Some("/"),
    Some(7),
    "step / failed with exit code 7: telling\nmore"
)]
#[case::in_a_scatter(
    "scatterfail",
    "/b",
    Reason::StepFailed,
    Some("/b"),
    Some(7),
    "step /b failed with exit code 7: telling 9"
)]
#[case::below(
    "nestedfail",
    "/p/x /p/e /q/x /q/e",
    Reason::StepFailed,
    Some("/p/x"),
    Some(7),
    "step /p/x failed with exit code 7"
)]
#[case::no_command(
    "nocommand",
    "/",
    Reason::StepFailed,
    Some("/"),
    Some(127),
    "step / failed with exit code 127 (command not found)"
)]
#[case::the_first_of_two(
    "wfnocommand",
    "/a /b",
    Reason::StepFailed,
    Some("/a"),
    Some(127),
    "step /a failed with exit code 127 (command not found)"
)]
#[case::no_program(
    "noperm",
    "/",
    Reason::StepFailed,
    Some("/"),
    Some(126),
    "step / failed with exit code 126 (command not executable)"
)]
#[case::killed(
    "killed",
    "/",
    Reason::StepFailed,
    Some("/"),
    Some(137),
    "step / failed with exit code 137 (killed by signal 9): dying"
)]
#[case::too_long(
    "timelimit",
    "/",
    Reason::StepFailed,
    Some("/"),
    Some(143),
    "step / failed: the time limit of the tool is over"
)]
#[case::no_output(
    "nooutput",
    "/",
    Reason::StepFailed,
    Some("/"),
    None,
    "step / failed: no output part: Did not find output file with glob pattern: ['*.csv']."
)]
#[case::expression(
    "exprbad",
    "/",
    Reason::StepFailed,
    Some("/"),
    None,
    "step / failed: an expression failed: TypeError: Cannot read properties of undefined (reading 'nope')"
)]
#[case::expression_of_a_tool(
    "argbad",
    "/",
    Reason::StepFailed,
    Some("/"),
    None,
    "step / failed: an expression at argbad.cwl:5:13 failed: TypeError: Cannot read properties of undefined (reading 'nope')"
)]
#[case::expression_of_a_step(
    "stepexpr",
    "/a",
    Reason::StepFailed,
    Some("/a"),
    None,
    "step /a failed: an expression failed: TypeError: Cannot read properties of undefined (reading 'nope')"
)]
#[case::expression_tool_in_a_step(
    "wfexpr",
    "/a",
    Reason::StepFailed,
    Some("/a"),
    None,
    "step /a failed: an expression failed: TypeError: Cannot read properties of undefined (reading 'nope')"
)]
#[case::thrown_in_a_scatter(
    "scatterexpr",
    "/a",
    Reason::StepFailed,
    Some("/a"),
    None,
    "step /a failed: an expression at scatterexpr.cwl:11:66 failed: too much"
)]
#[case::no_outputs(
    "outmissing2",
    "/a /b",
    Reason::OutputsFailed,
    None,
    None,
    "the outputs of the workflow cannot be collected: All sources for 'o' are null"
)]
#[case::too_many_outputs(
    "outmissing",
    "/a /b",
    Reason::OutputsFailed,
    None,
    None,
    "the outputs of the workflow cannot be collected: Expected only one source for 'o' to be non-null"
)]
#[case::no_input(
    "missing",
    "/",
    Reason::InvalidInputs,
    None,
    None,
    "tool.cwl:4:10: Missing required input parameter 'message'"
)]
#[case::wrong_input(
    "wrongtype",
    "/",
    Reason::InvalidInputs,
    None,
    None,
    "inputs.json:1:2: the 'message' field is not valid because\nthe value is not string"
)]
#[case::bad_document(
    "bad",
    "/",
    Reason::InvalidWorkflow,
    None,
    None,
    "bad.cwl:4:1: checking field 'inputs'\nbad.cwl:4:10: checking object 'bad.cwl#message'\n\
     Field 'type' references unknown identifier 'strin', tried\nbad.cwl#strin"
)]
#[case::needs_a_container(
    "docker",
    "/",
    Reason::UnsupportedRequirement,
    None,
    None,
    "--no-container, but this CommandLineTool has DockerRequirement under 'requirements'."
)]
#[case::greedy(
    "greedy",
    "/",
    Reason::UnsupportedRequirement,
    None,
    None,
    "it asks for at least 512 cores but only 2 available"
)]
#[case::greedy_step(
    "wfgreedy",
    "/a",
    Reason::UnsupportedRequirement,
    None,
    None,
    "step /a: it asks for at least 512 cores but only 2 available"
)]
#[case::in_docker(
    "dkfail",
    "/",
    Reason::StepFailed,
    Some("/"),
    Some(5),
    "step / failed with exit code 5: telling"
)]
#[case::no_command_in_docker(
    "dknocmd",
    "/",
    Reason::StepFailed,
    Some("/"),
    Some(127),
    "step / failed with exit code 127 (command not found): docker: Error response from daemon: failed to create shim \
     task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"no-such\": \
     executable file not found in $PATH: unknown\nRun 'docker run --help' for more information"
)]
#[case::folder_not_shared(
    "dkunshared",
    "/",
    Reason::DeploymentFailed,
    Some("/"),
    Some(125),
    "step / failed: its container could not be started: invalid mount config for type \"bind\": bind source path \
     does not exist: /work/scratch/out/rmlghv8s"
)]
fn failures(
    #[case] name: &str,
    #[case] leaves: &str,
    #[case] reason: Reason,
    #[case] step: Option<&str>,
    #[case] exit_code: Option<i32>,
    #[case] message: &str,
) {
    let read = read(name, leaves);
    let verdict = judge(&read);
    assert_eq!(verdict.message, message);
    assert_eq!(
        (
            verdict.reason,
            verdict.failed_step.as_deref(),
            verdict.exit_code
        ),
        (reason, step, exit_code)
    );
    assert!(!read.doomed);
}

#[rstest]
#[case::hint(
    "dkpull",
    "/a",
    Reason::ImagePullFailed,
    "image nowhere.invalid/x:1 cannot be pulled: Get \
    \"https://nowhere.invalid/v2/\": dial tcp: lookup nowhere.invalid on 10.96.0.10:53: no such host"
)]
#[case::requirement(
    "dkpullreq",
    "/",
    Reason::ImagePullFailed,
    "image nowhere.invalid/x:1 cannot be pulled: Get \
    \"https://nowhere.invalid/v2/\": dial tcp: lookup nowhere.invalid on 10.96.0.10:53: no such host"
)]
#[case::no_daemon(
    "dkdown",
    "/a",
    Reason::DeploymentFailed,
    "Cannot connect to the Docker daemon at unix:///nope. Is the docker daemon running?"
)]
#[case::no_docker(
    "nodocker",
    "/a",
    Reason::DeploymentFailed,
    "docker executable is not available"
)]
fn failures_that_cwltool_may_hang_after(
    #[case] name: &str,
    #[case] step: &str,
    #[case] reason: Reason,
    #[case] message: &str,
) {
    let read = read(name, step);
    let verdict = judge(&read);
    assert_eq!(
        (verdict.reason, verdict.message.as_str()),
        (reason, message)
    );
    assert_eq!(verdict.failed_step.as_deref(), Some(step));
    assert!(read.doomed);
}

#[test]
fn an_engine_that_dies_at_once_leaves_its_last_words() {
    let log = b"Traceback (most recent call last):\n  File \"x\", line 8, in <module>\n\
                ModuleNotFoundError: No module named 'cwltool'\n";
    let read = read_text(log, "/");
    assert!(!read.log.spoke());
    assert_eq!(
        judge(&read).message,
        "the workflow engine ended with exit code 1: No module named 'cwltool'"
    );
}
