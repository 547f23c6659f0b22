//! The provenance of a run: a Workflow Run RO-Crate whose root is the folder for outputs.
//!
//! It is written at the end of every run with such a folder, however that ended and whichever engine
//! ran it, from what the runner knows anyway. The terms are those of RO-Crate 1.1 and of the Process,
//! Workflow and Provenance Run Crate profiles 0.5; see `docs/adr/0013-provenance.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Map, Value, json};

use super::layout::Layout;
use super::outputs::{METADATA_FILE, Store};
use super::record::{Outcome, Phase};
use super::redact::Redactor;
use super::run_file::{Provenance, RunFile};
use super::stage;
use super::tally::Tally;
use crate::cwl::{self, About};

mod actions;
mod data;
mod files;
mod graph;
mod images;
mod plan;
mod resource;
mod retrospect;

use files::Files;
use graph::{Graph, time};
pub use images::Image;
use plan::Plan;
use retrospect::retrospect;

const ROOT: &str = "./";
const RUN: &str = "#run";
const OPERATOR: &str = "#dvre-operator";
const CWL: &str = "https://w3id.org/workflowhub/workflow-ro-crate#cwl";
const BIOSCHEMAS: &str = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE";
/// Fields that hold no words of the user's.
const OWN_WORDS: [&str; 6] = [
    "@context",
    "@type",
    "actionStatus",
    "additionalType",
    "encodingFormat",
    "identifier",
];
const TERMS: &str = "https://w3id.org/ro/terms/workflow-run#";
/// The profiles that every crate here obeys, with their versions.
const PROFILES: [(&str, &str, &str); 3] = [
    (
        "https://w3id.org/ro/wfrun/process/0.5",
        "Process Run Crate",
        "0.5",
    ),
    (
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "Workflow Run Crate",
        "0.5",
    ),
    (
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
        "Workflow RO-Crate",
        "1.0",
    ),
];
/// The one for runs of which at least one step ran.
const OF_STEPS: (&str, &str, &str) = (
    "https://w3id.org/ro/wfrun/provenance/0.5",
    "Provenance Run Crate",
    "0.5",
);

/// The inputs of a run.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// As the resource gives them.
    pub given: Map<String, Value>,
    /// As the engine got them.
    pub resolved: Map<String, Value>,
    /// Those whose value comes from a Secret.
    pub secret: BTreeSet<String>,
}

/// All that a crate is made from.
pub struct Facts<'a> {
    /// Where things are.
    pub layout: &'a Layout,
    /// What was asked.
    pub run: &'a RunFile,
    /// The resource, and what else the operator knows.
    pub provenance: &'a Provenance,
    /// Number of the attempt.
    pub attempt: i32,
    /// The folder of its records, below that for outputs.
    pub records: String,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// What the engine told.
    pub tally: &'a Tally,
    /// Images of steps, beyond those that the engine told.
    pub images: Vec<(String, Image)>,
    /// The inputs, when they were read.
    pub inputs: &'a Inputs,
    /// What knows the values of Secrets.
    pub redactor: &'a Redactor,
    /// Whether the run was told to stop, so that there is little time left.
    pub hurry: bool,
}

/// Writes the crate into the folder for outputs; gives back the path of its metadata there.
pub fn write(facts: &Facts, store: &mut Store) -> io::Result<String> {
    let mut graph = Graph::default();
    root(&mut graph, facts);
    let files = stage::workflow_files(&facts.layout.workflow_source())?;
    let texts: BTreeMap<String, String> = files
        .iter()
        .filter_map(|(path, bytes)| Some((path.clone(), String::from_utf8(bytes.clone()).ok()?)))
        .collect();
    let mut place = Files::new(store, &facts.provenance.uid());
    place.copy_workflow(&mut graph, &files)?;
    let resource = resource::yaml(facts.provenance, facts.run, facts.layout, &texts)?;
    place.write_resource(&mut graph, &facts.redactor.text(&resource))?;
    run(&mut graph, facts);
    let target = place.make_way()?;
    place.name_records(&mut graph, facts.attempt, &facts.records);
    let (entry, _) = facts
        .run
        .entrypoint
        .split_once('#')
        .unwrap_or((&facts.run.entrypoint, ""));
    let main = main_entity(&mut graph, &place, entry);
    let ran = match (main, cwl::describe(&texts, &facts.run.entrypoint)) {
        (true, Ok(description)) => {
            let plan = Plan::new(&mut graph, &place, description);
            about(&mut graph, plan.about());
            graph.link(RUN, "instrument", &plan.main);
            retrospect(&mut graph, facts, &place, &plan)
        }
        // Why a document cannot be read is said by the outcome.
        (there, _) => {
            let instrument = place.workflow(entry);
            graph.link(
                RUN,
                "instrument",
                if there { &instrument } else { OPERATOR },
            );
            false
        }
    };
    profiles(&mut graph, main, ran);
    let mut metadata = json!({ "@context": context(), "@graph": graph.into_value() });
    redact(&mut metadata, facts.redactor);
    place.write_metadata(&target, &metadata)?;
    Ok(target)
}

/// Hides the values of Secrets wherever a user's words stand, and leaves the words of the profiles:
/// a secret may be an innocent word itself.
fn redact(value: &mut Value, redactor: &Redactor) {
    let own = |text: &str| {
        matches!(text, ROOT | RUN | OPERATOR | METADATA_FILE)
            || text.starts_with("https://w3id.org/")
    };
    match value {
        Value::String(text) if !own(text) => *text = redactor.text(text),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, redactor)),
        Value::Object(object) => {
            for (key, value) in object {
                if !OWN_WORDS.contains(&key.as_str()) {
                    redact(value, redactor);
                }
            }
        }
        _ => {}
    }
}

fn context() -> Value {
    let names = [
        "ContainerImage",
        "ParameterConnection",
        "connection",
        "containerImage",
        "registry",
        "sha1",
        "sha256",
        "sourceParameter",
        "tag",
        "targetParameter",
    ];
    let terms: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!(format!("{TERMS}{name}"))))
        .collect();
    json!(["https://w3id.org/ro/crate/1.1/context", terms])
}

fn root(graph: &mut Graph, facts: &Facts) {
    graph.put(
        METADATA_FILE,
        &["CreativeWork"],
        json!({"about": {"@id": ROOT}, "conformsTo": [{"@id": "https://w3id.org/ro/crate/1.1"},
            {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}]}),
    );
    let RunFile {
        namespace, name, ..
    } = facts.run;
    let published = facts.outcome.completion_time.unwrap_or_default();
    graph.put(
        ROOT,
        &["Dataset"],
        json!({
            "name": format!("Run of the workflow {name}"),
            "description": format!("What the DvreWorkflow {namespace}/{name} made, and how: {}", facts.outcome.message),
            "datePublished": time(published),
        }),
    );
}

fn main_entity(graph: &mut Graph, files: &Files, path: &str) -> bool {
    let id = files.workflow(path);
    if !graph.has(&id) {
        return false;
    }
    graph.set(
        &id,
        "@type",
        json!(["File", "SoftwareSourceCode", "ComputationalWorkflow"]),
    );
    graph.set(&id, "version", json!(files.version(&id)));
    graph.set(&id, "url", json!({ "@id": id }));
    graph.set(&id, "conformsTo", json!({ "@id": BIOSCHEMAS }));
    graph.put(
        CWL,
        &["ComputerLanguage"],
        json!({"name": "Common Workflow Language", "alternateName": "CWL",
            "url": {"@id": "https://www.commonwl.org/"}}),
    );
    graph.link(&id, "programmingLanguage", CWL);
    graph.link(ROOT, "mainEntity", &id);
    true
}

/// The licence that every crate must state, and the authors.
fn about(graph: &mut Graph, about: &About) {
    if let Some(license) = &about.license {
        let address = license.starts_with("http");
        let id = if address {
            license.clone()
        } else {
            "#license".to_owned()
        };
        graph.put(
            &id,
            &["CreativeWork"],
            json!({"name": license, "description": "Stated by the workflow"}),
        );
        graph.link(ROOT, "license", &id);
    }
    for (number, (id, name)) in about.authors.iter().enumerate() {
        let id = id.clone().unwrap_or_else(|| format!("#author/{number}"));
        graph.put(&id, &["Person"], json!({ "name": name }));
        graph.link(ROOT, "author", &id);
    }
}

fn profiles(graph: &mut Graph, main: bool, ran: bool) {
    if !main {
        graph.set(
            METADATA_FILE,
            "conformsTo",
            json!({"@id": "https://w3id.org/ro/crate/1.1"}),
        );
    }
    let kept = PROFILES.iter().take(if main { PROFILES.len() } else { 1 });
    for (id, name, version) in kept.chain(ran.then_some(&OF_STEPS)) {
        graph.put(
            id,
            &["CreativeWork"],
            json!({"name": name, "version": version}),
        );
        graph.link(ROOT, "conformsTo", id);
    }
    let id = "#license/none";
    let text = "Neither the workflow nor the resource states a licence; ask who ran it";
    if !graph.field(ROOT, "license") {
        graph.put(
            id,
            &["CreativeWork"],
            json!({"name": "No licence stated", "description": text}),
        );
        graph.link(ROOT, "license", id);
    }
}

fn run(graph: &mut Graph, facts: &Facts) {
    let version = env!("CARGO_PKG_VERSION");
    graph.put(
        OPERATOR,
        &["SoftwareApplication"],
        json!({"name": format!("dvre-operator {version}"), "softwareVersion": version,
            "description": "Ran the workflow on Kubernetes, and wrote this crate"}),
    );
    let outcome = facts.outcome;
    let succeeded = outcome.phase == Phase::Succeeded;
    let RunFile {
        namespace, name, ..
    } = facts.run;
    let attempt = facts.attempt;
    graph.put(
        RUN,
        &["CreateAction"],
        json!({
            "name": format!("Attempt {attempt} of the DvreWorkflow {namespace}/{name}"),
            "description": format!("{:?}: {}", outcome.reason, outcome.message),
            "identifier": format!("{}/{attempt}", facts.provenance.uid()),
            "startTime": outcome.start_time.map(time), "endTime": outcome.completion_time.map(time),
            "actionStatus": actions::status(succeeded),
            "error": (!succeeded).then_some(&outcome.message),
        }),
    );
    graph.link(ROOT, "mentions", RUN);
}
