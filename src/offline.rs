//! `render`: what a resource becomes, without a cluster, by the very code that the controller runs.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;
use serde_json::Value;

use crate::api::{DvreWorkflow, DvreWorkflowStatus};
use crate::controller::observe::{JobState, Observed};
use crate::controller::validate;
use crate::render;
use crate::settings::RunSettings;

/// Uid in the output: the API server gives the real one.
const UID: &str = "00000000-0000-0000-0000-000000000000";

/// Reads a file, or standard input when its name is `-`.
pub fn read(file: &Path) -> Result<String, String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| format!("standard input cannot be read: {error}"))?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Renders every DvreWorkflow of a text of YAML documents, as YAML documents.
pub fn render(text: &str, settings: &RunSettings) -> Result<String, String> {
    let mut workflows = Vec::new();
    let mut config_maps = BTreeMap::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(|error| format!("not YAML: {error}"))?;
        match value.get("kind").and_then(Value::as_str) {
            Some("DvreWorkflow") => workflows.push(workflow(value)?),
            Some("ConfigMap") => {
                let map: ConfigMap = serde_json::from_value(value)
                    .map_err(|error| format!("a ConfigMap: {error}"))?;
                config_maps.insert(map.metadata.name.clone().unwrap_or_default(), Some(map));
            }
            _ => {}
        }
    }
    if workflows.is_empty() {
        return Err("there is no DvreWorkflow in it".to_owned());
    }
    let mut rendered = String::new();
    for workflow in &workflows {
        let observed = observed(workflow, &config_maps, settings);
        let name = workflow.metadata.name.as_deref().unwrap_or_default();
        let run = validate::run(&observed).map_err(|cause| {
            format!(
                "{name} would be refused: {}: {}",
                cause.reason, cause.message
            )
        })?;
        let objects = render::objects(&run);
        let (account, binding) = objects.access.unzip();
        let texts = [
            Some(serde_yaml::to_string(&objects.config_map)),
            account.map(|account| serde_yaml::to_string(&account)),
            binding.map(|binding| serde_yaml::to_string(&binding)),
            objects
                .network_policy
                .map(|policy| serde_yaml::to_string(&policy)),
            Some(serde_yaml::to_string(&objects.job)),
        ];
        for object in texts.into_iter().flatten() {
            rendered.push_str("---\n");
            rendered.push_str(&object.map_err(|error| error.to_string())?);
        }
    }
    Ok(rendered)
}

fn workflow(value: Value) -> Result<DvreWorkflow, String> {
    let mut workflow: DvreWorkflow =
        serde_json::from_value(value).map_err(|error| format!("a DvreWorkflow: {error}"))?;
    if workflow.metadata.name.is_none() {
        return Err("a DvreWorkflow has no metadata.name".to_owned());
    }
    workflow.metadata.uid = Some(UID.to_owned());
    workflow
        .metadata
        .namespace
        .get_or_insert_with(|| "default".to_owned());
    Ok(workflow)
}

fn observed<'a>(
    workflow: &'a DvreWorkflow,
    config_maps: &BTreeMap<String, Option<ConfigMap>>,
    settings: &'a RunSettings,
) -> Observed<'a> {
    Observed {
        workflow,
        uid: UID,
        deleting: false,
        status: DvreWorkflowStatus::default(),
        job: JobState::None,
        pod: None,
        outcome: None,
        progress: None,
        trouble: None,
        finalizer: false,
        clean_up: None,
        clean_up_refused: None,
        config_maps: config_maps.clone(),
        written: None,
        resumed: None,
        now: jiff::Timestamp::now(),
        settings,
    }
}
