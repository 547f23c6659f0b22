//! Input objects against every CWL type.

use super::load_one;
use crate::cwl::{Kind, Known, Problem, Process, read_object};
use rstest::rstest;

fn process(inputs: &str) -> Process {
    let text = format!("cwlVersion: v1.2\nclass: CommandLineTool\noutputs: []\ninputs: {inputs}\n");
    load_one(&text).unwrap()
}

fn check(inputs: &str, given: &str) -> Result<(), Problem> {
    process(inputs).check_inputs(&read_object("inputs", given).unwrap(), Known::All)
}

#[rstest]
#[case("string", "a")]
#[case("string", "''")]
#[case("boolean", "false")]
#[case("int", "2147483647")]
#[case("int", "-2147483648")]
#[case("long", "2147483648")]
#[case("float", "1")]
#[case("double", "-1.5e300")]
#[case("int?", "null")]
#[case("'int[]'", "[]")]
#[case("'int[][]'", "[[1], []]")]
#[case("'File[]?'", "[{class: File, path: a}]")]
#[case("[int, string]", "a")]
#[case(
    "File",
    "{class: File, location: a, secondaryFiles: [{class: Directory, path: b}]}"
)]
#[case("File", "{class: File, contents: ''}")]
#[case("Directory", "{class: Directory, listing: []}")]
#[case("Any", "[1, {a: null}]")]
#[case("{type: enum, symbols: [a, '#x/b']}", "b")]
#[case(
    "{type: record, fields: {a: int, b: 'string?'}}",
    "{a: 1, 'p:extra': 2}"
)]
#[case("{type: record, fields: [{name: a, type: int}]}", "{a: 1}")]
fn fits(#[case] of: &str, #[case] value: &str) {
    check(&format!("{{x: {{type: {of}}}}}"), &format!("x: {value}")).unwrap();
}

#[rstest]
#[case("string", "1", "", "expected string, found int")]
#[case("string", "true", "", "expected string, found boolean")]
#[case("int", "2147483648", "", "expected int, found long")]
#[case("int", "1.0", "", "expected int, found float")]
#[case("int", "true", "", "expected int, found boolean")]
#[case("long", "18446744073709551615", "", "found an integer beyond 64 bits")]
#[case("double", "'1'", "", "expected double, found string")]
#[case("'int[]'", "1", "", "expected array of int, found int")]
#[case("'int[]'", "[1, a]", "[1]", "expected int, found string")]
#[case("'int[]?'", "[1, a]", "[1]", "expected int, found string")]
#[case("int?", "a", "", "expected null or int, found string")]
#[case(
    "File",
    "a.txt",
    "",
    "expected File, found string; a File is {class: File, location: …}"
)]
#[case(
    "File",
    "{location: a}",
    "",
    "expected File, found object without `class`"
)]
#[case(
    "File",
    "{class: Directory, location: a}",
    "",
    "expected File, found Directory"
)]
#[case(
    "File",
    "{class: File}",
    "",
    "a File needs `location`, `path` or `contents`"
)]
#[case(
    "File",
    "{class: File, location: 7}",
    ".location",
    "expected string, found int"
)]
#[case(
    "File",
    "{class: File, path: a, basename: b/c}",
    ".basename",
    "cannot contain `/`"
)]
#[case("File?", "{class: File}", "", "a File needs")]
#[case("Any", "[{class: File}]", "[0]", "a File needs")]
#[case("Directory", "{class: Directory}", "", "a Directory needs")]
#[case(
    "File",
    "{class: File, path: a, secondaryFiles: [{class: File, path: a}, {class: File}]}",
    ".secondaryFiles[1]",
    "a File needs"
)]
#[case(
    "{type: enum, symbols: [a, b]}",
    "c",
    "",
    "one of a, b, found a string that is none"
)]
#[case(
    "{type: record, fields: {a: int}}",
    "{}",
    "",
    "missing field `a` (int)"
)]
#[case(
    "{type: record, fields: {a: int}}",
    "{a: b}",
    ".a",
    "expected int, found string"
)]
#[case(
    "{type: record, fields: {a: int}}",
    "{a: 1, b: 2}",
    "",
    "no field `b`; it has a"
)]
#[case("Any", "null", "", "required input is missing (anything but null)")]
fn does_not_fit(#[case] of: &str, #[case] value: &str, #[case] place: &str, #[case] message: &str) {
    let problem = check(&format!("{{x: {{type: {of}}}}}"), &format!("x: {value}")).unwrap_err();
    assert_eq!(problem.kind, Kind::InvalidInputs);
    assert_eq!(problem.place, format!("inputs.x{place}"), "{problem}");
    assert!(problem.message.contains(message), "{problem}");
}

#[test]
fn several_problems_are_told_together() {
    let inputs =
        "{a: int, b: File, c: string, d: int, e: int, f: int, g: int?, h: {type: int, default: 1}}";
    let problem = check(inputs, "a: x").unwrap_err();
    assert_eq!(problem.place, "inputs.a");
    assert_eq!(
        problem.message,
        "expected int, found string; inputs.b: required input is missing (File); inputs.c: \
         required input is missing (string); inputs.d: required input is missing (int); inputs.e: \
         required input is missing (int); and 1 more"
    );
}

#[test]
fn what_comes_later_is_not_missing() {
    let process = process("{a: int, sample: File, c: {type: int, default: x}}");
    let some = read_object("inputs", "{a: 1, samples: 2}").unwrap();
    process.check_inputs(&some, Known::Partial).unwrap();
    let wrong = read_object("inputs", "a: x").unwrap();
    assert!(process.check_inputs(&wrong, Known::Partial).is_err());
}

#[rstest]
#[case("mesage: a", Some("message"))]
#[case("Message: a", Some("message"))]
#[case("max_memory: 1\nmessage: a", Some("maxMemory"))]
#[case("message: a\nmesage: b", None)]
#[case("message: a\nfile2: b", None)]
#[case("message: a\n'cwl:tool': b", None)]
fn misspelt_inputs(#[case] given: &str, #[case] meant: Option<&str>) {
    let inputs = "{message: string, file1: 'File?', maxMemory: {type: int, default: 1}}";
    let problem = check(inputs, given).err();
    match (problem, meant) {
        (None, None) => {}
        (Some(problem), Some(meant)) => {
            let hint = format!("did you mean `{meant}`? It has file1, maxMemory, message");
            assert!(problem.message.contains(&hint), "{problem}");
        }
        (problem, _) => panic!("{problem:?}"),
    }
}

#[test]
fn undeclared_inputs_can_be_told() {
    let given = read_object("inputs", "a: 1\nb: 2\n'x:c': 3").unwrap();
    assert_eq!(process("{a: int}").undeclared(&given), ["b"]);
}

#[test]
fn a_default_in_use_must_fit() {
    let problem = check("{a: {type: int, default: x}}", "").unwrap_err();
    assert_eq!(problem.kind, Kind::InvalidWorkflow);
    assert_eq!(problem.place, "main.cwl#/inputs/a/default");
    check("{a: {type: int, default: x}}", "a: 1").unwrap();
    check("{a: {type: int, default: 1}}", "a: null").unwrap();
}

#[test]
fn types_may_contain_themselves() {
    let text = "\
cwlVersion: v1.2
class: CommandLineTool
requirements: {SchemaDefRequirement: {types: [{name: t, type: record, fields: {next: t?}}]}}
inputs: {x: t}
outputs: []
";
    let process = load_one(text).unwrap();
    let fits = read_object("inputs", "x: {next: {next: null}}").unwrap();
    process.check_inputs(&fits, Known::All).unwrap();
    let wrong = read_object("inputs", "x: {next: {next: 1}}").unwrap();
    let problem = process.check_inputs(&wrong, Known::All).unwrap_err();
    assert_eq!(problem.place, "inputs.x.next.next", "{problem}");
}

#[rstest]
#[case("x: hunter2 y: z")]
#[case("x: !!int hunter2")]
#[case("- hunter2")]
#[case("x: [hunter2")]
#[case("x: !hunter2 a")]
fn unreadable_inputs_are_not_quoted(#[case] text: &str) {
    let problem = read_object("inputsFrom[0]", text).unwrap_err();
    assert_eq!(problem.place, "inputsFrom[0]");
    assert!(!problem.message.contains("hunter2"), "{problem}");
}

#[rstest]
#[case("string", "[hunter2]")]
#[case("int", "hunter2")]
#[case("File", "{class: hunter2}")]
#[case("File", "{class: File, location: [hunter2]}")]
#[case("{type: enum, symbols: [a]}", "hunter2")]
#[case("{type: array, items: int}", "[1, hunter2]")]
fn values_are_never_quoted(#[case] of: &str, #[case] value: &str) {
    let problem = check(&format!("{{x: {{type: {of}}}}}"), &format!("x: {value}")).unwrap_err();
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
}
