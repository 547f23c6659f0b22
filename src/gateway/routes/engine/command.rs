//! `POST /al-engine/command`: commands to a querying session. What a session knows stands in an annotation
//! of its workflow, so that commands of several people at one time do not undo each other's.

mod start;
mod terminate;

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::CONTRACT;
use crate::gateway::call::Call;
use crate::gateway::claims::Identity;
use crate::gateway::fault::Fault;
use crate::gateway::record::{self, CLIENT_FILES};
use crate::gateway::run::{Run, SESSIONS};
use crate::gateway::sessions::{self, Session};
use crate::words::show;

/// The most instructions that a session remembers.
const REMEMBERED: usize = 20;
/// What a session does between two rounds.
const WAITING: &str = "waiting_for_labels";

/// How a command was taken.
struct Done {
    status: &'static str,
    message: String,
    data: Value,
}

/// `POST /al-engine/command`
pub async fn command(call: Call) -> Result<Response, Fault> {
    let identity = call.identity(None)?;
    let kind = required(&call, "command_type")?;
    let id = required(&call, "workflow_id")?;
    let run = call.store().get(&id).await?;
    if run.metadata.project() != Some(identity.project.as_str()) {
        return Err(Fault::not_found("Workflow not found"));
    }
    let phase = run.status.as_ref().and_then(|status| status.phase);
    let phase = phase.map_or("", |phase| phase.as_str());
    if record::stage(&run.metadata, phase) != "configuration_complete" {
        return Err(Fault::bad("Workflow not ready for runtime orchestration"));
    }
    let parameters = call.object("parameters")?;
    let done = match kind.as_str() {
        "start_querying" => start::start(&call, &identity, &id, &parameters).await,
        "continue_querying" => proceed(&call, &identity, &id, &parameters).await,
        "prompt_training" => train(&call, &identity, &id, &parameters).await,
        "submit_labels" => labels(&call, &identity, &id, &parameters).await,
        "terminate_project" => terminate::terminate(&call, &identity, &id).await,
        other => return Err(Fault::bad(format!("Unknown command_type: {}", show(other)))),
    };
    let (command_id, timestamp) = (Uuid::new_v4().to_string(), Timestamp::now().to_string());
    match done {
        Ok(done) => Ok(Json(json!({
            "command_id": command_id, "status": done.status, "message": done.message,
            "data": done.data, "timestamp": timestamp,
        }))
        .into_response()),
        Err(fault) => {
            let body = json!({
                "command_id": command_id, "status": "failed", "message": fault.message,
                "error": fault.message, "timestamp": timestamp,
            });
            Ok((fault.status, Json(body)).into_response())
        }
    }
}

fn required(call: &Call, field: &str) -> Result<String, Fault> {
    let sent = call.text(field)?.map(str::to_owned);
    sent.ok_or_else(|| Fault::bad(format!("{field} is required")))
}

/// A number of the parameters, in any form that clients use.
fn number(parameters: &Map<String, Value>, names: &[&str]) -> Option<u32> {
    let found = names.iter().find_map(|name| parameters.get(*name))?;
    let number = found.as_u64().or_else(|| found.as_str()?.parse().ok())?;
    u32::try_from(number).ok()
}

/// The patch that stores sessions.
fn stored(sessions: &[Session]) -> Result<Value, Fault> {
    let text =
        serde_json::to_string(sessions).map_err(|error| Fault::internal(error.to_string()))?;
    Ok(json!({ "metadata": { "annotations": { SESSIONS: text } } }))
}

/// Changes one session of a workflow.
async fn change<T>(
    call: &Call,
    id: &str,
    parameters: &Map<String, Value>,
    change: impl Fn(&mut Session, &Run) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let wanted = parameters.get("session_id").and_then(Value::as_str);
    let wanted = wanted.ok_or_else(|| Fault::bad("session_id is required"))?;
    let store = call.store();
    let changed = store.change(id, |run| {
        let mut sessions = run.metadata.sessions();
        let mut matching = sessions.iter_mut().filter(|it| it.session_id == wanted);
        let session = matching
            .next()
            .ok_or_else(|| Fault::not_found("Session not found"))?;
        let answer = change(session, run)?;
        Ok((stored(&sessions)?, answer))
    });
    changed.await
}

/// What a client is told to do, which its session remembers.
fn instruct(session: &mut Session, command: &str, description: &str, parameters: &Value) -> Value {
    let instruction = json!({
        "command": command,
        "description": description,
        "parameters": parameters,
        "expected_client_files": CLIENT_FILES,
        "coordination_mode": "orchestrator_to_client",
        "timestamp": Timestamp::now().to_string(),
        "session_id": session.session_id,
        "project_id": session.project_id,
    });
    session.instruction_history.push(instruction.clone());
    let many = session.instruction_history.len().saturating_sub(REMEMBERED);
    session.instruction_history.drain(..many);
    instruction
}

fn location(learns: bool) -> &'static str {
    if learns { "client_side" } else { "server_side" }
}

async fn proceed(
    call: &Call,
    identity: &Identity,
    id: &str,
    parameters: &Map<String, Value>,
) -> Result<Done, Fault> {
    identity.require("continue_querying")?;
    let data = change(call, id, parameters, |session, run| {
        if session.status != WAITING {
            return Err(Fault::bad(format!(
                "the session is '{}': it continues from '{WAITING}'",
                session.status
            )));
        }
        session.current_round = session.current_round.saturating_add(1);
        let asked =
            json!({ "session_id": session.session_id, "query_budget": session.query_count });
        let mut data = json!({
            "session_id": session.session_id,
            "current_round": session.current_round,
            "queried_samples": sessions::queried(run),
            "query_count": session.query_count,
            "is_dal_session": session.is_dal_session,
        });
        if session.is_dal_session {
            let instruction = instruct(session, "query", "Choose the next samples", &asked);
            record::extend(&mut data, json!({ "client_instruction": instruction }));
        }
        Ok(data)
    });
    Ok(Done {
        status: "accepted",
        message: "The next round has begun".to_owned(),
        data: data.await?,
    })
}

async fn train(
    call: &Call,
    identity: &Identity,
    id: &str,
    parameters: &Map<String, Value>,
) -> Result<Done, Fault> {
    identity.require("prompt_training")?;
    let data = change(call, id, parameters, |session, run| {
        let metrics = sessions::metrics(run);
        session.last_training = Some(Timestamp::now().to_string());
        session.accuracy_metrics.clone_from(&metrics);
        let mut data = json!({
            "session_id": session.session_id,
            "accuracy_metrics": metrics,
            "training_completed": metrics.is_some(),
            "is_dal_session": session.is_dal_session,
            "execution_location": location(session.is_dal_session),
        });
        if session.is_dal_session {
            let asked = json!({ "session_id": session.session_id, "labeled_data": null });
            let instruction = instruct(session, "train", "Train with the labels so far", &asked);
            record::extend(&mut data, json!({ "client_instruction": instruction }));
        }
        Ok(data)
    });
    let data = data.await?;
    let trained = data.get("training_completed") == Some(&Value::Bool(true));
    Ok(Done {
        status: "completed",
        message: if trained {
            "The metrics are those of the workflow's last round".to_owned()
        } else {
            "The workflow has measured nothing yet".to_owned()
        },
        data,
    })
}

async fn labels(
    call: &Call,
    identity: &Identity,
    id: &str,
    parameters: &Map<String, Value>,
) -> Result<Done, Fault> {
    // Not the permission of that name, which a coordinator lacks: its clients send labels, too.
    identity.require("view_project_data")?;
    let count = match parameters.get("labeled_samples") {
        None | Some(Value::Null) => 0,
        Some(Value::Array(samples)) => samples.len(),
        Some(_) => return Err(Fault::bad("labeled_samples must be a list")),
    };
    let (learns, data) = change(call, id, parameters, |session, _| {
        if session.is_dal_session {
            let data = json!({
                "session_id": session.session_id,
                "redirect_to": CONTRACT,
                "sample_count": count,
                "voting_process": "votes are counted by the project's smart contract",
                "result_delivery": "final labels are inputs of the next workflow",
                "orchestrator_role": "coordinates sessions",
            });
            return Ok((true, data));
        }
        let total = session.labeled_data_count.unwrap_or_default();
        let total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        session.labeled_data_count = Some(total);
        session.last_labeling = Some(Timestamp::now().to_string());
        let data = json!({
            "session_id": session.session_id,
            "processed_samples": count,
            "total_labeled_samples": total,
            "session_status": session.status,
            "is_dal_session": false,
        });
        Ok((false, data))
    })
    .await?;
    Ok(Done {
        status: if learns {
            "redirected_to_smart_contract"
        } else {
            "completed"
        },
        message: format!("{count} labels"),
        data,
    })
}
