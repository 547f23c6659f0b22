//! A workflow as it stands in the cluster, as far as the API shows it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::sessions::Session;
use crate::api::DvreWorkflowStatus;

/// Label with the project, shortened to fit.
pub const PROJECT_LABEL: &str = "dvre.io/project";
/// Annotation with the project, as it was sent.
pub const PROJECT: &str = "dvre.io/project-id";
/// Annotation with who submitted it.
pub const OWNER: &str = "dvre.io/owner";
/// Annotation with the record's metadata, as JSON.
pub const METADATA: &str = "dvre.io/metadata";
/// Annotation with the name of the template.
pub const TEMPLATE: &str = "dvre.io/template";
/// Annotation of a workflow for active learning.
pub const LEARNING: &str = "dvre.io/active-learning";
/// Annotation with what is wrong with a document that is none.
pub const PROBLEM: &str = "dvre.io/problem";
/// Annotation with the querying sessions, as JSON.
pub const SESSIONS: &str = "dvre.io/sessions";

/// Annotation of a workflow whose project was ended.
pub const TERMINATED: &str = "dvre.io/terminated";

/// A workflow, as far as the API shows it. What is not named here is skipped over, however deep.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// Its metadata.
    pub metadata: Meta,
    /// Its spec.
    pub spec: Spec,
    /// Its status; none before the operator has seen it.
    #[serde(default)]
    pub status: Option<DvreWorkflowStatus>,
}

/// The part of a spec that the API shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// Where its steps run.
    pub deployment: Option<String>,
    /// Whether it is to end.
    pub cancel: Option<bool>,
}

/// The part of metadata that the API shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Its name, which is the workflow's id.
    pub name: String,
    /// The version of the object.
    pub resource_version: Option<String>,
    /// When it was submitted.
    pub creation_timestamp: Option<Time>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Meta {
    fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    /// Its project; of a workflow that was not submitted here, what its label says.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        let label = self.labels.get(PROJECT_LABEL).map(String::as_str);
        self.annotation(PROJECT).or(label)
    }

    /// Who submitted it.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.annotation(OWNER)
    }

    /// The template that it was made of.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.annotation(TEMPLATE)
    }

    /// Whether it is for active learning.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.annotation(LEARNING) == Some("true")
    }

    /// Whether its project was ended.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.annotation(TERMINATED) == Some("true")
    }

    /// What is wrong with its document.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.annotation(PROBLEM)
    }

    /// The record's metadata. Somebody may have edited it by hand: what is no object counts as none.
    #[must_use]
    pub fn record(&self) -> Map<String, Value> {
        let text = self.annotation(METADATA).unwrap_or("{}");
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Its querying sessions, oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        let text = self.annotation(SESSIONS).unwrap_or("[]");
        serde_json::from_str(text).unwrap_or_default()
    }

    /// When it was submitted, as the API tells times.
    #[must_use]
    pub fn created_at(&self) -> Value {
        time(self.creation_timestamp.as_ref())
    }
}

/// A time as the API tells it.
#[must_use]
pub fn time(time: Option<&Time>) -> Value {
    time.map_or(Value::Null, |time| Value::String(time.0.to_string()))
}

/// The value of the project's label: the project itself, or a digest where it does not fit.
#[must_use]
pub fn project_label(project: &str) -> String {
    let inner = |byte: u8| byte.is_ascii_alphanumeric();
    let fits = project.len() <= 63
        && !project.starts_with("sha256-")
        && project.bytes().next().is_some_and(inner)
        && project.bytes().last().is_some_and(inner)
        && project
            .bytes()
            .all(|byte| inner(byte) || b"-_.".contains(&byte));
    if fits {
        return project.to_owned();
    }
    format!("sha256-{}", crate::names::digest(project, 56))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("heart-1.0_x", true)]
    #[case::empty("", false)]
    #[case::spaces("my project", false)]
    #[case::selector("a,b=c", false)]
    #[case::at_the_end("heart-", false)]
    #[case::a_digest("sha256-0", false)]
    #[case::letters("héart", false)]
    fn a_project_is_a_label_or_its_digest(#[case] project: &str, #[case] fits: bool) {
        let label = project_label(project);
        assert_eq!(label == project, fits);
        assert!(label.len() <= 63);
    }

    #[test]
    fn annotations_that_were_edited_do_no_harm() {
        let meta = Meta {
            annotations: [(METADATA, "7"), (SESSIONS, "{")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..Meta::default()
        };
        assert!(meta.record().is_empty() && meta.sessions().is_empty());
    }
}
