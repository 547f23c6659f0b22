//! `terminate_project`: the end of a workflow and of its project's sessions.

use jiff::Timestamp;
use serde_json::json;

use super::Done;
use crate::gateway::call::Call;
use crate::gateway::claims::Identity;
use crate::gateway::fault::Fault;
use crate::gateway::run::{SESSIONS, TERMINATED};

/// Ends the run of the workflow, and all sessions of the project.
pub(super) async fn terminate(call: &Call, identity: &Identity, id: &str) -> Result<Done, Fault> {
    identity.require("terminate_project")?;
    let store = call.store();
    let mut removed = 0;
    for row in store.list(Some(&identity.project)).await? {
        let count = row.metadata.sessions().len();
        if count > 0 && row.metadata.name != id {
            let none = json!({ "metadata": { "annotations": { SESSIONS: null } } });
            store
                .change(&row.metadata.name, |_| Ok((none.clone(), ())))
                .await?;
            removed += count;
        }
    }
    let ended = store.change(id, |run| {
        let patch = json!({
            "metadata": { "annotations": { SESSIONS: null, TERMINATED: "true" } },
            "spec": { "cancel": true },
        });
        Ok((
            patch,
            (run.metadata.sessions().len(), run.metadata.learns()),
        ))
    });
    let (own, learns) = ended.await?;
    Ok(Done {
        status: "completed",
        message: "The workflow ends, and so do the project's sessions".to_owned(),
        data: json!({
            "project_id": identity.project,
            "workflow_id": id,
            "sessions_removed": removed + own,
            "terminated_at": Timestamp::now().to_string(),
            "is_dal_project": learns,
        }),
    })
}
