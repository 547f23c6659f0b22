//! What the service says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::streamflow::Answer;
use crate::gateway::Gateway;
use crate::gateway::call::Call;
use crate::gateway::fault::Fault;
use crate::gateway::record;
use crate::gateway::role::Role;
use crate::gateway::template::choices;

/// `GET /`
pub async fn description(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let templates = gateway.templates();
    Json(json!({
        "message": "DVRE orchestration server",
        "description": "Runs CWL workflows with StreamFlow on Kubernetes: each is a DvreWorkflow resource",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoints": {
            "workflows": {
                "POST /streamflow/submit": "Submit a CWL workflow",
                "POST /streamflow/submit-project-workflow": "Submit a workflow of a project, or a template",
                "GET /streamflow/status/{workflow_id}": "A workflow, its status and its outputs",
                "GET /streamflow/workflows": "All workflows; project_id and dal_only=true filter",
                "GET /streamflow/projects/{project_id}/workflows": "The workflows of a project",
            },
            "templates": { "GET /dal/templates": "The templates, and what they take" },
            "active learning": {
                "POST /al-engine/command": "A command to a querying session",
                "GET /al-engine/sessions": "All querying sessions",
                "GET /al-engine/sessions/{project_id}": "Those of a project",
                "GET /al-engine/sessions/{project_id}/{session_id}": "One of them",
                "GET /al-engine/session-stats/{project_id}": "Counts of a project",
                "POST /al-engine/assign-samples": "Assignments are made by the smart contract",
                "POST /al-engine/submit-labels": "Labels are voted on by the smart contract",
            },
            "users": {
                "POST /users/authenticate": "Who you are, and what you may do",
                "GET /users/project-info/{project_id}": "A project as you see it",
                "GET /users/my-projects": "Your projects",
            },
            "service": {
                "GET /health": "Whether the service works",
                "GET /database/stats": "Counts of workflows and sessions",
                "GET /openapi.json": "This API as an OpenAPI document",
            },
        },
        "user_roles": {
            "coordinator": Role::Coordinator.permissions(),
            "contributor": Role::Contributor.permissions(),
        },
        "workflow_types": { "basic": "One CWL document", "project": "A workflow of a project", "dal": "Active learning" },
        "dal_features": {
            "supported_templates": templates.keys().collect::<Vec<_>>(),
            "supported_strategies": choices(&templates, "query_strategy"),
            "supported_models": choices(&templates, "model_type"),
            "template_auto_generation": true,
            "enhanced_accuracy_tracking": true,
            "coordination_mode": record::MODEL,
            "execution_location": "server_side",
            "file_preparation": "server_side",
        },
        "workflow_phases": ["basic", "configuration_complete", "terminated"],
    }))
}

/// `GET /health`
pub async fn health(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, Fault> {
    gateway.reach.check(&gateway.client).await?;
    Ok(Json(
        json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") }),
    ))
}

/// `GET /api`, where the original server showed that of Jupyter.
pub async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /readyz`
pub async fn ready(State(gateway): State<Arc<Gateway>>) -> Result<&'static str, Fault> {
    if gateway.ends() {
        return Err(Fault::unavailable("the gateway is about to end"));
    }
    gateway.reach.check(&gateway.client).await?;
    if !gateway.authenticator.is_ready() {
        return Err(Fault::unavailable("the roles have not been read yet"));
    }
    Ok("ok")
}

/// `GET /metrics`
pub async fn metrics(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], gateway.metrics.text())
}

/// `GET /database/stats`
pub async fn stats(call: Call) -> Answer {
    let rows = call.store().list(None).await?;
    let mut by_status = BTreeMap::<&str, usize>::new();
    let mut by_phase = BTreeMap::<&str, usize>::new();
    let mut projects = BTreeMap::<String, usize>::new();
    for row in &rows {
        *by_status.entry(record::status(&row.phase)).or_default() += 1;
        *by_phase
            .entry(record::stage(&row.metadata, &row.phase))
            .or_default() += 1;
        let sessions = row.metadata.sessions().len();
        if let Some(project) = row.metadata.project().filter(|_| sessions > 0) {
            *projects.entry(project.to_owned()).or_default() += sessions;
        }
    }
    let learning = rows.iter().filter(|row| row.metadata.learns()).count();
    let standard = rows.len() - learning;
    let sessions: usize = projects.values().sum();
    Ok(Json(json!({
        "workflow_stats": {
            "total_workflows": rows.len(),
            "workflow_statuses": by_status,
            "dal_workflows": learning,
            "standard_workflows": standard,
        },
        "al_session_stats": {
            "total_projects": projects.len(),
            "total_sessions": sessions,
            "active_multi_user_sessions": sessions,
        },
        "storage_type": "kubernetes",
        "note": "Every workflow is a DvreWorkflow resource",
        "enhanced_workflow_stats": {
            "total": rows.len(),
            "by_status": by_status,
            "by_phase": by_phase,
            "dal_workflows": learning,
            "standard_workflows": standard,
        },
    })))
}
