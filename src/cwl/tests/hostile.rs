//! Documents made to exhaust a reader: each must be refused, soon and without a panic.

use super::{files, load, load_one};
use crate::cwl::{Known, read_object};
use rstest::rstest;
use std::collections::BTreeMap;

const TOOL: &str = "cwlVersion: v1.2\nclass: CommandLineTool\noutputs: []\ninputs:\n";

fn bomb() -> String {
    let level = |n: usize| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9));
    "a0: &a0 [x]\n".to_owned() + &(1..30).map(level).collect::<String>()
}

#[rstest]
#[case::brackets("a: ".to_owned() + &"[".repeat(500_000), "brackets")]
#[case::open_and_flat(format!("a: {}{}", "[".repeat(1900), "a,".repeat(200_000)), "brackets")]
#[case::nesting("a: ".to_owned() + &"[".repeat(110) + &"]".repeat(110), "deeper than 100")]
#[case::json("[".repeat(110) + &"]".repeat(110), "deeper than 100")]
#[case::dashes("- ".repeat(20_000), "deeper than 100")]
#[case::aliases(bomb(), "repetition limit")]
#[case::flat_aliases(
    format!("a: &a [{}]\nb: [{}]", "x,".repeat(2_000), "*a,".repeat(2_000)),
    "aliases are expanded"
)]
#[case::long_aliases(
    format!("a: &a {}\nb: [{}]", "x".repeat(100_000), "*a,".repeat(2_000)),
    "aliases are expanded"
)]
#[case::itself("a: &a [*a]".to_owned(), "deeper than 100")]
#[case::size(" ".repeat(3 << 20), "bytes of CWL")]
#[case::suffixes(format!("{TOOL}  x: int{}", "[]".repeat(10_000)), "nested too deeply")]
fn bounded_texts(#[case] text: String, #[case] message: &str) {
    let problem = load_one(&text).unwrap_err();
    assert!(problem.message.contains(message), "{problem}");
}

#[test]
fn workflows_that_multiply() {
    let level = |n: usize| {
        let run = n + 1;
        format!(
            "- {{id: w{n}, class: Workflow, inputs: [], outputs: [], steps: \
             {{a: {{run: '#w{run}', in: [], out: []}}, b: {{run: '#w{run}', in: [], out: []}}}}}}\n"
        )
    };
    let text = |levels: usize| {
        "cwlVersion: v1.2\n$graph:\n".to_owned()
            + &(0..levels).map(level).collect::<String>()
            + &format!("- {{id: w{levels}, class: CommandLineTool, inputs: [], outputs: []}}\n")
    };
    let load = |levels| load(&files(&[("main.cwl", &text(levels))]), "main.cwl#w0");
    assert_eq!(load(3).unwrap().steps().len(), 8);
    assert!(
        load(30)
            .unwrap_err()
            .message
            .contains("more than 10000 steps")
    );
    assert!(
        load(60)
            .unwrap_err()
            .message
            .contains("nested deeper than 40")
    );
}

#[test]
fn imports_that_multiply() {
    let mut files: BTreeMap<String, String> = (0..60)
        .map(|n| {
            (
                format!("f{n}"),
                format!("[{{$import: f{}}}, {{$import: f{}}}]", n + 1, n + 1),
            )
        })
        .collect();
    files.insert("f60".to_owned(), "int".to_owned());
    files.insert("main.cwl".to_owned(), format!("{TOOL}  x: {{$import: f0}}"));
    let problem = load(&files, "main.cwl").unwrap_err();
    assert!(problem.message.contains("nested deeper"), "{problem}");
    files.insert("f20".to_owned(), "int".to_owned());
    let problem = load(&files, "main.cwl").unwrap_err();
    assert!(
        problem.message.contains("once imports are followed"),
        "{problem}"
    );
}

#[rstest]
#[case("a.cwl", "{$import: main.cwl}")]
#[case(
    "a.cwl",
    "{class: Workflow, inputs: [], outputs: [], steps: {s: {run: main.cwl, in: [], out: []}}}"
)]
fn circles_through_files(#[case] name: &str, #[case] text: &str) {
    let main = "{cwlVersion: v1.2, class: Workflow, inputs: [], outputs: [],
        steps: {s: {run: a.cwl, in: [], out: []}}}";
    let problem = load(&files(&[("main.cwl", main), (name, text)]), "main.cwl").unwrap_err();
    assert!(problem.message.contains("itself"), "{problem}");
}

#[test]
fn types_that_multiply() {
    let items = "t, {type: array, items: t}, ".repeat(20);
    let types = format!("[{{name: t, type: array, items: [{items}]}}]");
    let tool = format!(
        "cwlVersion: v1.2\nclass: CommandLineTool\noutputs: []\ninputs: {{x: t}}\n\
         requirements: {{SchemaDefRequirement: {{types: {types}}}}}\n"
    );
    let deep = format!("x: {}5{}", "[".repeat(80), "]".repeat(80));
    let inputs = read_object("inputs", &deep).unwrap();
    assert!(
        load_one(&tool)
            .unwrap()
            .check_inputs(&inputs, Known::All)
            .is_err()
    );
}

#[test]
fn no_mutation_panics() {
    const SEED: &str = "\
cwlVersion: v1.2
class: Workflow
$namespaces: {cwltool: 'http://commonwl.org/cwltool#'}
requirements: [{class: 'cwltool:Loop'}, {class: SchemaDefRequirement, types: [{name: t, type: enum, symbols: [a]}]}]
hints: {DockerRequirement: {dockerPull: x}}
inputs: {x: {type: ['null', 't[]?'], default: [a]}, f: File}
outputs: {o: {type: File, outputSource: s/o}}
steps: [{id: s, run: {class: CommandLineTool, inputs: {i: Any}, outputs: {o: stdout}}, in: {i: {source: '#x'}}, out: [o], scatter: i, when: $(true)}]
";
    let pieces = [
        "#",
        "/",
        "..",
        "$import: main.cwl",
        "[",
        "}",
        "&a ",
        "*a",
        "null",
        "?",
        "é",
        "\u{0}",
        "%zz",
        "<<: ",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below as u64)).unwrap()
    };
    let inputs = read_object("inputs", "x: [a]\nf: {class: File, location: x}").unwrap();
    let mut accepted = 0;
    for _ in 0..3_000 {
        let mut text: Vec<char> = SEED.chars().collect();
        for _ in 0..=random(3) {
            let at = random(text.len());
            let end = (at + random(12)).min(text.len());
            let piece: Vec<char> = match random(3) {
                0 => Vec::new(),
                1 => pieces[random(pieces.len())].chars().collect(),
                _ => {
                    let from = random(text.len());
                    text[from..(from + random(30)).min(text.len())].to_vec()
                }
            };
            text.splice(at..end, piece);
        }
        let text: String = text.into_iter().collect();
        match load_one(&text) {
            Ok(process) => {
                accepted += 1;
                let _ = process.check_inputs(&inputs, Known::All);
                let _ = process.check_target(|_| false);
            }
            Err(problem) => assert!(problem.to_string().len() <= 1_300),
        }
    }
    assert!(accepted > 50, "only {accepted} accepted");
}
