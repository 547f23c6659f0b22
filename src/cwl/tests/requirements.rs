//! Requirements that no engine or target honours.

use super::{TOOL, WORKFLOW, files, load, load_one, refused};
use crate::cwl::Kind;
use crate::cwl::needs::Amount;
use rstest::rstest;

#[rstest]
#[case("requirements: {Foo: {}}", "main.cwl#/requirements/Foo", "`Foo`")]
#[case(
    "requirements: [{class: 'x:Loop'}]",
    "main.cwl#/requirements/x:Loop",
    "cwltool:Loop"
)]
fn unknown_requirements(#[case] rest: &str, #[case] place: &str, #[case] message: &str) {
    let text = format!("{TOOL}{rest}\n");
    refused(&text, Kind::UnsupportedRequirement, place, message);
}

#[test]
fn a_requirement_needs_its_class() {
    let text = format!("{TOOL}requirements: [{{dockerPull: debian}}]\n");
    refused(
        &text,
        Kind::InvalidWorkflow,
        "main.cwl#/requirements/0",
        "missing field `class`",
    );
}

#[test]
fn an_operation_runs_nothing() {
    let text = TOOL.replace("CommandLineTool", "Operation");
    refused(
        &text,
        Kind::UnsupportedRequirement,
        "main.cwl#/class",
        "not what to run",
    );
}

#[rstest]
#[case(
    "requirements: {DockerRequirement: {dockerPull: debian}}",
    Some("main.cwl#/requirements/DockerRequirement")
)]
#[case("hints: {DockerRequirement: {dockerPull: debian}}", None)]
#[case(
    "hints: [{class: DockerRequirement, dockerPull: a, dockerOutputDirectory: /out}]",
    Some("main.cwl#/hints/DockerRequirement/dockerOutputDirectory")
)]
#[case("hints: [{class: NetworkAccess}, 7]", None)]
fn containers(#[case] rest: &str, #[case] place: Option<&str>) {
    let process = load_one(&format!("{TOOL}{rest}\n")).unwrap();
    assert_eq!(process.check_target(|_| true), Ok(()));
    let problem = process.check_target(|_| false).err();
    assert_eq!(
        problem.as_ref().map(|problem| problem.place.as_str()),
        place
    );
    assert!(problem.is_none_or(|problem| problem.kind == Kind::UnsupportedRequirement));
}

#[test]
fn containers_of_steps_and_their_tools() {
    let docker = format!("{TOOL}requirements: [{{class: DockerRequirement, dockerPull: a}}]\n");
    let process = load(
        &files(&[("main.cwl", WORKFLOW), ("tools/echo.cwl", &docker)]),
        "main.cwl",
    );
    let problem = process.unwrap().check_target(|_| false).unwrap_err();
    assert_eq!(
        problem.place,
        "tools/echo.cwl#/requirements/DockerRequirement"
    );
    let step = "a: {requirements: {DockerRequirement: {dockerPull: a}}, ";
    let workflow = WORKFLOW.replace("a: {", step);
    let process = load(
        &files(&[("main.cwl", &workflow), ("tools/echo.cwl", TOOL)]),
        "main.cwl",
    );
    let problem = process.unwrap().check_target(|_| false).unwrap_err();
    assert_eq!(
        problem.place,
        "main.cwl#/steps/a/requirements/DockerRequirement"
    );
    assert!(
        problem
            .message
            .contains("Under `hints` it would be ignored"),
        "{problem}"
    );
}

const NESTED: &str = "\
cwlVersion: v1.2
class: Workflow
$namespaces: {cwltool: 'http://commonwl.org/cwltool#'}
requirements: {SubworkflowFeatureRequirement: {}, ResourceRequirement: {ramMin: 100}}
hints: {DockerRequirement: {dockerPull: outer}, 'cwltool:CUDARequirement': {cudaDeviceCountMin: 2}}
inputs: {message: string}
outputs: {}
steps:
  plain: {run: tools/echo.cwl, in: {message: message}, out: []}
  wanted:
    run: tools/echo.cwl
    in: {message: message}
    out: []
    requirements: {ResourceRequirement: {coresMin: 2, ramMin: $(inputs.n)}, NetworkAccess: {networkAccess: true}}
  inner:
    run:
      class: Workflow
      inputs: {message: string}
      outputs: {}
      requirements: {DockerRequirement: {dockerPull: middle}}
      steps: {say: {run: tools/own.cwl, in: {message: message}, out: []}}
    in: {message: message}
    out: []
";

#[test]
fn the_innermost_requirement_wins_over_every_hint() {
    let own = format!("{TOOL}hints: {{DockerRequirement: {{dockerPull: own}}}}\n");
    let files = files(&[
        ("main.cwl", NESTED),
        ("tools/echo.cwl", TOOL),
        ("tools/own.cwl", &own),
    ]);
    let process = load(&files, "main.cwl").unwrap();
    assert_eq!(process.workflows(), ["/", "/inner"]);
    let needs = |path: &str| {
        let step = process.steps().iter().find(|step| step.path == path);
        &step.unwrap().needs
    };
    let image = |path: &str| {
        needs(path)
            .container
            .as_ref()
            .unwrap()
            .image
            .clone()
            .unwrap()
    };
    assert_eq!(image("/plain"), "outer");
    assert_eq!(image("/inner/say"), "middle");
    let memory = |path: &str| needs(path).resources.as_ref().unwrap().memory.0;
    assert_eq!(memory("/plain"), Some(Amount::Number(100.0)));
    assert_eq!(memory("/wanted"), Some(Amount::Computed));
    assert!(needs("/wanted").resources.as_ref().unwrap().computed());
    assert_eq!(needs("/wanted").network, Some(true));
    assert_eq!(needs("/plain").network, None);
    assert_eq!(
        needs("/plain").gpus.as_ref().unwrap().count,
        Amount::Number(2.0)
    );
}

#[test]
fn tools_of_the_first_version_have_the_network() {
    let tool = TOOL.replace("v1.2", "v1.0");
    let process = load_one(&tool).unwrap();
    assert_eq!(process.steps()[0].needs.network, Some(true));
}

#[test]
fn an_image_that_would_have_to_be_built_is_refused() {
    let text = format!("{TOOL}hints: {{DockerRequirement: {{dockerFile: FROM debian}}}}\n");
    let process = load_one(&text).unwrap();
    assert_eq!(process.check_target(|_| false), Ok(()));
    let problem = process.check_target(|_| true).unwrap_err();
    assert!(
        problem.message.contains("neither `dockerPull`"),
        "{problem}"
    );
}
