//! A run that was checked: everything rendering needs, and nothing that could still be wrong.

use std::collections::BTreeMap;

use serde_json::Value;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::placement::Placement;
use crate::api::runner::RunnerSettings;
use crate::api::sources::{Claim, KeyRef, Volume};
use crate::names;
use crate::settings::RunSettings;

/// One attempt of a run. Only `controller::validate` makes it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Namespace of the resource and its children.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// Uid of the resource.
    pub uid: String,
    /// Owner reference that every child carries.
    pub owner: OwnerReference,
    /// Number of the attempt, from 1.
    pub attempt: i32,
    /// The workflow's files by relative path.
    pub files: BTreeMap<String, String>,
    /// The process to run: a file, and after `#` the id of a process in it.
    pub entrypoint: String,
    /// Input objects in the order in which they are merged.
    pub inputs: Vec<InputLayer>,
    /// Data volumes.
    pub volumes: Vec<Volume>,
    /// Name of the deployment.
    pub deployment: String,
    /// Where its steps run.
    pub placement: Placement,
    /// Name of the ConfigMap with its documents.
    pub config_map: String,
    /// Labels with which a queue, such as Kueue, finds what it manages.
    pub queue: BTreeMap<String, String>,
    /// How many seconds after the end of the run its children are kept; None for as long as the resource.
    pub ttl_seconds: Option<i64>,
    /// How many times the usual memory the runner gets.
    pub memory_factor: f64,
    /// Where outputs are kept.
    pub outputs: Option<Claim>,
    /// Settings of the runner's pod.
    pub runner: RunnerSettings,
    /// What the operator decides.
    pub settings: RunSettings,
    /// The resource for its provenance, without `spec.cwl` and `spec.inputs`, where outputs are kept.
    pub resource: Option<Value>,
}

/// One input object.
#[derive(Clone, Debug, PartialEq)]
pub enum InputLayer {
    /// Its text, YAML or JSON.
    Text(String),
    /// A Secret's key, which the operator never reads.
    Secret(KeyRef),
}

impl Run {
    /// Name of this attempt's Job.
    #[must_use]
    pub fn job_name(&self) -> String {
        names::job(&self.name, self.attempt)
    }

    /// Metadata of a child.
    #[must_use]
    pub fn metadata(&self, name: String, component: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(names::labels(&self.name, &self.uid, component)),
            annotations: Some([(names::WORKFLOW.to_owned(), self.name.clone())].into()),
            owner_references: Some(vec![self.owner.clone()]),
            ..ObjectMeta::default()
        }
    }

    /// Key of the ConfigMap under which a file of the workflow is stored. Keys allow no `/`, so files
    /// are numbered in the order of their paths.
    #[must_use]
    pub fn file_keys(&self) -> Vec<(String, &str, &str)> {
        self.files
            .iter()
            .enumerate()
            .map(|(index, (path, text))| (format!("file-{index}"), path.as_str(), text.as_str()))
            .collect()
    }

    /// Key of the ConfigMap under which an input object is stored; None for a Secret's.
    #[must_use]
    pub fn input_key(index: usize) -> String {
        format!("inputs-{index}.yaml")
    }
}
