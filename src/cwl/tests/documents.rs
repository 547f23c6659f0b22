//! Whole documents: what is accepted, and what is refused where.

use super::{TOOL, WORKFLOW, files, load, load_one, refused};
use crate::cwl::{Kind, Process};
use rstest::rstest;

const PACKED: &str = "\
cwlVersion: v1.0
$graph:
- id: '#main'
  class: Workflow
  inputs: [{id: '#main/message', type: string}]
  outputs: [{id: '#main/out', type: File, outputSource: '#main/sub/out'}]
  requirements: [{class: SubworkflowFeatureRequirement}]
  steps:
  - id: '#main/sub'
    run: '#inner'
    in: [{id: '#main/sub/message', source: '#main/message'}]
    out: ['#main/sub/out']
- id: '#inner'
  class: Workflow
  inputs: [{id: '#inner/message', type: string}]
  outputs: [{id: '#inner/out', type: File, outputSource: '#inner/echo/out'}]
  steps:
  - id: '#inner/echo'
    run: '#echo'
    in: [{id: '#inner/echo/message', source: ['#inner/message']}]
    out: ['#inner/echo/out']
- id: '#echo'
  class: CommandLineTool
  inputs: [{id: '#echo/message', type: string}]
  outputs: [{id: '#echo/out', type: stdout}]
";

fn paths(process: &Process) -> Vec<&str> {
    process
        .steps()
        .iter()
        .map(|step| step.path.as_str())
        .collect()
}

#[test]
fn a_tool_is_one_step() {
    assert_eq!(paths(&load_one(TOOL).unwrap()), ["/"]);
    let json = r#"{"cwlVersion": "v1.1", "class": "ExpressionTool", "inputs": [], "outputs": [],
        "expression": "$({})", "s:author": "\ud83d\ude00"}"#;
    assert_eq!(paths(&load_one(json).unwrap()), ["/"]);
}

#[test]
fn steps_come_in_the_order_of_their_links() {
    let files = files(&[("main.cwl", WORKFLOW), ("tools/echo.cwl", TOOL)]);
    let process = load(&files, "main.cwl").unwrap();
    assert_eq!(paths(&process), ["/a", "/b"]);
    assert_eq!(paths(&load(&files, "./tools/echo.cwl").unwrap()), ["/"]);
}

#[rstest]
#[case("main.cwl", &["/sub/echo"])]
#[case("main.cwl#main", &["/sub/echo"])]
#[case("main.cwl#inner", &["/echo"])]
#[case("main.cwl#echo", &["/"])]
fn packed_documents(#[case] entrypoint: &str, #[case] steps: &[&str]) {
    let files = files(&[("main.cwl", PACKED)]);
    assert_eq!(paths(&load(&files, entrypoint).unwrap()), steps);
}

#[test]
fn imports_and_named_types() {
    let tool = "\
cwlVersion: v1.2
class: CommandLineTool
requirements:
  SchemaDefRequirement: {types: [{$import: types.yml}]}
  InlineJavascriptRequirement: {expressionLib: [{$include: lib.js}]}
hints: [{$import: hint.yml}, {class: 'example:Anything'}]
inputs: {$import: sub/inputs.yml}
outputs: []
";
    let files = files(&[
        ("main.cwl", tool),
        (
            "types.yml",
            "[{name: pair, type: record, fields: {a: int, b: 'pair?'}}]",
        ),
        ("hint.yml", "class: DockerRequirement\ndockerPull: debian\n"),
        ("lib.js", "function f() { return '[[['; }"),
        (
            "sub/inputs.yml",
            "- {id: one, type: '../types.yml#pair'}\n- {id: two, type: 'pair[]?'}\n",
        ),
        ("unused.bin", "\u{0}[[[[ nothing refers to this"),
    ]);
    load(&files, "main.cwl").unwrap();
}

#[rstest]
#[case::binding("inputs: {x: {type: [\"null\", File, {type: array, items: [int, 'long[]']}]}}")]
#[case::streams("inputs: {x: stdin}")]
#[case::schema("inputs: {x: {type: {type: enum, symbols: [a, 'p:b']}}}")]
#[case::full_names("inputs: [{id: x, type: 'http://www.w3.org/2001/XMLSchema#string'}]")]
#[case::extension("inputs: []\n's:license': x\n$schemas: [x.rdf]")]
#[case::merge_key("inputs: {x: &x {type: int}, y: {<<: *x, default: 1}}")]
fn accepted(#[case] rest: &str) {
    let text = format!("cwlVersion: v1.2\nclass: CommandLineTool\noutputs: {{}}\n{rest}\n");
    load_one(&text).unwrap();
}

#[rstest]
#[case::empty("", "main.cwl", "expected a CWL process, found null")]
#[case::text("hello", "main.cwl", "expected a CWL process, found string")]
#[case::yaml("a: [b", "main.cwl", "not CWL: neither YAML nor JSON")]
#[case::duplicate("class: a\nclass: b", "main.cwl", "duplicate key `class`")]
#[case::tag("class: !a b", "main.cwl", "YAML tags")]
#[case::version("class: Workflow", "main.cwl", "missing `cwlVersion`")]
#[case::unknown(
    "cwlVersion: v1.3\nclass: Workflow",
    "main.cwl#/cwlVersion",
    "unknown CWL version"
)]
#[case::draft(
    "cwlVersion: draft-3",
    "main.cwl#/cwlVersion",
    "supported are v1.0, v1.1 and v1.2"
)]
#[case::class("cwlVersion: v1.2\ninputs: []", "main.cwl", "missing `class`")]
#[case::what(
    "cwlVersion: v1.2\nclass: Tool",
    "main.cwl#/class",
    "unknown class, expected one of"
)]
#[case::import(
    "a: {$import: x.cwl}",
    "main.cwl#/a/$import",
    "there is no file `x.cwl`"
)]
#[case::fetch(
    "a: {$import: 'http://x.org/y'}",
    "main.cwl#/a/$import",
    "nothing is fetched"
)]
#[case::include("a: [{$include: ../x}]", "main.cwl#/a/0/$include", "leaves the folder")]
#[case::mixin("a: {$mixin: x}", "main.cwl#/a/$mixin", "not supported")]
#[case::cycle("$import: main.cwl", "main.cwl", "imports itself")]
#[case::graph(
    "cwlVersion: v1.2\n$graph: []",
    "main.cwl",
    "several processes and no `#main`"
)]
fn not_cwl(#[case] text: &str, #[case] place: &str, #[case] message: &str) {
    refused(text, Kind::InvalidWorkflow, place, message);
}

#[rstest]
#[case::inputs("outputs: []", "main.cwl", "missing field `inputs`")]
#[case::outputs("inputs: []", "main.cwl", "missing field `outputs`")]
#[case::misspelt(
    "inputs: []\noutputs: []\nbaseComand: x",
    "main.cwl",
    "unknown field `baseComand`"
)]
#[case::no_type(
    "inputs: {x: {doc: y}}\noutputs: []",
    "main.cwl#/inputs/x",
    "missing field `type`"
)]
#[case::a_type(
    "inputs: {x: strng}\noutputs: []",
    "main.cwl#/inputs/x",
    "unknown type `strng`"
)]
#[case::nested(
    "inputs: {x: {type: {type: array, items: [int, Foo]}}}\noutputs: []",
    "main.cwl#/inputs/x/type/items/1",
    "unknown type `Foo`"
)]
#[case::no_items(
    "inputs: {x: {type: {type: array}}}\noutputs: []",
    "main.cwl#/inputs/x/type",
    "missing field `items`"
)]
#[case::stdout(
    "inputs: {x: stdout}\noutputs: []",
    "main.cwl#/inputs/x",
    "unknown type `stdout`"
)]
#[case::no_id(
    "inputs: [{type: int}]\noutputs: []",
    "main.cwl#/inputs/0",
    "missing field `id`"
)]
#[case::twice(
    "inputs: [{id: x, type: int}, {id: '#x', type: int}]\noutputs: []",
    "main.cwl#/inputs/x",
    "duplicate id `x`"
)]
#[case::base(
    "inputs: []\noutputs: []\nbaseCommand: {}",
    "main.cwl#/baseCommand",
    "found object"
)]
fn bad_tools(#[case] rest: &str, #[case] place: &str, #[case] message: &str) {
    let text = format!("cwlVersion: v1.2\nclass: CommandLineTool\n{rest}\n");
    refused(&text, Kind::InvalidWorkflow, place, message);
}

#[rstest]
#[case("s: {in: [], out: []}", "s", "missing field `run`")]
#[case("s: {run: x.cwl, out: []}", "s/run", "there is no file `x.cwl`")]
#[case("s: {run: /x.cwl, out: []}", "s/run", "not a relative path")]
#[case("s: {run: ../x.cwl, out: []}", "s/run", "leaves the folder")]
#[case("s: {run: '#x', out: []}", "s/run", "`main.cwl` has no `#x`")]
#[case("s: {run: main.cwl, in: [], out: []}", "", "this process runs itself")]
#[case(
    "s: {run: 7, in: [], out: []}",
    "s/run",
    "expected a CWL process, found int"
)]
#[case("s: {run: *t, out: []}", "s", "missing field `in`")]
#[case("s: {run: *t, in: {i: x}}", "s", "missing field `out`")]
#[case(
    "s: {run: *t, in: {i: x}, out: [p]}",
    "s/out/0",
    "no output `p`; it has o"
)]
#[case("s: {run: *t, in: {}, out: [o]}", "s/in", "required input `i`")]
#[case(
    "s: {run: *t, in: {i: y}, out: [o]}",
    "s/in/i",
    "no input `y`; there are x"
)]
#[case(
    "s: {run: *t, in: {i: r/o}, out: [o]}",
    "s/in/i",
    "no step `r`; there are s"
)]
#[case(
    "s: {run: *t, in: {i: [x, '#s/p']}, out: [o]}",
    "s/in/i/1",
    "step `s` has no output `p`"
)]
#[case("s: {run: *t, in: {i: s/o}, out: [o]}", "s", "in a circle: s")]
#[case(
    "s: {run: *t, in: {i: x}, out: [o], scatter: j}",
    "s/scatter",
    "no input `j` to scatter"
)]
#[case(
    "s: {run: *t, in: {i: x}, out: [o], foreach: i}",
    "s",
    "unknown field `foreach`"
)]
fn bad_steps(#[case] step: &str, #[case] place: &str, #[case] message: &str) {
    let tool = "t: &t {class: CommandLineTool, inputs: {i: int}, outputs: {o: int}}";
    let text = format!(
        "cwlVersion: v1.2\nclass: Workflow\n'x:{tool}\ninputs: {{x: int}}\noutputs: []\nsteps:\n  {step}\n"
    )
    .replacen("'x:t:", "'x:t':", 1);
    let place = match place {
        "" => "main.cwl".to_owned(),
        place => format!("main.cwl#/steps/{place}"),
    };
    refused(&text, Kind::InvalidWorkflow, &place, message);
}

#[rstest]
#[case("other.cwl", "other.cwl", "no such file; there are main.cwl")]
#[case(
    "main.cwl#x",
    "main.cwl#x",
    "`main.cwl` has no `#x`; there are #main, #inner, #echo"
)]
#[case("../main.cwl", "../main.cwl", "leaves the folder")]
fn bad_entrypoints(#[case] entrypoint: &str, #[case] place: &str, #[case] message: &str) {
    let problem = load(&files(&[("main.cwl", PACKED)]), entrypoint).unwrap_err();
    assert_eq!(problem.place, place, "{problem}");
    assert!(problem.message.contains(message), "{problem}");
}
