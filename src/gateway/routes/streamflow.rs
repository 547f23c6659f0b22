//! Submissions and reads: the paths below `/streamflow`.

use axum::Json;
use axum::extract::Path;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::call::Call;
use crate::gateway::document::Document;
use crate::gateway::fault::Fault;
use crate::gateway::record;
use crate::gateway::store::Row;
use crate::gateway::submission::{Project, Submission};
use crate::gateway::template::Template;
use crate::words::{list as names, show};

/// The template that a submission gets which names none.
const DEFAULT_TEMPLATE: &str = "train_query";

pub(super) type Answer = Result<Json<Value>, Fault>;

impl Call {
    /// Where the steps of a submission run.
    pub(super) fn deployment(&self) -> Result<String, Fault> {
        let asked = self.text("deployment")?.unwrap_or("local");
        let known = &self.gateway.settings.deployments;
        if known.iter().any(|name| name == asked) {
            return Ok(asked.to_owned());
        }
        Err(Fault::bad(format!(
            "Unknown deployment: {}. Send one of {}",
            show(asked),
            self.gateway.settings.deployment_names()
        )))
    }

    /// The template of that name.
    pub(in crate::gateway) fn template(&self, name: &str) -> Result<&Template, Fault> {
        let templates = &self.templates;
        templates.get(name).ok_or_else(|| {
            Fault::bad(format!(
                "Unknown DAL workflow type: {}. Send one of {}",
                show(name),
                names(templates.keys())
            ))
        })
    }
}

/// Stores a submission, and says under which id.
pub(super) async fn store(call: &Call, submission: Submission<'_>) -> Result<String, Fault> {
    let id = Uuid::new_v4().to_string();
    let kind = submission.kind();
    let workflow = submission.resource(&id, Timestamp::now())?;
    call.store().create(&workflow).await?;
    let metrics = &call.gateway.metrics;
    metrics.submitted(kind, &workflow.spec.deployment);
    tracing::info!(id, "submitted");
    Ok(id)
}

/// `POST /streamflow/submit`
pub async fn submit(call: Call) -> Answer {
    call.caller.require_submission()?;
    let sent = call.body.get("cwl_workflow");
    let sent = sent.filter(|sent| !is_nothing(sent)).ok_or_else(|| {
        Fault::bad("cwl_workflow is required: send a CWL document, as an object or as text")
    })?;
    let deployment = call.deployment()?;
    let owner = call.caller.name.clone().or_else(|| call.claims.wallet());
    let submission = Submission {
        document: Document::accept(sent)?,
        template: None,
        inputs: call.object("inputs")?,
        deployment: deployment.clone(),
        owner,
        project: None,
    };
    let id = store(&call, submission).await?;
    Ok(Json(json!({
        "workflow_id": id,
        "status": "SUBMITTED",
        "execution_engine": record::ENGINE,
        "deployment": deployment,
        "execution_model": record::MODEL,
        "server_role": "streamflow_orchestration",
        "client_role": "cwltool_execution",
    })))
}

/// `POST /streamflow/submit-project-workflow`
pub async fn submit_to_project(call: Call) -> Answer {
    let identity = call.identity(None)?;
    identity.require("submit_workflow")?;
    let template = if call.flag("use_dal_template") {
        let name = call.text("dal_workflow_type")?.unwrap_or(DEFAULT_TEMPLATE);
        Some(call.template(name)?)
    } else {
        None
    };
    let document = if let Some(template) = template {
        template.document()
    } else {
        let sent = call.body.get("cwl_workflow");
        let sent = sent
            .filter(|sent| !is_nothing(sent))
            .ok_or_else(|| Fault::bad("cwl_workflow is required (or use_dal_template=true)"))?;
        Document::require(sent)?
    };
    let learns = document.learns;
    let deployment = call.deployment()?;
    let project = identity.project.clone();
    let submission = Submission {
        document,
        template,
        inputs: call.object("inputs")?,
        deployment: deployment.clone(),
        owner: Some(identity.wallet.clone()),
        project: Some(Project {
            identity,
            metadata: call.object("metadata")?,
        }),
    };
    let id = store(&call, submission).await?;
    let mut answer = json!({
        "workflow_id": id,
        "project_id": project,
        "status": "SUBMITTED",
        "message": "Workflow submitted: its status tells how it goes on",
        "phase": "configuration_complete",
        "is_dal_workflow": learns,
        "execution_engine": record::ENGINE,
        "deployment": deployment,
        "execution_model": record::MODEL,
        "server_role": "streamflow_orchestration_and_coordination",
        "client_role": "cwltool_execution_with_local_data",
    });
    if let Some(template) = template {
        let features = super::templates::features(&call.templates);
        let more = json!({ "dal_template_used": template.about.name, "dal_features": features });
        record::extend(&mut answer, more);
    }
    Ok(Json(answer))
}

/// `GET /streamflow/status/{id}`
pub async fn status(Path(id): Path<String>, call: Call) -> Answer {
    let run = call.store().get(&id).await?;
    Ok(Json(record::whole(&run)))
}

/// `GET /streamflow/workflows`
pub async fn list(call: Call) -> Answer {
    let project = call.query.get("project_id").filter(|it| !it.is_empty());
    let rows = call.store().list(project.map(String::as_str)).await?;
    let only = call.flag("dal_only");
    let learning = count(&rows);
    let shown = rows.iter().filter(|row| !only || row.metadata.learns());
    let shown: Vec<_> = shown.map(record::listed).collect();
    let mut answer = json!({
        "total_workflows": shown.len(),
        "dal_workflows": learning,
        "standard_workflows": if only { 0 } else { rows.len() - learning },
        "workflows": shown,
    });
    if only {
        record::extend(
            &mut answer,
            json!({ "filter_applied": "DAL workflows only" }),
        );
    }
    Ok(Json(answer))
}

/// `GET /streamflow/projects/{project}/workflows`
pub async fn list_of_project(Path(project): Path<String>, call: Call) -> Answer {
    let rows = call.store().list(Some(&project)).await?;
    let learning = count(&rows);
    let sessions: usize = rows.iter().map(|row| row.metadata.sessions().len()).sum();
    Ok(Json(json!({
        "project_id": project,
        "total_count": rows.len(),
        "dal_workflows": learning,
        "standard_workflows": rows.len() - learning,
        "active_sessions": sessions,
        "workflows": rows.iter().map(record::of_project).collect::<Vec<_>>(),
    })))
}

fn count(rows: &[Row]) -> usize {
    rows.iter().filter(|row| row.metadata.learns()).count()
}

/// What counts as nothing where something must be sent.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    }
}
