//! Paths that clients call although the original server never had them.

use axum::Json;
use axum::extract::Path;
use serde_json::{Map, Value, json};

use super::streamflow::{Answer, store};
use crate::gateway::call::Call;
use crate::gateway::fault::Fault;
use crate::gateway::record;
use crate::gateway::submission::{Project, Submission};
use crate::words::show;

/// `GET /api/workflows/{id}/status`
pub async fn status(Path(id): Path<String>, call: Call) -> Answer {
    let run = call.store().get(&id).await?;
    let record = record::whole(&run);
    let field = |name: &str| record.get(name).cloned().unwrap_or_default();
    // The project's front-end compares in lower case.
    let status = field("status").as_str().unwrap_or_default().to_lowercase();
    Ok(Json(json!({
        "workflow_id": id,
        "status": status,
        "error": field("error"),
        "details": record,
    })))
}

/// `POST /api/projects/deploy`: a project's configuration is complete, so its workflow begins.
pub async fn deploy(mut call: Call) -> Answer {
    let configuration = call.object("configuration")?;
    match call.text("workflow_type")? {
        Some("active_learning") => {}
        other => {
            return Err(Fault::bad(format!(
                "workflow_type {} has no template: send active_learning, or a workflow of your own to \
                 /streamflow/submit-project-workflow",
                show(other.unwrap_or("(none)"))
            )));
        }
    }
    let owner = configuration.get("owner").and_then(Value::as_str);
    call.claims.suppose(owner);
    let identity = call.identity(None)?;
    identity.require("submit_workflow")?;
    let template = call.template("train_query")?;
    let deployment = call.deployment()?;
    let hashes = call.object("ipfs_hashes")?;
    let mut metadata = Map::from_iter([
        ("configuration_phase".to_owned(), json!("deployed")),
        ("ipfs_hashes".to_owned(), Value::Object(hashes)),
    ]);
    for field in ["project_title", "al_config"] {
        if let Some(value) = configuration.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let inputs = configuration.get("inputs").and_then(Value::as_object);
    let submission = Submission {
        document: template.document(),
        template: Some(template),
        inputs: inputs.cloned().unwrap_or_default(),
        deployment: deployment.clone(),
        owner: Some(identity.wallet.clone()),
        project: Some(Project { identity, metadata }),
    };
    let id = store(&call, submission).await?;
    Ok(Json(json!({
        "workflow_id": id,
        "status": "SUBMITTED",
        "execution_engine": record::ENGINE,
        "deployment": deployment,
    })))
}
