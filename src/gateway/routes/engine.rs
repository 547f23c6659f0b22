//! Querying sessions of active learning: the paths below `/al-engine`.

mod command;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use super::streamflow::Answer;
use crate::gateway::call::Call;
use crate::gateway::fault::Fault;
use crate::gateway::record::extend;
use crate::gateway::sessions::Session;
use crate::gateway::store::Row;

pub use command::command;

/// Who counts votes and hands out samples.
const CONTRACT: &str = "smart_contract";

/// All sessions of these workflows, newest first.
fn sessions_of(rows: &[Row]) -> Vec<Session> {
    let mut sessions: Vec<_> = rows
        .iter()
        .flat_map(|row| row.metadata.sessions())
        .collect();
    sessions.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    sessions
}

fn listed(session: &Session) -> Value {
    json!({
        "session_id": session.session_id,
        "status": session.status,
        "current_round": session.current_round,
        "total_rounds": session.total_rounds,
        "created_at": session.created_at,
        "accuracy_metrics": session.accuracy_metrics.clone().unwrap_or_else(|| json!({})),
        "is_dal_session": session.is_dal_session,
    })
}

fn counts(sessions: &[Session]) -> (usize, usize) {
    let learning = sessions
        .iter()
        .filter(|session| session.is_dal_session)
        .count();
    (learning, sessions.len() - learning)
}

/// `GET /al-engine/sessions`
pub async fn sessions(call: Call) -> Answer {
    let sessions = sessions_of(&call.store().list(None).await?);
    let (learning, standard) = counts(&sessions);
    let projects: BTreeSet<_> = sessions.iter().map(|session| &session.project_id).collect();
    let items = sessions.iter().map(|session| {
        let mut item = listed(session);
        extend(&mut item, json!({ "project_id": session.project_id }));
        item
    });
    Ok(Json(json!({
        "sessions": items.collect::<Vec<_>>(),
        "total_sessions": sessions.len(),
        "dal_sessions": learning,
        "standard_sessions": standard,
        "total_projects": projects.len(),
    })))
}

/// `GET /al-engine/sessions/{project}`
pub async fn of_project(Path(project): Path<String>, call: Call) -> Answer {
    let sessions = sessions_of(&call.store().list(Some(&project)).await?);
    let (learning, standard) = counts(&sessions);
    Ok(Json(json!({
        "project_id": project,
        "sessions": sessions.iter().map(listed).collect::<Vec<_>>(),
        "total_sessions": sessions.len(),
        "dal_sessions": learning,
        "standard_sessions": standard,
    })))
}

/// `GET /al-engine/sessions/{project}/{session}`
pub async fn session(Path((project, session)): Path<(String, String)>, call: Call) -> Answer {
    let sessions = sessions_of(&call.store().list(Some(&project)).await?);
    let mut found = sessions.into_iter().filter(|it| it.session_id == session);
    let session = found
        .next()
        .ok_or_else(|| Fault::not_found("Session not found"))?;
    let mut answer =
        serde_json::to_value(&session).map_err(|error| Fault::internal(error.to_string()))?;
    let kind = if session.is_dal_session {
        "DAL"
    } else {
        "standard"
    };
    extend(&mut answer, json!({ "session_type": kind }));
    if session.is_dal_session {
        let features = json!({
            "modAL_integration": false, "scikit_learn_backend": true, "enhanced_accuracy": true,
            "template_version": "v1.2",
        });
        extend(&mut answer, json!({ "template_features": features }));
    }
    if let Some(labelled) = session.labeled_data_count {
        let queried = u64::from(session.query_count) * u64::from(session.current_round);
        let progress = json!({
            "queried_count": queried,
            "labeled_count": labelled,
            "completion_percentage": (labelled * 100).checked_div(queried).unwrap_or_default().min(100),
        });
        extend(&mut answer, json!({ "sample_progress": progress }));
    }
    Ok(Json(answer))
}

/// `POST /al-engine/assign-samples`: assignments are the smart contract's affair.
pub async fn assign_samples(call: Call) -> Answer {
    let identity = call.identity(None)?;
    identity.require("assign_samples")?;
    let session = call.text("session_id")?;
    let session = session.ok_or_else(|| Fault::bad("session_id is required"))?;
    Ok(Json(json!({
        "status": "redirected_to_smart_contract",
        "message": "Samples are assigned by the project's smart contract",
        "redirect_to": CONTRACT,
        "project_id": identity.project,
        "session_id": session,
        "assignment_count": items(&call, "assignments")?,
        "assigned_by": identity.wallet,
        "smart_contract_handles": ["sample assignment", "contributor management", "vote collection"],
        "orchestrator_role": "coordinates sessions",
    })))
}

/// `POST /al-engine/submit-labels`: votes are the smart contract's affair.
pub async fn submit_labels(call: Call) -> Answer {
    let identity = call.identity(None)?;
    identity.require("submit_labels")?;
    Ok(Json(json!({
        "status": "redirected_to_smart_contract",
        "message": "Labels are voted on in the project's smart contract",
        "redirect_to": CONTRACT,
        "project_id": identity.project,
        "contributor_wallet": identity.wallet,
        "sample_count": items(&call, "labeled_samples")?,
        "smart_contract_workflow": ["submit votes", "reach consensus", "deliver final labels"],
        "orchestrator_role": "coordinates sessions",
    })))
}

/// `GET /al-engine/session-stats/{project}`
pub async fn stats(Path(project): Path<String>, call: Call) -> Answer {
    let identity = call.identity(Some(&project))?;
    identity.require("view_project_data")?;
    Ok(Json(json!({
        "project_id": project,
        "orchestrator_metadata": {
            "session_coordination": "active",
            "workflow_status": "coordinating",
            "user_role": identity.role.as_str(),
            "accessed_by": identity.wallet,
        },
        "voting_and_user_stats": {
            "location": CONTRACT,
            "note": "Votes and contributors are kept by the project's smart contract",
            "access_via": "the contract's own interface",
        },
        "orchestrator_responsibilities": ["workflow execution", "session coordination"],
        "smart_contract_responsibilities": ["sample assignment", "voting", "contributor management"],
    })))
}

/// How many items a list of the body has.
fn items(call: &Call, field: &str) -> Result<usize, Fault> {
    match call.body.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Array(items)) => Ok(items.len()),
        Some(_) => Err(Fault::bad(format!("{field} must be a list"))),
    }
}
