//! Pure: from a spec and the ConfigMaps it names to a [`Run`], or why there can be none.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};

use super::observe::Observed;
use super::placement::{self, Request};
use super::pod::Trouble;
use super::references;
use super::{retention, retry};
use crate::api::sources::{CwlFrom, KeyRef};
use crate::api::{DvreWorkflow, DvreWorkflowSpec, Reason};
use crate::cwl::{self, Known};
use crate::names;
use crate::render::Run;
use crate::render::config_map::{self, DOCUMENTS_LIMIT};
use crate::render::placement::{Kind, Placement};
use crate::render::run::InputLayer;

/// Name of the file that an inline document becomes.
const MAIN: &str = "main.cwl";

/// A resource of at most so many bytes always fits beside the documents.
const SMALL_RESOURCE: usize = 16 << 10;

/// Checks everything that can be checked before any compute.
pub fn run(observed: &Observed<'_>) -> Result<Run, Trouble> {
    let workflow = observed.workflow;
    let spec = &workflow.spec;
    references::check(spec)?;
    let (files, entrypoint) = documents(spec, &observed.config_maps)?;
    let inputs = layers(spec, &observed.config_maps)?;
    check_size(&files, &inputs)?;
    let process = cwl::load(&files, &entrypoint).map_err(|found| problem(&found))?;
    let placement = placement::placement(&Request {
        spec,
        uid: observed.uid,
        settings: observed.settings,
        process: &process,
        entrypoint: &entrypoint,
        config_maps: &observed.config_maps,
        memory_factor: memory_factor(observed),
    })?;
    let known = if inputs
        .iter()
        .any(|layer| matches!(layer, InputLayer::Secret(_)))
    {
        Known::Partial
    } else {
        Known::All
    };
    let merged = merged(&inputs)?;
    process
        .check_inputs(&merged, known)
        .map_err(|found| problem(&found))?;
    check_added(&merged, &placement)?;
    let owner = workflow
        .controller_owner_ref(&())
        .unwrap_or_else(|| OwnerReference {
            block_owner_deletion: None,
            ..OwnerReference::default()
        });
    let mut run = Run {
        namespace: workflow.namespace().unwrap_or_default(),
        name: workflow.name_any(),
        uid: observed.uid.to_owned(),
        owner,
        attempt: observed.attempt(),
        files,
        entrypoint,
        inputs,
        volumes: spec.volumes.clone(),
        deployment: spec.deployment.clone(),
        placement,
        config_map: String::new(),
        queue: queue(workflow),
        ttl_seconds: retention::seconds(spec, observed.settings),
        memory_factor: memory_factor(observed),
        outputs: spec
            .outputs
            .as_ref()
            .map(|outputs| outputs.persistent_volume_claim.clone()),
        runner: spec.runner.clone().unwrap_or_default(),
        settings: observed.settings.clone(),
        resource: spec.outputs.is_some().then(|| resource(workflow)),
    };
    let data = config_map::data(&run);
    check_rendered(&run, config_map::size(&data))?;
    run.config_map = names::config_map(&run.name, &run.uid, &data);
    Ok(run)
}

/// The labels of a resource that its queue has to find on what is queued.
fn queue(workflow: &DvreWorkflow) -> BTreeMap<String, String> {
    let labels = workflow.labels().iter();
    let labels = labels.filter(|(name, _)| names::QUEUE_LABELS.contains(&name.as_str()));
    labels
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// How many times the usual memory an attempt gets, after those that had too little.
fn memory_factor(observed: &Observed<'_>) -> f64 {
    let retry = observed.workflow.spec.retry.as_ref();
    let factor = match retry.and_then(|retry| retry.memory_factor.as_ref()) {
        Some(IntOrString::Int(factor)) => f64::from(*factor),
        // The schema allows nothing that is no number.
        Some(IntOrString::String(factor)) => factor.parse().unwrap_or(1.0),
        None => 1.0,
    };
    factor.powi(retry::out_of_memory(observed))
}

/// Requirements that the input object adds hold for all steps, so that no step may be in a place that
/// cannot honour them.
fn check_added(inputs: &Map<String, Value>, placement: &Placement) -> Result<(), Trouble> {
    let containers = placement.custom.is_none()
        && placement
            .targets
            .iter()
            .all(|target| target.kind.has_containers() && !matches!(target.kind, Kind::Pods(_)));
    cwl::check_added_requirements(inputs, containers).map_err(|found| problem(&found))?;
    if inputs.contains_key("cwl:requirements") && placement.pods().next().is_some() {
        return Err(refuse(
            Reason::UnsupportedRequirement,
            "inputs.cwl:requirements: step pods are made before the inputs are read; write these \
             requirements into the document",
        ));
    }
    Ok(())
}

/// The resource as its author wrote it, for the provenance of its run. Document and inputs are left
/// out, for the run's ConfigMap has them as files.
fn resource(workflow: &DvreWorkflow) -> Value {
    let spec = DvreWorkflowSpec {
        cwl: None,
        inputs: None,
        ..workflow.spec.clone()
    };
    let meta = &workflow.metadata;
    let mut metadata = json!({"name": meta.name, "namespace": meta.namespace, "uid": meta.uid});
    if let (Some(labels), Value::Object(metadata)) = (&meta.labels, &mut metadata) {
        metadata.insert("labels".to_owned(), json!(labels));
    }
    json!({
        "apiVersion": DvreWorkflow::api_version(&()), "kind": DvreWorkflow::kind(&()),
        "metadata": metadata, "spec": spec,
    })
}

/// Checks that what was made of many places still fits beside the documents.
fn check_rendered(run: &Run, size: usize) -> Result<(), Trouble> {
    let placement = &run.placement;
    let pods = placement.pods().next().is_some();
    let large = |resource: &Value| resource.to_string().len() > SMALL_RESOURCE;
    let small = !run.resource.as_ref().is_some_and(large);
    if placement.bindings.len() <= 1 && placement.custom.is_none() && !pods && small {
        return Ok(());
    }
    if size <= config_map::LIMIT {
        return Ok(());
    }
    Err(refuse(
        Reason::InvalidDeployment,
        format!(
            "the workflow's files, its inputs and the engine's configuration take {size} bytes together, \
             of which {} are possible: bind fewer single steps, have fewer replicas, or make the \
             documents smaller",
            config_map::LIMIT
        ),
    ))
}

/// The ConfigMaps that a spec names; none for one that does not exist.
pub type Found = BTreeMap<String, Option<ConfigMap>>;

fn documents(
    spec: &DvreWorkflowSpec,
    found: &Found,
) -> Result<(BTreeMap<String, String>, String), Trouble> {
    if let Some(document) = &spec.cwl {
        // Values that came as JSON always serialise.
        let text = serde_json::to_string_pretty(document).unwrap_or_default();
        return Ok((BTreeMap::from([(MAIN.to_owned(), text)]), MAIN.to_owned()));
    }
    let Some(from) = &spec.cwl_from else {
        return Err(refuse(
            Reason::InvalidWorkflow,
            "neither spec.cwl nor spec.cwlFrom is given",
        ));
    };
    Ok((files(from, found)?, from.entrypoint.clone()))
}

fn files(from: &CwlFrom, found: &Found) -> Result<BTreeMap<String, String>, Trouble> {
    let name = &from.config_map.name;
    let data = config_map(found, name)?.data.as_ref();
    if from.config_map.items.is_empty() {
        return Ok(data.cloned().unwrap_or_default());
    }
    let mut files = BTreeMap::new();
    for item in &from.config_map.items {
        let text = data
            .and_then(|data| data.get(&item.key))
            .ok_or_else(|| no_key(name, &item.key))?;
        if files.insert(item.path.clone(), text.clone()).is_some() {
            let message = format!(
                "spec.cwlFrom.configMap.items: two keys have the path {}",
                item.path
            );
            return Err(refuse(Reason::InvalidWorkflow, message));
        }
    }
    Ok(files)
}

fn layers(spec: &DvreWorkflowSpec, found: &Found) -> Result<Vec<InputLayer>, Trouble> {
    let mut layers = Vec::with_capacity(spec.inputs_from.len() + 1);
    for source in &spec.inputs_from {
        match (&source.config_map_key_ref, &source.secret_key_ref) {
            (Some(reference), _) => {
                layers.push(InputLayer::Text(self::key(found, reference)?.clone()));
            }
            (None, Some(secret)) => layers.push(InputLayer::Secret(secret.clone())),
            (None, None) => {
                return Err(refuse(
                    Reason::InvalidInputs,
                    "an entry of spec.inputsFrom names no source",
                ));
            }
        }
    }
    let own = spec.inputs.clone().unwrap_or_default();
    // Values that came as JSON always serialise.
    layers.push(InputLayer::Text(
        serde_json::to_string_pretty(&own).unwrap_or_default(),
    ));
    Ok(layers)
}

fn merged(layers: &[InputLayer]) -> Result<Map<String, Value>, Trouble> {
    let mut merged = Map::new();
    for (index, layer) in layers.iter().enumerate() {
        let InputLayer::Text(text) = layer else {
            continue;
        };
        let place = if index < layers.len() - 1 {
            format!("spec.inputsFrom[{index}]")
        } else {
            "spec.inputs".to_owned()
        };
        let object = cwl::read_object(&place, text).map_err(|found| problem(&found))?;
        merged.extend(object);
    }
    Ok(merged)
}

fn check_size(files: &BTreeMap<String, String>, inputs: &[InputLayer]) -> Result<(), Trouble> {
    let documents: usize = files
        .iter()
        .map(|(path, text)| path.len() + text.len())
        .sum();
    let objects: usize = inputs
        .iter()
        .map(|layer| match layer {
            InputLayer::Text(text) => text.len(),
            InputLayer::Secret(_) => 0,
        })
        .sum();
    if documents + objects <= DOCUMENTS_LIMIT {
        return Ok(());
    }
    let message = format!(
        "the workflow's files take {documents} bytes and its inputs {objects}; together they may take \
         {DOCUMENTS_LIMIT}: put large data on a volume"
    );
    Err(refuse(
        if documents > objects {
            Reason::InvalidWorkflow
        } else {
            Reason::InvalidInputs
        },
        message,
    ))
}

fn config_map<'a>(found: &'a Found, name: &str) -> Result<&'a ConfigMap, Trouble> {
    found.get(name).and_then(Option::as_ref).ok_or_else(|| {
        refuse(
            Reason::ReferenceNotFound,
            format!("ConfigMap {name} does not exist in this namespace"),
        )
    })
}

/// The text under a key of a ConfigMap.
pub fn key<'a>(found: &'a Found, reference: &KeyRef) -> Result<&'a String, Trouble> {
    let KeyRef { name, key } = reference;
    let data = config_map(found, name)?.data.as_ref();
    data.and_then(|data| data.get(key))
        .ok_or_else(|| no_key(name, key))
}

fn no_key(name: &str, key: &str) -> Trouble {
    refuse(
        Reason::ReferenceNotFound,
        format!("ConfigMap {name} has no key {key}"),
    )
}

/// The refusal that a problem of the document is.
#[must_use]
pub fn problem(problem: &cwl::Problem) -> Trouble {
    let reason = match problem.kind {
        cwl::Kind::InvalidWorkflow => Reason::InvalidWorkflow,
        cwl::Kind::InvalidInputs => Reason::InvalidInputs,
        cwl::Kind::UnsupportedRequirement => Reason::UnsupportedRequirement,
    };
    refuse(reason, problem.to_string())
}

/// A refusal.
pub fn refuse(reason: Reason, message: impl Into<String>) -> Trouble {
    Trouble {
        reason,
        message: message.into(),
    }
}
