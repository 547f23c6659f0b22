//! The run's ConfigMap: `run.json`, `streamflow.yml`, the workflow's files and the input objects.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, KeyToPath};

use super::parts::Parts;
use super::placement::Pods;
use super::run::{InputLayer, Run};
use super::streamflow::streamflow_yml;
use super::{job, singularity, step_pods};
use crate::api::sources::Volume;
use crate::runner::run_file::{
    PODS_FOLDER, Provenance, RUN_FILE, RUN_FOLDER, RunFile, TEMPLATES_FOLDER, WORKFLOW_FOLDER,
};

/// Folder where the outputs claim is mounted.
pub const OUTPUTS_FOLDER: &str = "/outputs";
/// Folder where Secrets with input objects are mounted, one folder each.
pub const SECRETS_FOLDER: &str = "/dvre/secrets";
/// Name of the file of a mounted Secret with an input object.
pub const SECRET_FILE: &str = "inputs";
/// The most bytes that a run's documents may take: a ConfigMap holds 1 MiB, keys included, and the
/// rest is for the run's own files.
pub const DOCUMENTS_LIMIT: usize = 1_000_000;

/// The most bytes that a ConfigMap holds.
pub const LIMIT: usize = 1 << 20;

/// Name of the configuration of registries for apptainer.
pub const REGISTRIES_FILE: &str = "registries.conf";
const STREAMFLOW_FILE: &str = "streamflow.yml";

/// The run's ConfigMap. Immutable: a run never changes under way.
#[must_use]
pub fn config_map(run: &Run) -> ConfigMap {
    ConfigMap {
        metadata: run.metadata(run.config_map.clone(), "run"),
        immutable: Some(true),
        data: Some(data(run)),
        ..ConfigMap::default()
    }
}

/// Where the kubelet puts the keys of the ConfigMap below its mount point.
#[must_use]
pub fn items(run: &Run) -> Vec<KeyToPath> {
    let item = |key: &str, path: String| KeyToPath {
        key: key.to_owned(),
        path,
        mode: None,
    };
    let mut items = vec![
        item(RUN_FILE, RUN_FILE.to_owned()),
        item(STREAMFLOW_FILE, STREAMFLOW_FILE.to_owned()),
    ];
    items.extend(
        run.file_keys()
            .iter()
            .map(|(key, path, _)| item(key, format!("{WORKFLOW_FOLDER}/{path}"))),
    );
    items.extend(texts(run).map(|(index, _)| item(&Run::input_key(index), Run::input_key(index))));
    items.extend(run.placement.pods().map(|pods| {
        item(
            &pods_key(pods),
            format!("{PODS_FOLDER}/{}.yaml", pods.number),
        )
    }));
    items.extend(run.placement.templates().map(|(number, _)| {
        item(
            &template_key(number),
            format!("{TEMPLATES_FOLDER}/{number}"),
        )
    }));
    items
}

/// What it holds, which does not depend on its name.
#[must_use]
pub fn data(run: &Run) -> BTreeMap<String, String> {
    // Plain structs with string keys always serialise.
    let run_json = serde_json::to_string_pretty(&run_file(run)).unwrap_or_default();
    let mut data = BTreeMap::from([
        (RUN_FILE.to_owned(), run_json),
        (STREAMFLOW_FILE.to_owned(), streamflow_yml(run)),
    ]);
    data.extend(
        run.file_keys()
            .into_iter()
            .map(|(key, _, text)| (key, text.to_owned())),
    );
    data.extend(texts(run).map(|(index, text)| (Run::input_key(index), text.clone())));
    let pods = run.placement.pods();
    data.extend(pods.map(|pods| (pods_key(pods), step_pods::manifests(run, pods))));
    let templates = run.placement.templates();
    data.extend(templates.map(|(number, text)| (template_key(number), text.to_owned())));
    if let Some(text) = singularity::registries(run) {
        data.insert(REGISTRIES_FILE.to_owned(), text);
    }
    data
}

fn pods_key(pods: &Pods) -> String {
    format!("pods-{}.yaml", pods.number)
}

fn template_key(number: usize) -> String {
    format!("template-{number}")
}

/// How many bytes a ConfigMap takes, as its limit counts.
#[must_use]
pub fn size(data: &BTreeMap<String, String>) -> usize {
    data.iter().map(|(key, text)| key.len() + text.len()).sum()
}

fn texts(run: &Run) -> impl Iterator<Item = (usize, &String)> {
    run.inputs
        .iter()
        .enumerate()
        .filter_map(|(index, layer)| match layer {
            InputLayer::Text(text) => Some((index, text)),
            InputLayer::Secret(_) => None,
        })
}

fn run_file(run: &Run) -> RunFile {
    RunFile {
        namespace: run.namespace.clone(),
        name: run.name.clone(),
        engine: run.placement.engine,
        deployment: run.deployment.clone(),
        entrypoint: run.entrypoint.clone(),
        inputs: run
            .inputs
            .iter()
            .enumerate()
            .map(|(index, layer)| match layer {
                InputLayer::Text(_) => format!("{RUN_FOLDER}/{}", Run::input_key(index)),
                InputLayer::Secret(_) => format!("{SECRETS_FOLDER}/{index}/{SECRET_FILE}"),
            })
            .collect(),
        secret_inputs: run
            .inputs
            .iter()
            .any(|layer| matches!(layer, InputLayer::Secret(_))),
        copy_volumes: run
            .volumes
            .iter()
            .filter(|volume| is_copied(volume))
            .map(|v| v.name.clone())
            .collect(),
        outputs: run.outputs.as_ref().map(|_| OUTPUTS_FOLDER.to_owned()),
        fetch_limit_bytes: run.settings.fetch_limit_bytes,
        contents_limit_bytes: RunFile::default_contents_limit(),
        grace_seconds: u64::try_from(run.settings.grace_seconds).unwrap_or_default(),
        cwltool: run.placement.cwltool.clone(),
        ssh_hosts: run.placement.hosts.len(),
        leftovers: run.placement.leftovers.clone(),
        provenance: run.resource.clone().map(|resource| Provenance {
            resource,
            image: job::image(run, Parts::of(run).image),
        }),
    }
}

/// Whether the runner copies a volume's content at start, so that a later change does not reach the
/// run. Claims are too large for that, and are not changed by editing an object.
#[must_use]
pub fn is_copied(volume: &Volume) -> bool {
    volume.persistent_volume_claim.is_none()
}
