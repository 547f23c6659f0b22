//! The operator's own check and overlay of `streamflow.yml`, against the real StreamFlow.
//! Passed over where DVRE_STREAMFLOW names none.

// Clippy knows tests by their attribute, and not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs, thread};

use dvre_operator::streamflow_file::{Document, Own, Schema, overlay};
use serde::Deserialize;
use serde_json::{Value, json};

/// The workflow that the files below are for.
const CWL: &str = r"
cwlVersion: v1.2
class: Workflow
requirements: {SubworkflowFeatureRequirement: {}}
inputs: {dataset: File}
outputs: {paper: {type: File, outputSource: report/out}}
steps:
  prepare: {in: {in: dataset}, out: [out], run: &cat {class: CommandLineTool, baseCommand: cat, hints: {DockerRequirement: {dockerPull: busybox}},
    inputs: {in: {type: File, inputBinding: {position: 1}}}, outputs: {out: {type: stdout}}}}
  train:
    in: {in: prepare/out}
    out: [out]
    run:
      class: Workflow
      inputs: {in: File}
      outputs: {out: {type: File, outputSource: score/out}}
      steps:
        fit: {in: {in: in}, out: [out], run: *cat}
        score: {in: {in: fit/out}, out: [out], run: *cat}
  report: {in: {in: train/out}, out: [out], run: *cat}
";
const STEPS: &[&str] = &["/prepare", "/train/fit", "/train/score", "/report"];

/// Runs StreamFlow and tells whether it succeeded and what it said.
fn streamflow(args: &[&OsStr]) -> Option<(bool, String, String)> {
    let program = env::var_os("DVRE_STREAMFLOW")?;
    let output = Command::new(program).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some((
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    ))
}

fn validate(file: &Path) -> Option<(bool, String)> {
    let args = ["run", "--validate"].map(OsStr::new);
    let (succeeded, _, log) = streamflow(&[args[0], args[1], file.as_os_str()])?;
    Some((succeeded, log))
}

/// StreamFlow's schema, or `None` where the environment names no StreamFlow.
fn schema() -> Option<&'static Schema> {
    static SCHEMA: OnceLock<Option<Schema>> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let (succeeded, json, log) = streamflow(&["schema", "v1.0"].map(OsStr::new))?;
            assert!(succeeded, "{log}");
            Some(Schema::new(json).unwrap())
        })
        .as_ref()
        .or_else(|| {
            eprintln!("passed over: DVRE_STREAMFLOW is not set");
            None
        })
}

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!(
            "dvre-streamflow-file-{}-{name}",
            std::process::id()
        ));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Deserialize)]
struct Wrong {
    name: String,
    file: String,
    #[serde(rename = "wrong")]
    messages: Vec<String>,
}

fn table() -> Vec<Wrong> {
    serde_yaml::from_str(include_str!("streamflow_file/wrong.yaml")).unwrap()
}

#[test]
fn the_schema_demands_nothing_that_is_not_checked() {
    let Some(schema) = schema() else { return };
    assert_eq!(schema.unknown().unwrap(), [""; 0]);
}

#[test]
fn wrong_files_are_refused_in_streamflows_words() {
    let Some(schema) = schema() else { return };
    for case in table() {
        let document = Document::read(&case.file).unwrap();
        let wrong = schema.wrong(&document).unwrap();
        let told: Vec<_> = wrong
            .iter()
            .map(|wrong| format!("{}: {}", wrong.place, wrong.message))
            .collect();
        assert_eq!(told, case.messages, "{}", case.name);
        let problem = schema.check(&document).unwrap_err();
        assert!(problem.message.len() <= 900, "{problem}");
    }
}

#[test]
fn streamflows_words_are_those_written_down() {
    if schema().is_none() {
        return;
    }
    let folder = Folder::new("wrong");
    let table = table();
    thread::scope(|scope| {
        for (n, cases) in table.chunks(table.len().div_ceil(2)).enumerate() {
            let folder = &folder;
            scope.spawn(move || {
                for case in cases {
                    let file = folder.write(&format!("{n}.yml"), &case.file);
                    let (succeeded, log) = validate(&file).unwrap();
                    assert!(!succeeded, "{}", case.name);
                    for message in &case.messages {
                        let (_, words) = message.split_once(": ").unwrap();
                        assert!(log.contains(words), "{}: {words}\n{log}", case.name);
                    }
                }
            });
        }
    });
}

/// Overlays a file that StreamFlow's schema accepts, in a folder with the workflow, and writes it
/// there.
fn overlaid(folder: &Folder, deployment: &str, text: &str) -> PathBuf {
    let path = |name: &str| folder.0.join(name).into_os_string().into_string().unwrap();
    let data = folder.write("data.txt", "x\n");
    let inputs = json!({"dataset": {"class": "File", "path": data}});
    folder.write("main.cwl", CWL);
    folder.write("inputs.json", &inputs.to_string());

    let document = Document::read(text).unwrap();
    schema().unwrap().check(&document).unwrap();
    let steps: Vec<String> = STEPS.iter().map(ToString::to_string).collect();
    let overlaid = overlay(
        document.value(),
        &Own {
            workflow_file: &path("main.cwl"),
            settings_file: &path("inputs.json"),
            scratch: &path("scratch"),
            database: &json!({"type": "dvre", "config": {"connection": path("dvre.db")}}),
            scheduler: &json!({"type": "dvre", "config": {}}),
            deployment,
            fallback: None,
            steps: &steps,
        },
    );
    folder.write("streamflow.yml", &overlaid.unwrap().text)
}

/// Lets StreamFlow validate an overlaid file.
#[track_caller]
fn is_valid(name: &str, deployment: &str, text: &str) {
    if schema().is_none() {
        return;
    }
    let folder = Folder::new(name);
    let file = overlaid(&folder, deployment, text);
    let (succeeded, log) = validate(&file).unwrap();
    // StreamFlow warns of bindings to steps that it does not know.
    let quiet = !log.contains("WARN") && !log.contains("ERROR");
    assert!(
        succeeded && quiet,
        "{log}\n{}",
        fs::read_to_string(file).unwrap()
    );
}

#[test]
fn an_overlaid_file_runs() {
    if schema().is_none() {
        return;
    }
    let folder = Folder::new("run");
    let placed = folder.0.join("placed");
    let text = json!({
        "version": "v1.0",
        "workflows": {"mine": {"type": "cwl", "config": {"file": "/nowhere.cwl"}, "bindings": [
            {"step": "/train", "target": {"deployment": "placed"}, "filters": ["any-order"]},
        ]}},
        "bindingFilters": {"any-order": {"type": "shuffle", "config": {}}},
        "deployments": {"placed": {"type": "local", "workdir": placed, "config": {}}},
        "failureManager": {"enabled": true, "type": "rollback", "config": {"max_retries": 2}},
    });
    let file = overlaid(&folder, "local", &text.to_string());
    let out = folder.0.join("out");
    let args = [
        OsStr::new("run"),
        OsStr::new("--outdir"),
        out.as_os_str(),
        file.as_os_str(),
    ];
    let (succeeded, outputs, log) = streamflow(&args).unwrap();
    assert!(succeeded, "{log}");
    let start = outputs.find('{').unwrap();
    let outputs: Value = serde_json::from_str(&outputs[start..]).unwrap();
    assert_eq!(outputs["paper"]["size"], 2, "{outputs}");
    let folders = |path: &Path| fs::read_dir(path).unwrap().count();
    assert!(
        folders(&folder.0.join("scratch")) > 0 && folders(&placed) > 0,
        "{log}"
    );
    assert!(folder.0.join("dvre.db").exists(), "{log}");
}

#[test]
fn a_hybrid_file_is_valid() {
    is_valid(
        "hybrid",
        "local",
        include_str!("streamflow_file/hybrid.yml"),
    );
}

#[test]
fn a_file_of_nothing_but_a_version_is_valid() {
    is_valid("least", "local", "version: v1.0\n");
}

#[test]
fn a_file_of_deployments_is_valid() {
    let text = "version: v1.0\nfailureManager: {enabled: true, type: rollback, config: {max_retries: 2}}\n\
        models:\n  here: {type: local, config: {}}\n  sif: {type: singularity, wraps: here, config: {image: \"docker://busybox\"}}\n";
    is_valid("deployments", "sif", text);
}

#[test]
fn every_sort_of_text_reaches_streamflow_as_it_was() {
    let odd = [
        "2001-01-01",
        "1_000",
        "=",
        "~",
        "1e400",
        "0o7",
        "null",
        "a: b",
        "\u{7f}\u{85}\u{2028}é😀",
        "<<",
        "'\"\\\n",
        "2001-01-01 10:00:00",
    ];
    let env: Value = odd
        .map(|text| json!(format!("X={text}")))
        .into_iter()
        .collect();
    let volume: Value = odd.map(Value::from).into_iter().collect();
    let text = json!({
        "version": "v1.0",
        "deployments": {"box": {"type": "docker", "config": {"image": "2001-01-01", "env": env, "volume": volume, "cpus": 1.5}}},
    });
    is_valid("odd", "box", &text.to_string());
}
