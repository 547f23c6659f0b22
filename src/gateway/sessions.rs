//! Querying sessions of active learning. They stand in an annotation of the workflow that they belong to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::run::Run;

/// Output with what a round has measured, as JSON.
const METRICS: &str = "metrics";
/// Output with the samples that a round has chosen, as JSON.
const CHOSEN: &str = "query_samples";

/// A querying session, in the fields that clients read.
#[expect(clippy::struct_field_names, reason = "the names are the API's")]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Session {
    /// Its id.
    pub session_id: String,
    /// Its project.
    pub project_id: String,
    /// Its workflow.
    pub workflow_id: String,
    /// `active`, `waiting_for_labels` or `training`.
    pub status: String,
    /// The round, from 1.
    pub current_round: u32,
    /// How many rounds are planned.
    pub total_rounds: u32,
    /// When it began.
    pub created_at: String,
    /// How many samples a round asks for.
    pub query_count: u32,
    /// How samples are chosen.
    pub strategy: String,
    /// Whether its workflow is for active learning.
    pub is_dal_session: bool,
    /// The project's settings.
    #[serde(default)]
    pub dal_config: Value,
    /// Whether clients do the work of a round.
    pub client_side_execution: bool,
    /// What clients were told, the last ones.
    #[serde(default)]
    pub instruction_history: Vec<Value>,
    /// When it was trained last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_training: Option<String>,
    /// How many labels have arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labeled_data_count: Option<u64>,
    /// When labels arrived last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_labeling: Option<String>,
    /// What the workflow measured; none before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_metrics: Option<Value>,
}

impl Session {
    /// What the record of its workflow tells of it.
    #[must_use]
    pub fn brief(&self) -> Value {
        json!({
            "session_id": self.session_id,
            "status": self.status,
            "current_round": self.current_round,
            "strategy": self.strategy,
            "is_dal_session": self.is_dal_session,
        })
    }
}

/// What the run of a workflow has measured; none before it has.
#[must_use]
pub fn metrics(run: &Run) -> Option<Value> {
    content(run, METRICS).filter(Value::is_object)
}

/// The samples that the run has chosen, where they are few enough to stand in its status.
#[must_use]
pub fn queried(run: &Run) -> Vec<Value> {
    let chosen = content(run, CHOSEN).unwrap_or_default();
    let sample = |sample: &Value| json!({ "sample_id": sample.get("original_index"), "uncertainty": sample.get("uncertainty") });
    chosen
        .as_array()
        .into_iter()
        .flatten()
        .map(sample)
        .collect()
}

/// The content of an output, a small file of JSON.
fn content(run: &Run, output: &str) -> Option<Value> {
    let outputs = run.status.as_ref()?.outputs.as_ref()?;
    let contents = outputs.get(output)?.get("contents")?.as_str()?;
    serde_json::from_str(contents).ok()
}
