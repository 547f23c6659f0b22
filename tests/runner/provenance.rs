//! The crate that a run leaves beside its outputs, of the real engines, judged by rocrate-validator.
//!
//! Passed over where `DVRE_STREAMFLOW` names no engine, or `DVRE_CRATES` no validator; `hack/unit` names
//! both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use dvre_operator::runner::record::Phase;
use rstest::rstest;
use serde_json::{Value, json};

use super::streamflow::CWL;
use super::world::{Ended, World};

const TOOL: &str = r#"
cwlVersion: v1.2
class: CommandLineTool
$namespaces: {s: "https://schema.org/"}
s:license: https://spdx.org/licenses/MIT
s:author: [{class: s:Person, s:identifier: "https://orcid.org/0000-0002-1825-0097", s:name: Josiah Carberry}]
doc: Says something
baseCommand: echo
inputs: {message: {type: string, inputBinding: {position: 1}}}
outputs: {said: {type: stdout}}
stdout: said.txt
"#;

/// Three steps, of which one is nested, in one packed document.
const PACKED: &str = r##"{
  "cwlVersion": "v1.2",
  "$graph": [
    {"id": "copy", "class": "CommandLineTool", "baseCommand": "cat", "stdout": "copy.txt",
     "hints": {"DockerRequirement": {"dockerPull": "debian:trixie-slim"}},
     "inputs": {"f": {"type": "File", "inputBinding": {"position": 1}}}, "outputs": {"copy": "stdout"}},
    {"id": "inner", "class": "Workflow", "inputs": {"f": "File"},
     "outputs": {"copy": {"type": "File", "outputSource": "again/copy"}},
     "steps": {"again": {"run": "#copy", "in": {"f": "f"}, "out": ["copy"]}}},
    {"id": "main", "class": "Workflow", "inputs": {"f": "File"},
     "requirements": {"SubworkflowFeatureRequirement": {}},
     "outputs": {"copy": {"type": "File", "outputSource": "last/copy"}},
     "steps": {
       "last": {"run": "#copy", "in": {"f": "nested/copy"}, "out": ["copy"]},
       "nested": {"run": "#inner", "in": {"f": "first/copy"}, "out": ["copy"]},
       "first": {"run": "#copy", "in": {"f": "f"}, "out": ["copy"]}}}
  ]}"##;

/// A world with a folder for outputs and a resource; none without what the tests need.
fn world(cwl: &str, inputs: &Value) -> Option<World> {
    let here = env::var_os("DVRE_CRATES").is_some() && env::var_os("DVRE_STREAMFLOW").is_some();
    if !here {
        eprintln!("passed over: DVRE_STREAMFLOW or DVRE_CRATES is not set");
        return None;
    }
    let resource = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": {"name": "hello", "namespace": "default", "uid": "0a1b-2c3d", "labels": {"team": "x"}},
        "spec": {"deployment": "local", "outputs": {"persistentVolumeClaim": {"claimName": "results"}}},
    });
    let world = World::new()
        .workflow(cwl, inputs)
        .with("outputs", json!("/outputs"))
        .with(
            "provenance",
            json!({"resource": resource, "image": "registry.example.org/dvre/runner:0.1.0"}),
        );
    world.write("dvre/run/workflow/in put.txt", "hello\n");
    fs::create_dir(world.root.join("outputs")).unwrap();
    Some(world)
}

fn engine(world: World, engine: &str) -> World {
    match engine {
        "StreamFlow" => world.streamflow().unwrap(),
        _ => world.cwltool().unwrap().with("engine", json!("Cwltool")),
    }
}

fn file() -> Value {
    json!({"class": "File", "path": "in put.txt"})
}

/// The metadata, once the validator has nothing that is required against it.
fn valid(world: &World, profile: &str, name: &str) -> Vec<Value> {
    let folder = world.root.join("outputs");
    let answer = Command::new(PathBuf::from(env::var_os("DVRE_CRATES").unwrap()))
        .args([&folder, Path::new(profile)])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&answer.stdout);
    let issues: Vec<[String; 4]> = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&answer.stderr)));
    let metadata = world.read("outputs/ro-crate-metadata.json");
    let (required, recommended): (Vec<_>, Vec<_>) =
        issues.into_iter().partition(|issue| issue[0] == "REQUIRED");
    println!(
        "{name}: {} bytes, {} recommendations are not followed",
        metadata.len(),
        recommended.len()
    );
    for [_, check, entity, message] in recommended {
        println!(
            "  {check} {entity}: {}",
            message.split('\n').next().unwrap_or_default()
        );
    }
    assert!(required.is_empty(), "{required:#?}\n{metadata}");
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["@graph"].as_array().unwrap().clone()
}

fn entity<'a>(graph: &'a [Value], id: &str) -> &'a Value {
    let found = graph.iter().find(|entity| entity["@id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {graph:#?}"))
}

fn of_type<'a>(graph: &'a [Value], kind: &str) -> Vec<&'a Value> {
    graph
        .iter()
        .filter(|entity| entity["@type"] == kind)
        .collect()
}

fn status(entity: &Value) -> &str {
    let status = entity["actionStatus"].as_str().unwrap_or_default();
    status.strip_prefix("http://schema.org/").unwrap_or(status)
}

fn ended(world: &World, phase: Phase) -> Ended {
    let ended = world.run();
    assert_eq!(ended.outcome.phase, phase, "{}", ended.log);
    assert!(!ended.log.contains("provenance"), "{}", ended.log);
    ended
}

#[rstest]
#[case("StreamFlow")]
#[case("cwltool")]
fn a_tool(#[case] name: &str) {
    let Some(world) = world(TOOL, &json!({"message": "hello"})) else {
        return;
    };
    let world = engine(world, name);
    ended(&world, Phase::Succeeded);
    let graph = valid(&world, "provenance-run-crate", &format!("tool, {name}"));
    let run = entity(&graph, "#run");
    assert_eq!(status(run), "CompletedActionStatus");
    assert_eq!(entity(&graph, "#input/message")["value"], "hello");
    let said = entity(&graph, "said.txt");
    assert_eq!(said["sha1"], "f572d396fae9206628714fb2ce00f72e94f2258f");
    assert_eq!(
        entity(&graph, "./")["license"]["@id"],
        "https://spdx.org/licenses/MIT"
    );
    assert_eq!(
        entity(&graph, "./")["author"]["@id"],
        "https://orcid.org/0000-0002-1825-0097"
    );
    let version = entity(&graph, "#engine")["instrument"][0]["@id"]
        .as_str()
        .unwrap();
    assert!(
        version.starts_with("https://pypi.org/project/"),
        "{version}"
    );
    let image = of_type(&graph, "ContainerImage");
    assert_eq!(image[0]["name"], "dvre/runner");
    let resource = world.read("outputs/.dvre/run-0a1b-2c3d/resource.yaml");
    let resource: Value = serde_yaml::from_str(&resource).unwrap();
    assert_eq!(resource["spec"]["cwl"]["baseCommand"], "echo");
    assert_eq!(resource["spec"]["inputs"]["message"], "hello");
    assert_eq!(resource["metadata"]["labels"]["team"], "x");
}

#[rstest]
#[case("StreamFlow")]
#[case("cwltool")]
fn a_packed_workflow_with_a_nested_one(#[case] name: &str) {
    let Some(world) = world(PACKED, &json!({"f": file()})) else {
        return;
    };
    let world = engine(world, name);
    ended(&world, Phase::Succeeded);
    let graph = valid(&world, "provenance-run-crate", &format!("packed, {name}"));
    for step in ["first", "nested", "nested/again", "last"] {
        let step = entity(&graph, &format!("#step/{step}"));
        assert_eq!(status(step), "CompletedActionStatus");
    }
    assert_eq!(
        status(entity(&graph, "#workflow/nested")),
        "CompletedActionStatus"
    );
    assert_eq!(of_type(&graph, "ParameterConnection").len(), 6);
    let input = entity(&graph, ".dvre/run-0a1b-2c3d/workflow/in%20put.txt");
    assert_eq!(input["sha1"], entity(&graph, "copy.txt")["sha1"]);
}

#[rstest]
#[case("StreamFlow")]
#[case("cwltool")]
fn a_scatter(#[case] name: &str) {
    let Some(world) = world(
        CWL,
        &json!({"f": {"class": "File", "path": "/data/reads/x.txt"}, "code": 0, "n": [1, 2, 3]}),
    ) else {
        return;
    };
    world.write("data/reads/x.txt", "hello\n");
    let world = engine(world, name);
    ended(&world, Phase::Succeeded);
    let graph = valid(&world, "provenance-run-crate", &format!("scatter, {name}"));
    assert_eq!(
        entity(&graph, "#step/b")["object"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let read = entity(&graph, "file:///data/reads/x.txt");
    assert_eq!(read["sha1"], "f572d396fae9206628714fb2ce00f72e94f2258f");
    assert_eq!(entity(&graph, "#input/n")["value"], json!(["1", "2", "3"]));
    assert_eq!(
        entity(&graph, "#run")["result"].as_array().unwrap().len(),
        5
    );
}

#[rstest]
#[case("StreamFlow")]
#[case("cwltool")]
fn a_failed_step(#[case] name: &str) {
    let Some(world) = world(CWL, &json!({"f": file(), "code": 7, "n": [1]})) else {
        return;
    };
    let world = engine(world, name);
    ended(&world, Phase::Failed);
    let graph = valid(
        &world,
        "provenance-run-crate",
        &format!("failed step, {name}"),
    );
    let run = entity(&graph, "#run");
    assert_eq!(status(run), "FailedActionStatus");
    let error = run["error"].as_str().unwrap();
    assert!(
        error.starts_with("step /b failed with exit code 7: telling; more in .dvre/"),
        "{error}"
    );
    let failed = entity(
        &graph,
        entity(&graph, "#step/b")["object"]["@id"].as_str().unwrap(),
    );
    assert_eq!(
        (status(failed), &failed["error"]),
        ("FailedActionStatus", &json!("exit code 7"))
    );
    assert_eq!(status(entity(&graph, "#step/a")), "CompletedActionStatus");
}

#[test]
fn a_run_that_never_began() {
    let Some(world) = world(CWL, &json!({"code": 0, "n": [1]})) else {
        return;
    };
    let world = engine(world, "StreamFlow");
    ended(&world, Phase::Failed);
    let graph = valid(&world, "workflow-run-crate", "missing input");
    assert!(of_type(&graph, "ControlAction").is_empty());
}

#[test]
fn a_document_that_cannot_be_read() {
    let Some(world) = world("class: [", &json!({})) else {
        return;
    };
    let world = engine(world, "StreamFlow");
    ended(&world, Phase::Failed);
    valid(&world, "workflow-run-crate", "no CWL");
}

#[test]
fn secrets_stay_out() {
    const SECRET: &str = "c4n4ry-0xdeadbeef";
    let Some(world) = world(TOOL, &json!({})) else {
        return;
    };
    let layers = json!(["/dvre/secrets/0/inputs", "/dvre/run/inputs.json"]);
    let world = engine(world, "StreamFlow")
        .with("inputs", layers)
        .with("secretInputs", json!(true));
    world.write(
        "dvre/secrets/0/inputs",
        json!({"message": SECRET}).to_string(),
    );
    ended(&world, Phase::Succeeded);
    let graph = valid(&world, "provenance-run-crate", "secret");
    assert_eq!(entity(&graph, "#input/message")["value"], "[redacted]");
    let mut open = vec![world.root.join("outputs/.dvre")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let text = fs::read_to_string(entry.path()).unwrap();
                assert!(!text.contains(SECRET), "{entry:?}");
            }
        }
    }
    assert!(
        !world
            .read("outputs/ro-crate-metadata.json")
            .contains(SECRET)
    );
}

#[test]
fn another_attempt_and_another_crate_are_kept() {
    let Some(world) = world(TOOL, &json!({"message": "hello"})) else {
        return;
    };
    let world = engine(world, "StreamFlow");
    ended(&world, Phase::Succeeded);
    let first = world.read("outputs/ro-crate-metadata.json");
    let world = world.env("DVRE_ATTEMPT", Path::new("2"));
    ended(&world, Phase::Succeeded);
    let kept = ".dvre/run-0a1b-2c3d/ro-crate-metadata-attempt-1.json";
    assert_eq!(world.read(&format!("outputs/{kept}")), first);
    let graph = valid(&world, "provenance-run-crate", "second attempt");
    assert_eq!(entity(&graph, kept)["name"], "Provenance of attempt 1");
    assert_eq!(entity(&graph, "#run")["identifier"], "0a1b-2c3d/2");

    let own = r#"{"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": []}"#;
    world.write("outputs/ro-crate-metadata.json", own);
    let ended = world.run();
    assert!(
        ended.log.contains("RO-Crate of somebody else's"),
        "{}",
        ended.log
    );
    assert_eq!(world.read("outputs/ro-crate-metadata.json"), own);
    assert!(
        world
            .read("outputs/.dvre/run-0a1b-2c3d/ro-crate-metadata.json")
            .contains("#run")
    );
}

#[test]
fn a_cancelled_run() {
    let cwl = CWL.replace("echo telling >&2", "sleep 1000");
    let Some(world) = world(&cwl, &json!({"f": file(), "code": 0, "n": [1]})) else {
        return;
    };
    let world = engine(world, "StreamFlow");
    let ended = world.start().until("EXECUTING step /b").stop().end();
    assert_eq!(ended.outcome.phase, Phase::Cancelled, "{}", ended.log);
    let graph = valid(&world, "provenance-run-crate", "cancelled");
    assert_eq!(status(entity(&graph, "#run")), "FailedActionStatus");
    assert_eq!(status(entity(&graph, "#step/a")), "CompletedActionStatus");
    assert_eq!(status(entity(&graph, "#step/b")), "FailedActionStatus");
}

/// How large, and how slow, a crate gets; no validator is that fast.
#[test]
fn a_thousand_steps() {
    let Some(world) = world(TOOL, &json!({})) else {
        return;
    };
    let steps: Vec<Value> = (0..1000)
        .map(|n| json!({"id": format!("s{n}"), "run": "#echo", "in": {"m": "m"}, "out": []}))
        .collect();
    let cwl = json!({"cwlVersion": "v1.2", "$graph": [
        {"id": "echo", "class": "CommandLineTool", "baseCommand": "echo", "inputs": {"m": "string"}, "outputs": {}},
        {"id": "main", "class": "Workflow", "inputs": {"m": "string"}, "outputs": {}, "steps": steps},
    ]});
    let script = "emit '{\"event\":\"workflow\",\"steps\":[]}'\n\
        for n in {0..999}; do for e in RUNNING COMPLETED; do\n\
        echo \"{\\\"event\\\":\\\"job\\\",\\\"job\\\":\\\"/s$n/0\\\",\\\"step\\\":\\\"/s$n\\\",\\\"status\\\":\\\"$e\\\"}\"\n\
        done; done >events; readarray -t events <events; emit \"${events[@]}\"";
    let world = world
        .workflow(&cwl.to_string(), &json!({"m": "x"}))
        .engine(script);
    let with = ended(&world, Phase::Succeeded).took;
    let size = world.read("outputs/ro-crate-metadata.json").len();
    let without = world.with("provenance", Value::Null).run().took;
    println!("1,000 steps: {size} bytes; the run took {with:?}, and {without:?} without a crate");
    assert!(size < 4 << 20, "{size}");
}
