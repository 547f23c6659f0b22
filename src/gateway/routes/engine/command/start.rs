//! `start_querying`: a session of a workflow.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{CONTRACT, Done, WAITING, instruct, location, number, stored};
use crate::gateway::call::Call;
use crate::gateway::claims::Identity;
use crate::gateway::fault::Fault;
use crate::gateway::record::{self, CLIENT_FILES};
use crate::gateway::sessions::Session;

/// The most sessions that one workflow may have.
const SESSIONS_LIMIT: usize = 32;

/// Starts a session.
pub(super) async fn start(
    call: &Call,
    identity: &Identity,
    id: &str,
    parameters: &Map<String, Value>,
) -> Result<Done, Fault> {
    identity.require("start_querying")?;
    let count = number(parameters, &["query_count"]).unwrap_or(10);
    let (session_id, now) = (Uuid::new_v4().to_string(), Timestamp::now().to_string());
    let store = call.store();
    let data = store.change(id, |run| {
        let mut sessions = run.metadata.sessions();
        if sessions.len() >= SESSIONS_LIMIT {
            return Err(Fault::bad(format!(
                "the workflow has {SESSIONS_LIMIT} sessions already"
            )));
        }
        let config = record::al_config(&run.metadata.record());
        let strategy = parameters.get("strategy_override").and_then(Value::as_str);
        let strategy = strategy.map_or_else(|| record::strategy(&config), Into::into);
        let rounds = number(parameters, &["max_rounds"])
            .or_else(|| number(&config, &["max_iterations", "maxIterations"]))
            .unwrap_or(10);
        let learns = run.metadata.learns();
        let mut session = Session {
            session_id: session_id.clone(),
            project_id: identity.project.clone(),
            workflow_id: id.to_owned(),
            status: WAITING.to_owned(),
            current_round: 1,
            total_rounds: rounds,
            created_at: now.clone(),
            query_count: count,
            strategy: strategy.clone(),
            is_dal_session: learns,
            dal_config: if learns { Value::Object(config.clone()) } else { Value::Null },
            client_side_execution: learns,
            instruction_history: Vec::new(),
            last_training: None,
            labeled_data_count: None,
            last_labeling: None,
            accuracy_metrics: None,
        };
        let mut data = json!({
            "session_id": session_id, "query_count": count, "is_dal_session": learns,
            "strategy": strategy, "execution_location": location(learns),
        });
        if learns {
            let asked = json!({ "query_budget": count, "strategy": strategy });
            let instruction = instruct(&mut session, "query", "Choose samples to label", &asked);
            let features = json!({
                "template_used": run.metadata.template().unwrap_or("train_query"),
                "model_type": config.get("model_type").cloned().unwrap_or_else(|| json!("RandomForestClassifier")),
                "consensus_threshold": config.get("consensus_threshold").cloned().unwrap_or_else(|| json!(0.7)),
                "client_files_expected": CLIENT_FILES,
                "voting_handled_by": CONTRACT,
                "data_flow": "workflow outputs to labels to the next workflow",
            });
            let more = json!({
                "client_instruction": instruction,
                "note": "The session waits for labels",
                "dal_features": features,
            });
            record::extend(&mut data, more);
        }
        sessions.push(session);
        Ok((stored(&sessions)?, data))
    });
    Ok(Done {
        status: "accepted",
        message: "Querying session started".to_owned(),
        data: data.await?,
    })
}
