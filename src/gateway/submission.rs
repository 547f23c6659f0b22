//! From a submission to a resource.

use jiff::Timestamp;
use kube::api::ObjectMeta;
use serde_json::{Map, Value, json};

use super::claims::Identity;
use super::coerce;
use super::document::Document;
use super::fault::Fault;
use super::run::{
    LEARNING, METADATA, OWNER, PROBLEM, PROJECT, PROJECT_LABEL, TEMPLATE, project_label,
};
use super::template::Template;
use crate::api::runner::RunnerSettings;
use crate::api::{DvreWorkflow, DvreWorkflowSpec};

/// The most bytes of metadata: annotations of an object may take 256 KiB in all.
const METADATA_LIMIT: usize = 64 << 10;
/// The most characters of a project's name.
const PROJECT_LIMIT: usize = 512;

/// A submission.
#[derive(Debug)]
pub struct Submission<'a> {
    /// The document.
    pub document: Document,
    /// The template that it was made of.
    pub template: Option<&'a Template>,
    /// Its inputs, as they were sent.
    pub inputs: Map<String, Value>,
    /// Where its steps run.
    pub deployment: String,
    /// Who submitted it, where that is known.
    pub owner: Option<String>,
    /// Its project.
    pub project: Option<Project>,
}

/// What a submission to a project has beside.
#[derive(Debug)]
pub struct Project {
    /// Who submitted it, and to which project.
    pub identity: Identity,
    /// Its metadata, as it was sent.
    pub metadata: Map<String, Value>,
}

impl Project {
    /// The settings of active learning.
    #[must_use]
    pub fn al_config(&self) -> Map<String, Value> {
        let config = self.metadata.get("al_config").and_then(Value::as_object);
        config.cloned().unwrap_or_default()
    }

    /// The record's metadata: what was sent, under what the server knows better.
    fn record(&self, learns: bool, template: Option<&str>, now: Timestamp) -> Map<String, Value> {
        let mut record = Map::new();
        for (field, default) in [
            ("project_title", Value::Null),
            ("al_config", json!({})),
            ("contributors", json!([])),
            ("configuration_phase", json!("finalized")),
            ("ipfs_dataset_hash", Value::Null),
            ("ipfs_model_hash", Value::Null),
        ] {
            record.insert(field.to_owned(), default);
        }
        record.extend(self.metadata.clone());
        for (field, known) in [
            ("creator", json!(self.identity.wallet)),
            ("user_role", json!(self.identity.role.as_str())),
            ("smart_contract_address", json!(self.identity.contract)),
            ("is_dal_workflow", json!(learns)),
            ("dal_workflow_type", json!(template)),
            ("created_at", json!(now.to_string())),
        ] {
            record.insert(field.to_owned(), known);
        }
        record
    }
}

impl Submission<'_> {
    /// What it is, for counting: `template`, `project` or `basic`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (self.template, &self.project) {
            (Some(_), _) => "template",
            (None, Some(_)) => "project",
            (None, None) => "basic",
        }
    }

    /// The resource of this id.
    pub fn resource(self, id: &str, now: Timestamp) -> Result<DvreWorkflow, Fault> {
        let mut inputs = self.inputs;
        if let Some(template) = self.template {
            let al_config = self.project.as_ref().map(Project::al_config);
            inputs = template.inputs(inputs, &al_config.unwrap_or_default())?;
        }
        let inputs = coerce::inputs(&self.document.cwl, inputs)?;
        let template = self.template.map(|template| template.about.name.as_str());
        let mut labels = vec![("app.kubernetes.io/created-by", "dvre-gateway".to_owned())];
        let mut annotations = Vec::new();
        annotations.extend(self.owner.map(|owner| (OWNER, owner)));
        annotations.extend(template.map(|name| (TEMPLATE, name.to_owned())));
        if self.document.learns {
            annotations.push((LEARNING, "true".to_owned()));
        }
        annotations.extend(self.document.problem.map(|problem| (PROBLEM, problem)));
        if let Some(project) = &self.project {
            let name = &project.identity.project;
            if name.chars().count() > PROJECT_LIMIT {
                return Err(Fault::bad(format!(
                    "project_id has more than {PROJECT_LIMIT} characters"
                )));
            }
            labels.push((PROJECT_LABEL, project_label(name)));
            annotations.push((PROJECT, name.clone()));
            let record = project.record(self.document.learns, template, now);
            let record = Value::Object(record).to_string();
            if record.len() > METADATA_LIMIT {
                return Err(Fault::too_large(format!(
                    "metadata has more than {METADATA_LIMIT} bytes"
                )));
            }
            annotations.push((METADATA, record));
        }
        let image = self.template.and_then(|template| template.image.clone());
        let runner = image
            .filter(|_| self.deployment == "local")
            .map(|image| RunnerSettings {
                image: Some(image),
                ..RunnerSettings::default()
            });
        let owned = |pairs: Vec<(&str, String)>| {
            let pairs = pairs.into_iter();
            Some(pairs.map(|(key, value)| (key.to_owned(), value)).collect())
        };
        Ok(DvreWorkflow {
            metadata: ObjectMeta {
                name: Some(id.to_owned()),
                labels: owned(labels),
                annotations: owned(annotations),
                ..ObjectMeta::default()
            },
            spec: DvreWorkflowSpec {
                cwl: Some(self.document.cwl),
                inputs: Some(inputs),
                deployment: self.deployment,
                runner,
                ..DvreWorkflowSpec::default()
            },
            status: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::role::Role;

    fn submission(metadata: &Value) -> Submission<'static> {
        let document = json!({"cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true",
            "inputs": {}, "outputs": {}});
        Submission {
            document: Document::accept(&document).unwrap(),
            template: None,
            inputs: Map::new(),
            deployment: "local".into(),
            owner: Some("0xabc".into()),
            project: Some(Project {
                identity: Identity {
                    wallet: "0xabc".into(),
                    role: Role::Coordinator,
                    project: "My project".into(),
                    contract: None,
                },
                metadata: metadata.as_object().unwrap().clone(),
            }),
        }
    }

    #[test]
    fn a_resource_tells_its_project_and_owner() {
        let now = "2026-11-28T00:00:00Z".parse().unwrap();
        let sent =
            json!({"project_title": "T", "creator": "0xevil", "is_dal_workflow": true, "mine": 1});
        let resource = submission(&sent).resource("an-id", now).unwrap();
        insta::assert_yaml_snapshot!(resource);
    }

    #[test]
    fn metadata_that_no_object_could_hold_is_refused() {
        let sent = json!({"mine": "x".repeat(METADATA_LIMIT)});
        let fault = submission(&sent)
            .resource("id", Timestamp::UNIX_EPOCH)
            .unwrap_err();
        assert!(fault.message.contains("metadata has more than"));
    }
}
