//! What has happened: the values, steps and images of a run, and the engine that ran them.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::actions::{self, Context};
use super::data::{self, Data};
use super::files::{self, Files};
use super::graph::{self, Graph};
use super::images::{self, Image};
use super::plan::Plan;
use super::{Facts, OPERATOR, ROOT, RUN};
use crate::cwl::Parameter;
use crate::runner::record::{EngineName, Phase};

/// The most bytes of an image file that are read for its digest.
const SIF_LIMIT: u64 = 1 << 30;

/// Adds values, steps and images; says whether any step ran.
pub fn retrospect(graph: &mut Graph, facts: &Facts, files: &Files, plan: &Plan) -> bool {
    let own = facts
        .tally
        .images()
        .find(|(step, _)| step.is_none())
        .map(|(_, image)| image.clone());
    let own = own.or_else(|| {
        let image = facts.provenance.image.clone();
        (!image.is_empty()).then(|| Image {
            reference: image,
            ..Image::default()
        })
    });
    let own: Vec<String> = own.iter().map(|own| images::image(graph, own)).collect();
    let mut of_steps: HashMap<Option<&str>, Vec<String>> = HashMap::from([(None, own.clone())]);
    let told = facts
        .tally
        .images()
        .filter_map(|(step, image)| Some((step?, image)));
    let named = facts.images.iter();
    let named = named.map(|(step, image)| (step.as_str(), image));
    for (step, image) in told.chain(named) {
        let image = images::image(graph, &with_digest(facts, image));
        of_steps.entry(Some(step)).or_default().push(image);
    }
    let (inputs, outputs) = values(graph, facts, files, plan);
    let context = Context {
        plan,
        inputs: &inputs,
        outputs: &outputs,
        images: &of_steps,
        end: facts.outcome.completion_time.unwrap_or_default(),
    };
    let jobs = facts.tally.final_jobs();
    let controls = actions::steps(graph, &context, &facts.outcome.steps, &jobs);
    if !controls.is_empty() {
        engine(graph, facts, &controls, &own);
    }
    !controls.is_empty()
}

/// An image file of apptainer that lies here has its own digest.
fn with_digest(facts: &Facts, image: &Image) -> Image {
    let mut image = image.clone();
    let path = facts.layout.at(&image.reference);
    if image.sif && image.reference.starts_with('/') && !facts.hurry {
        image.digest = files::digest(&path, SIF_LIMIT);
    }
    image
}

type Values = BTreeMap<String, Vec<String>>;

fn values(graph: &mut Graph, facts: &Facts, files: &Files, plan: &Plan) -> (Values, Values) {
    let (inputs, outputs) = plan.parameters();
    let mut data = Data::new(graph, files, facts.layout, !facts.hurry);
    let names = data::names(facts.inputs);
    let known = |parameter: &&Parameter| names.contains(parameter.name.as_str());
    let inputs: Values = inputs
        .iter()
        .filter(known)
        .map(|input| (input.name.clone(), data.input(&input.name, facts.inputs)))
        .collect();
    let made = facts.outcome.outputs.as_ref();
    let made = outputs
        .iter()
        .filter_map(|output| Some((&output.name, made?.get(&output.name)?)));
    let outputs: Values = made
        .map(|(name, value)| (name.clone(), data.output(name, value)))
        .collect();
    for (side, key, values) in [("in", "object", &inputs), ("out", "result", &outputs)] {
        for (name, values) in values {
            let parameter = graph::below(&plan.main, &format!("{side}/{name}"));
            for value in values {
                graph.link(value, "exampleOfWork", &parameter);
                graph.link(RUN, key, value);
            }
        }
    }
    (inputs, outputs)
}

/// The engine's own run.
fn engine(graph: &mut Graph, facts: &Facts, controls: &[String], images: &[String]) {
    let (name, package, url) = match facts.outcome.engine {
        EngineName::Cwltool => (
            "cwltool",
            "cwltool",
            "https://github.com/common-workflow-language/cwltool",
        ),
        EngineName::Streamflow | EngineName::Unknown => (
            "StreamFlow",
            "streamflow",
            "https://streamflow.di.unito.it/",
        ),
    };
    let version = facts.tally.engine_version();
    let id = version.map_or_else(
        || url.to_owned(),
        |version| format!("https://pypi.org/project/{package}/{version}/"),
    );
    let title = version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"));
    let fields = json!({"name": title, "softwareVersion": version, "url": {"@id": url}});
    graph.put(&id, &["SoftwareApplication"], fields);
    let action = "#engine";
    graph.put(
        action,
        &["OrganizeAction"],
        json!({"name": format!("Run of {title}"), "result": {"@id": RUN},
            "actionStatus": actions::status(facts.outcome.phase == Phase::Succeeded)}),
    );
    graph.link(action, "instrument", &id);
    graph.link(action, "instrument", OPERATOR);
    for control in controls {
        graph.link(action, "object", control);
    }
    for image in images {
        graph.link(action, "containerImage", image);
    }
    graph.link(ROOT, "mentions", action);
}
