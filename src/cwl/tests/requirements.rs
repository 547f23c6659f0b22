//! Requirements that no engine or target honours.

use super::{TOOL, WORKFLOW, files, load, load_one, refused};
use crate::cwl::Kind;
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
    "hints: [{class: DockerRequirement, dockerOutputDirectory: /out}]",
    Some("main.cwl#/hints/DockerRequirement/dockerOutputDirectory")
)]
#[case("hints: [{class: NetworkAccess}, 7]", None)]
fn containers(#[case] rest: &str, #[case] place: Option<&str>) {
    let process = load_one(&format!("{TOOL}{rest}\n")).unwrap();
    assert_eq!(process.check_target(true), Ok(()));
    let problem = process.check_target(false).err();
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
    let problem = process.unwrap().check_target(false).unwrap_err();
    assert_eq!(
        problem.place,
        "tools/echo.cwl#/requirements/DockerRequirement"
    );
    let step = "a: {requirements: {DockerRequirement: {}}, ";
    let workflow = WORKFLOW.replace("a: {", step);
    let process = load(
        &files(&[("main.cwl", &workflow), ("tools/echo.cwl", TOOL)]),
        "main.cwl",
    );
    let problem = process.unwrap().check_target(false).unwrap_err();
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
