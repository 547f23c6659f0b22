//! The real cwltool; passed over where DVRE_STREAMFLOW names no environment to find it in.

use std::time::Duration;

use dvre_operator::runner::record::{EngineName, Phase, Reason, StepPhase};
use rstest::rstest;
use serde_json::{Value, json};

use super::streamflow::CWL;
use super::world::{World, lives};

/// A run of the same workflow that StreamFlow is tested with.
fn world(cwl: &str, code: i32) -> Option<World> {
    let inputs =
        json!({"f": {"class": "File", "path": "in put.txt"}, "code": code, "n": [1, 2, 3]});
    let world = World::new()
        .workflow(cwl, &inputs)
        .with("engine", json!("Cwltool"))
        .with("outputs", json!("/outputs"))
        .cwltool();
    let world = world.or_else(|| {
        eprintln!("passed over: DVRE_STREAMFLOW is not set");
        None
    })?;
    world.write("dvre/run/workflow/in put.txt", "hello\n");
    std::fs::create_dir(world.root.join("outputs")).unwrap();
    Some(world)
}

#[test]
fn a_workflow_succeeds() {
    let Some(world) = world(CWL, 0) else { return };
    let ended = world.run();
    let outcome = ended.outcome;
    assert_eq!(outcome.phase, Phase::Succeeded, "{}", ended.log);
    assert_eq!(outcome.engine, EngineName::Cwltool);
    assert!(
        outcome.message.starts_with("2 steps completed in "),
        "{}",
        outcome.message
    );
    assert!(
        !outcome.message.contains("StreamFlow"),
        "{}",
        outcome.message
    );
    assert_eq!((outcome.completed, outcome.total), (4, 4));
    let steps: Vec<_> = outcome
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.phase, step.total, step.exit_code))
        .collect();
    assert_eq!(
        steps,
        [
            ("/a", StepPhase::Succeeded, 1, Some(0)),
            ("/b", StepPhase::Succeeded, 3, Some(0))
        ]
    );
    let outputs = outcome.outputs.unwrap();
    assert_eq!(outputs["copy"]["contents"], "hello\n");
    let parts = outputs["parts"].as_array().unwrap();
    let stored: Vec<_> = parts
        .iter()
        .map(|part| world.read(&format!("outputs/{}", part["location"].as_str().unwrap())))
        .collect();
    assert_eq!(stored, ["part 1\n", "part 2\n", "part 3\n"]);
    let engines: Vec<_> = ended.progress.iter().map(|line| line.engine).collect();
    assert!(
        engines
            .iter()
            .all(|engine| *engine == Some(EngineName::Cwltool))
    );
    // How many lines there are depends on how fast it goes.
    let completed: Vec<_> = ended.progress.iter().map(|line| line.completed).collect();
    assert!(completed.is_sorted(), "{completed:?}");
    assert_eq!(completed.last(), Some(&4));
}

#[rstest]
#[case::exit_code(CWL, 7, "/b", Some(7), "step /b failed with exit code 7: telling")]
#[case::error_file(&CWL.replace("outputs: {part", "stderr: err.txt\n      outputs: {part"), 7,
    "/b", Some(7), "step /b failed with exit code 7: telling")]
#[case::no_command(&CWL.replace("baseCommand: cat", "baseCommand: no-such-command"), 0,
    "/a", Some(127), "step /a failed with exit code 127 (command not found)")]
#[case::no_output(&CWL.replace("*.txt", "*.csv"), 0, "/b", None, "output part")]
fn a_step_fails(
    #[case] cwl: &str,
    #[case] code: i32,
    #[case] step: &str,
    #[case] exit_code: Option<i32>,
    #[case] message: &str,
) {
    let Some(world) = world(cwl, code) else {
        return;
    };
    let ended = world.run();
    let outcome = ended.outcome;
    assert_eq!(
        (outcome.phase, outcome.reason, outcome.engine),
        (Phase::Failed, Reason::StepFailed, EngineName::Cwltool),
        "{}",
        ended.log
    );
    assert_eq!(
        (outcome.failed_step.as_deref(), outcome.exit_code),
        (Some(step), exit_code)
    );
    assert!(outcome.message.contains(message), "{}", outcome.message);
    // It prints an object all the same.
    assert_eq!(outcome.outputs, None);
    let failed = |step: &&_| matches!(step, StepPhase::Failed);
    assert_eq!(
        outcome
            .steps
            .iter()
            .map(|step| &step.phase)
            .filter(failed)
            .count(),
        1,
        "{}",
        ended.log
    );
}

const TOOL: &str = "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: [sh, -c], \
    arguments: ['echo \"key $(inputs.key)\" >&2; exit 3'], inputs: {key: string}, outputs: {}}";

#[rstest]
#[case::tool(&TOOL.replace("exit 3", "exit 0"), json!({"key": "x"}), Phase::Succeeded, Reason::Completed)]
#[case::greedy(&TOOL.replace("inputs:", "requirements: {ResourceRequirement: {coresMin: 5000}}, inputs:"),
    json!({"key": "x"}), Phase::Failed, Reason::UnsupportedRequirement)]
#[case::container(&TOOL.replace("inputs:", "requirements: {DockerRequirement: {dockerPull: x}}, inputs:"),
    json!({"key": "x"}), Phase::Failed, Reason::UnsupportedRequirement)]
fn a_tool_ends(
    #[case] cwl: &str,
    #[case] inputs: Value,
    #[case] phase: Phase,
    #[case] reason: Reason,
) {
    let Some(world) = world(cwl, 0) else { return };
    let ended = world.workflow(cwl, &inputs).run();
    assert_eq!(
        (ended.outcome.phase, ended.outcome.reason),
        (phase, reason),
        "{}",
        ended.log
    );
}

#[test]
fn an_expression_alone_is_a_step() {
    let cwl = "{cwlVersion: v1.2, class: ExpressionTool, requirements: {InlineJavascriptRequirement: {}}, \
        expression: '${return {n: 1};}', inputs: {}, outputs: {n: int}}";
    let Some(world) = world(cwl, 0) else { return };
    let ended = world.workflow(cwl, &json!({})).run();
    assert_eq!(ended.outcome.phase, Phase::Succeeded, "{}", ended.log);
    assert!(
        ended.outcome.message.starts_with("1 step completed"),
        "{}",
        ended.outcome.message
    );
    assert_eq!(ended.outcome.outputs.unwrap()["n"], 1);
}

#[test]
fn a_secret_is_hidden_from_log_and_message() {
    let Some(world) = world(TOOL, 0) else { return };
    let world = world
        .workflow(TOOL, &json!({}))
        .with("inputs", json!(["/dvre/secrets/0/inputs"]))
        .with("secretInputs", json!(true));
    world.write("dvre/secrets/0/inputs", "key: hunter2-key\n");
    let ended = world.run();
    assert_eq!(
        ended.outcome.message,
        "step / failed with exit code 3: key [redacted]; \
         more in .dvre/hello-1/steps/stderr-0.log, beside the outputs"
    );
    assert_eq!(
        world.read("outputs/.dvre/hello-1/steps/stderr-0.log"),
        "key [redacted]\n"
    );
    assert!(!ended.log.contains("hunter2"), "{}", ended.log);
}

#[test]
fn a_run_is_stopped_soon_with_all_that_it_started() {
    let Some(world) = world(
        &CWL.replace("echo telling >&2", "echo pid $$ >&2; sleep 1000"),
        0,
    ) else {
        return;
    };
    let mut running = world.start();
    let ended = running.until("pid ").stop().end();
    assert_eq!(
        (ended.outcome.phase, ended.code),
        (Phase::Cancelled, Some(143)),
        "{}",
        ended.log
    );
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    let pids = ended
        .log
        .lines()
        .filter_map(|line| line.strip_prefix("pid "));
    assert!(!pids.inspect(|pid| assert!(!pid.is_empty())).any(lives));
}

const HANGS: &str = "{cwlVersion: v1.2, class: Workflow, inputs: {}, outputs: {}, steps: {\
    a: {in: {}, out: [], run: {class: CommandLineTool, hints: {DockerRequirement: {dockerPull: x}}, \
        baseCommand: 'true', inputs: {}, outputs: {}}}, \
    b: {in: {}, out: [], run: {class: CommandLineTool, baseCommand: [sleep, '6'], inputs: {}, outputs: {}}}}}";

/// When one job cannot begin, cwltool mostly waits for the others while it holds a lock that they need,
/// and then for ever; at times it waits without the lock.
#[test]
fn a_run_that_has_failed_ends_though_cwltool_does_not() {
    let Some(world) = world(HANGS, 0) else { return };
    let world = world
        .workflow(HANGS, &json!({}))
        .with("cwltool", json!({"containers": "Docker"}))
        .script(
            "docker",
            "sleep 0.5; echo 'Cannot connect to the Docker daemon at x' >&2; exit 1",
        );
    let ended = with_path(world).run();
    assert_eq!(
        ended.outcome.reason,
        Reason::DeploymentFailed,
        "{}",
        ended.log
    );
    assert_eq!(
        ended.outcome.message,
        "Cannot connect to the Docker daemon at x; \
         more in .dvre/hello-1/engine.log, beside the outputs"
    );
    assert_eq!(ended.outcome.failed_step.as_deref(), Some("/a"));
    assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
}

/// Programs are found in the world's folder first.
fn with_path(world: World) -> World {
    let bin = world.root.join("usr/local/bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    world.env("PATH", path.as_ref())
}

/// The runner's own limit is to blame only for what ran in its container.
#[rstest]
#[case::here("sh", Reason::OutOfMemory)]
#[case::in_docker("docker", Reason::StepFailed)]
fn a_job_is_killed_while_memory_is_short(#[case] program: &str, #[case] reason: Reason) {
    let world = World::new()
        .with("engine", json!("Cwltool"))
        .with("cwltool", json!({"containers": "Docker"}))
        .script(
            "cwltool",
            &format!(
                "echo 'oom_kill 3' > ../sys/fs/cgroup/memory.events\n\
                 echo '[2026-11-24 18:28:51] INFO [job main.cwl] /x$ {program} \\' >&2\n\
                 echo '    run' >&2\n\
                 echo '[2026-11-24 18:28:51] WARNING [job main.cwl] exited with status: 137' >&2\n\
                 echo '[2026-11-24 18:28:51] WARNING [job main.cwl] completed permanentFail' >&2\n\
                 exit 1"
            ),
        );
    world.write("sys/fs/cgroup/memory.events", "low 0\noom_kill 2\n");
    let outcome = world.run().outcome;
    assert_eq!((outcome.reason, outcome.exit_code), (reason, Some(137)));
}

#[test]
fn containers_that_cwltool_leaves_are_removed() {
    let world = World::new()
        .with("engine", json!("Cwltool"))
        .with("cwltool", json!({"containers": "Docker"}))
        .script("cwltool", "mkdir -p scratch/tmp/a; echo 46effe31457c > scratch/tmp/a/1.cid\n\
            echo '[2026-11-24 18:28:52] INFO ready' >&2; trap '' TERM; while true; do sleep 1; done")
        .script("docker", "echo \"$@\" >> ${0%/*}/called");
    let world = with_path(world);
    let ended = world.start().until("ready").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Cancelled);
    assert_eq!(
        world.read("usr/local/bin/called"),
        "rm --force --volumes 46effe31457c\n"
    );
}
