//! Who somebody is, and which projects it has.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::Path;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::streamflow::Answer;
use crate::gateway::call::Call;
use crate::gateway::fault::Fault;
use crate::gateway::record;
use crate::gateway::role::Role;
use crate::gateway::store::Row;

/// `POST /users/authenticate`
pub async fn authenticate(call: Call) -> Answer {
    let identity = call.identity(None).map_err(|fault| Fault {
        message: fault.message.replace("Request validation error: ", ""),
        ..fault
    })?;
    Ok(Json(json!({
        "success": true,
        "user_data": {
            "user_wallet": identity.wallet,
            "user_role": identity.role.as_str(),
            "project_id": identity.project,
            "contract_address": identity.contract,
            "validated_at": Timestamp::now().to_string(),
            "authenticated_by": "DVRE",
        },
        "permissions": identity.role.permissions(),
        "note": call.caller.authority.note(),
    })))
}

fn listed(row: &Row) -> Value {
    let mut item = record::brief(row);
    if let Value::Object(fields) = &mut item {
        fields.remove("execution_engine");
        fields.remove("deployment");
    }
    item
}

/// `GET /users/project-info/{project}`
pub async fn project_info(Path(project): Path<String>, call: Call) -> Answer {
    let identity = call.identity(Some(&project))?;
    identity.require("view_project_data")?;
    let rows = call.store().list(Some(&project)).await?;
    Ok(Json(json!({
        "project_id": project,
        "user_role": identity.role.as_str(),
        "workflows": rows.iter().map(listed).collect::<Vec<_>>(),
        "session_info": null,
        "accessed_by": identity.wallet,
    })))
}

/// `GET /users/my-projects`: a coordinator sees every project that it may see, a contributor those in which
/// it submitted something.
pub async fn my_projects(call: Call) -> Answer {
    let identity = call.identity(None)?;
    let rows = call.store().list(None).await?;
    let mut projects = BTreeMap::<&str, Vec<&Row>>::new();
    for row in &rows {
        if let Some(project) = row.metadata.project() {
            projects.entry(project).or_default().push(row);
        }
    }
    let own = |rows: &[&Row]| {
        let mut owners = rows.iter().filter_map(|row| row.metadata.owner());
        owners.any(|owner| owner == identity.wallet)
    };
    let accessible: Vec<_> = projects
        .into_iter()
        .filter(|(_, rows)| identity.role == Role::Coordinator || own(rows))
        .map(|(project, rows)| {
            json!({
                "project_id": project,
                "user_role": identity.role.as_str(),
                "workflows": rows.iter().map(|row| listed(row)).collect::<Vec<_>>(),
                "last_activity": rows.first().map(|row| row.metadata.created_at()),
            })
        })
        .collect();
    Ok(Json(json!({
        "user_wallet": identity.wallet,
        "user_role": identity.role.as_str(),
        "total_projects": accessible.len(),
        "accessible_projects": accessible,
        "note": call.caller.authority.note(),
    })))
}
