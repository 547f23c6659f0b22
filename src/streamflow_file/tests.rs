mod hostile;
mod messages;
mod overlays;
mod refusals;

use serde_json::{Value, json};

use super::{Document, Overlaid, Own, Problem, overlay};

/// Steps of the workflow that the files here are for.
const STEPS: &[&str] = &["/prepare", "/train/fit", "/train/score", "/report"];

/// Overlays a file for a run on `deployment`.
fn overlaid_on(
    deployment: &str,
    fallback: Option<&Value>,
    text: &str,
) -> Result<Overlaid, Problem> {
    let steps: Vec<String> = STEPS.iter().map(ToString::to_string).collect();
    let own = Own {
        workflow_file: "/work/workflow/main.cwl",
        settings_file: "/work/inputs.json",
        scratch: "/work/scratch",
        database: &json!({"type": "dvre", "config": {"connection": "/work/dvre.db"}}),
        scheduler: &json!({"type": "dvre", "config": {}}),
        deployment,
        fallback,
        steps: &steps,
    };
    overlay(Document::read(text)?.value(), &own)
}

/// Overlays a file for a run on `local`.
fn overlaid(text: &str) -> Result<Overlaid, Problem> {
    overlaid_on("local", None, text)
}

/// The overlaid file, as StreamFlow reads it.
fn values(overlaid: &Overlaid) -> Value {
    serde_yaml::from_str(&overlaid.text).unwrap()
}
