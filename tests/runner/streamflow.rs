//! The real StreamFlow with the project's plugin; passed over where DVRE_STREAMFLOW names none.

use std::time::Duration;

use dvre_operator::runner::record::{Phase, Reason, StepPhase};
use rstest::rstest;
use serde_json::json;

use super::world::World;

/// Two steps; the second has a scatter and the exit code that the inputs say.
pub const CWL: &str = r#"
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}, InlineJavascriptRequirement: {}}
inputs: {f: File, code: int, n: "int[]"}
outputs:
  copy: {type: File, outputSource: a/copy}
  parts: {type: "File[]", outputSource: b/part}
steps:
  a:
    in: {f: f}
    out: [copy]
    run:
      class: CommandLineTool
      baseCommand: cat
      inputs: {f: {type: File, inputBinding: {position: 1}}}
      outputs: {copy: {type: stdout}}
      stdout: copy.txt
  b:
    in: {f: a/copy, n: n, code: code}
    scatter: n
    out: [part]
    run:
      class: CommandLineTool
      baseCommand: [sh, -c]
      arguments: ["echo part $0 > part.txt; echo telling >&2; exit $1", $(inputs.n), $(inputs.code)]
      inputs: {f: File, n: int, code: int}
      outputs: {part: {type: File, outputBinding: {glob: "*.txt"}}}
"#;

fn world(cwl: &str, code: i32) -> Option<World> {
    let inputs =
        json!({"f": {"class": "File", "path": "in put.txt"}, "code": code, "n": [1, 2, 3]});
    let world = World::new()
        .workflow(cwl, &inputs)
        .with("outputs", json!("/outputs"))
        .streamflow();
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
    assert_eq!(ended.outcome.phase, Phase::Succeeded, "{}", ended.log);
    assert_eq!((ended.outcome.completed, ended.outcome.total), (4, 4));
    let steps: Vec<_> = ended
        .outcome
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.phase, step.total))
        .collect();
    assert_eq!(
        steps,
        [
            ("/a", StepPhase::Succeeded, 1),
            ("/b", StepPhase::Succeeded, 3)
        ]
    );
    let outputs = ended.outcome.outputs.unwrap();
    assert_eq!(outputs["copy"]["contents"], "hello\n");
    let locations: Vec<_> = (0..3)
        .map(|n| outputs["parts"][n]["location"].as_str().unwrap())
        .collect();
    let mut stored: Vec<_> = locations
        .iter()
        .map(|path| world.read(&format!("outputs/{path}")))
        .collect();
    stored.sort();
    assert_eq!(stored, ["part 1\n", "part 2\n", "part 3\n"]);
}

#[rstest]
#[case::exit_code(
    CWL,
    7,
    Reason::StepFailed,
    "/b",
    Some(7),
    "step /b failed with exit code 7: telling"
)]
#[case::no_command(&CWL.replace("baseCommand: cat", "baseCommand: no-such-command"), 0,
    Reason::StepFailed, "/a", Some(127), "step /a failed with exit code 127 (command not found)")]
#[case::no_output(&CWL.replace("*.txt", "*.csv"), 0, Reason::StepFailed, "/b", None, "output part")]
fn a_step_fails(
    #[case] cwl: &str,
    #[case] code: i32,
    #[case] reason: Reason,
    #[case] step: &str,
    #[case] exit_code: Option<i32>,
    #[case] message: &str,
) {
    let Some(world) = world(cwl, code) else {
        return;
    };
    let ended = world.run();
    assert_eq!(
        (ended.outcome.phase, ended.outcome.reason),
        (Phase::Failed, reason),
        "{}",
        ended.log
    );
    assert_eq!(
        (
            ended.outcome.failed_step.as_deref(),
            ended.outcome.exit_code
        ),
        (Some(step), exit_code)
    );
    assert!(
        ended.outcome.message.contains(message),
        "{}",
        ended.outcome.message
    );
    assert_eq!(
        ended
            .outcome
            .steps
            .iter()
            .filter(|step| step.phase == StepPhase::Failed)
            .count(),
        1
    );
}

#[test]
fn a_workflow_is_cancelled() {
    let Some(world) = world(
        &CWL.replace("echo telling >&2", "echo $$ > /proc/self/fd/2; sleep 1000"),
        0,
    ) else {
        return;
    };
    let mut running = world.start();
    let ended = running.until("EXECUTING step /b").stop().end();
    assert_eq!(
        (ended.outcome.phase, ended.code),
        (Phase::Cancelled, Some(143)),
        "{}",
        ended.log
    );
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
}
