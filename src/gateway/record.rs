//! From a resource to the records of the original server.

use serde_json::{Map, Value, json};

use super::run::{Meta, Run, time};
use super::sessions::Session;
use super::store::Row;
use crate::api::Phase;

/// The fields that every record tells of its execution, for clients that ask for them.
pub const MODEL: &str = "server_orchestrates_client_executes";
/// Engine of a run that has not begun.
pub const ENGINE: &str = "streamflow";
/// Files that a client of the original server was expected to have.
pub const CLIENT_FILES: [&str; 2] = ["modal_run.py", "dal_engine.py"];

/// The status of a workflow, in the words that every client of the original server knows.
#[must_use]
pub fn status(phase: &str) -> &'static str {
    match phase {
        "Running" | "Cancelling" => "RUNNING",
        "Succeeded" => "COMPLETED",
        "Failed" => "FAILED",
        "Cancelled" => "TERMINATED",
        _ => "PENDING",
    }
}

/// How far a record has come: `basic`, `configuration_complete` or `terminated`.
#[must_use]
pub fn stage(metadata: &Meta, phase: &str) -> &'static str {
    if metadata.is_terminated() || matches!(phase, "Cancelled" | "Cancelling") {
        "terminated"
    } else if metadata.project().is_some() {
        "configuration_complete"
    } else {
        "basic"
    }
}

/// The project's title.
fn title(record: &Map<String, Value>) -> Value {
    record.get("project_title").cloned().unwrap_or_default()
}

/// The settings of active learning.
#[must_use]
pub fn al_config(record: &Map<String, Value>) -> Map<String, Value> {
    let config = record.get("al_config").and_then(Value::as_object);
    config.cloned().unwrap_or_default()
}

/// How samples are chosen, by these settings.
#[must_use]
pub fn strategy(config: &Map<String, Value>) -> String {
    let mut keys = ["query_strategy", "queryStrategy"].iter();
    let named = keys.find_map(|key| config.get(*key)?.as_str());
    named.unwrap_or("uncertainty_sampling").to_owned()
}

/// Adds fields to an object.
pub fn extend(record: &mut Value, more: Value) {
    if let (Value::Object(record), Value::Object(more)) = (record, more) {
        record.extend(more);
    }
}

/// The whole record of a workflow.
#[must_use]
pub fn whole(run: &Run) -> Value {
    let metadata = &run.metadata;
    let now = run.status.clone().unwrap_or_default();
    let phase = now.phase.unwrap_or(Phase::Pending);
    let ends = run.spec.cancel == Some(true) && !phase.is_final();
    let stage = if ends {
        "terminated"
    } else {
        stage(metadata, phase.as_str())
    };
    let reason = now.reason.map(crate::api::Reason::as_str);
    let why = metadata
        .problem()
        .or(now.message.as_deref())
        .unwrap_or_default();
    let error = (phase == Phase::Failed).then(|| match reason {
        Some(reason) => format!("{reason}: {why}"),
        None => why.to_owned(),
    });
    let mut record = json!({
        "workflow_id": metadata.name,
        "status": status(phase.as_str()),
        "created_at": metadata.created_at(),
        "output": now.outputs.as_ref().map(|outputs| Value::Object(outputs.clone()).to_string()),
        "outputs": now.outputs,
        "error": error,
        "phase": stage,
        "execution_engine": now.execution_engine.as_deref().unwrap_or(ENGINE),
        "deployment": run.spec.deployment.clone().unwrap_or_else(crate::api::default_deployment),
        "execution_model": MODEL,
        "reason": reason,
        "message": now.message,
        "progress": now.progress,
        "steps": now.steps,
        "is_dal_workflow": metadata.learns(),
    });
    for (field, at) in [
        ("started_at", &now.start_time),
        ("completed_at", &now.completion_time),
    ] {
        if at.is_some() {
            extend(&mut record, json!({ field: time(at.as_ref()) }));
        }
    }
    if phase == Phase::Cancelled {
        let at = time(now.completion_time.as_ref());
        extend(&mut record, json!({ "terminated_at": at }));
    }
    if let Some(project) = metadata.project() {
        let own = json!({ "project_id": project, "metadata": metadata.record() });
        extend(&mut record, own);
    }
    if metadata.learns() {
        let info = json!({
            "template_type": metadata.template(),
            "al_config": al_config(&metadata.record()),
            "execution_complete": phase == Phase::Succeeded,
            "coordination_paths_prepared": now.job_name.is_some(),
            "execution_location": "server_side",
            "client_files_expected": CLIENT_FILES,
        });
        extend(&mut record, json!({ "dal_info": info }));
    }
    let sessions = metadata.sessions();
    if !sessions.is_empty() {
        let ids: Vec<_> = sessions.iter().map(|session| &session.session_id).collect();
        extend(
            &mut record,
            json!({ "active_sessions": ids.len(), "sessions": ids }),
        );
        if metadata.learns() {
            let sessions: Vec<_> = sessions.iter().map(Session::brief).collect();
            extend(&mut record, json!({ "dal_sessions": sessions }));
        }
    }
    record
}

/// What every list tells of a workflow.
#[must_use]
pub fn brief(row: &Row) -> Value {
    let metadata = &row.metadata;
    json!({
        "workflow_id": metadata.name,
        "status": status(&row.phase),
        "created_at": metadata.created_at(),
        "phase": stage(metadata, &row.phase),
        "is_dal_workflow": metadata.learns(),
        "execution_engine": row.engine.as_deref().unwrap_or(ENGINE),
        "deployment": row.deployment,
    })
}

/// A workflow in the list of all.
#[must_use]
pub fn listed(row: &Row) -> Value {
    let mut item = brief(row);
    let metadata = &row.metadata;
    let record = metadata.record();
    if let Some(project) = metadata.project() {
        let own = json!({ "project_id": project, "project_title": title(&record) });
        extend(&mut item, own);
    }
    if metadata.learns() {
        let info = json!({
            "template_type": metadata.template(),
            "al_strategy": strategy(&al_config(&record)),
            "execution_complete": row.phase == "Succeeded",
        });
        extend(&mut item, json!({ "dal_info": info }));
    }
    let sessions = metadata.sessions();
    if !sessions.is_empty() {
        let learning = sessions
            .iter()
            .filter(|session| session.is_dal_session)
            .count();
        let counts = json!({ "active_sessions": sessions.len(), "dal_sessions_count": learning });
        extend(&mut item, counts);
    }
    item
}

/// A workflow in the list of its project.
#[must_use]
pub fn of_project(row: &Row) -> Value {
    let mut item = brief(row);
    let metadata = &row.metadata;
    let record = metadata.record();
    if metadata.learns() {
        let info = json!({
            "template_type": metadata.template(),
            "al_config": al_config(&record),
            "execution_complete": row.phase == "Succeeded",
            "file_paths_prepared": row.phase != "Pending" && !row.phase.is_empty(),
        });
        extend(&mut item, json!({ "dal_info": info }));
    }
    let sessions = metadata.sessions();
    if !sessions.is_empty() {
        let learning = sessions
            .iter()
            .filter(|session| session.is_dal_session)
            .count();
        let ids: Vec<_> = sessions.iter().map(|session| &session.session_id).collect();
        let counts = json!({
            "active_sessions": ids.len(), "sessions": ids, "dal_sessions_count": learning,
        });
        extend(&mut item, counts);
    }
    extend(&mut item, json!({ "metadata": record }));
    item
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn run(status: &Value, cancel: bool) -> Run {
        serde_json::from_value(json!({
            "metadata": {
                "name": "id", "creationTimestamp": "2026-11-28T00:00:00Z",
                "labels": { "dvre.io/project": "heart" },
                "annotations": {
                    "dvre.io/metadata": r#"{"al_config":{"query_strategy":"margin_sampling"}}"#,
                    "dvre.io/active-learning": "true", "dvre.io/template": "train_query",
                },
            },
            "spec": { "deployment": "docker", "cancel": cancel },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_record_tells_outputs_as_text_and_as_object() {
        let status = json!({
            "observedGeneration": 1, "phase": "Succeeded", "reason": "Completed", "message": "1 step completed",
            "executionEngine": "cwltool", "outputs": {"x": 1}, "jobName": "id-1",
            "startTime": "2026-11-28T00:00:01Z", "completionTime": "2026-11-28T00:00:02Z",
        });
        insta::assert_yaml_snapshot!(whole(&run(&status, false)));
    }

    #[rstest]
    #[case::not_seen_yet(json!(null), false, "PENDING", "configuration_complete")]
    #[case::failed(json!({"phase": "Failed", "reason": "StepFailed", "message": "why"}), false, "FAILED", "configuration_complete")]
    #[case::being_ended(json!({"phase": "Running"}), true, "RUNNING", "terminated")]
    #[case::ended(json!({"phase": "Cancelled", "completionTime": "2026-11-28T00:00:02Z"}), true, "TERMINATED", "terminated")]
    fn phases_are_told_in_the_original_words(
        #[case] seen: Value,
        #[case] cancel: bool,
        #[case] status: &str,
        #[case] stage: &str,
    ) {
        let record = whole(&run(&seen, cancel));
        assert_eq!(record["status"], status);
        assert_eq!(record["phase"], stage);
        let failed = status == "FAILED";
        assert_eq!(record["error"] == json!("StepFailed: why"), failed);
        assert_eq!(record["terminated_at"].is_string(), status == "TERMINATED");
    }
}
