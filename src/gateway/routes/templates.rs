//! What there is for active learning.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::gateway::Gateway;
use crate::gateway::record::{CLIENT_FILES, MODEL, extend};
use crate::gateway::template::{Template, Templates, choices};

/// `GET /dal/templates`
pub async fn info(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let mut info = features(&gateway.templates());
    let architecture = json!({
        "model": MODEL,
        "server_role": {
            "engine": "streamflow",
            "responsibilities": [
                "Checks workflows and inputs", "Runs workflows", "Tells their progress",
                "Keeps their outputs", "Coordinates querying sessions",
            ],
        },
        "client_role": {
            "engine": "cwltool",
            "responsibilities": [
                "Submits workflows", "Follows their status", "Labels samples", "May run a workflow itself",
            ],
        },
        "data_privacy": { "local_only": false, "no_data_upload": false, "results_sharing_only": false },
        "supported_workflows": ["dal_train_query", "modal_run"],
        "client_requirements": [],
    });
    extend(&mut info, json!({ "execution_architecture": architecture }));
    Json(info)
}

/// What the templates are, and what may be asked of them.
pub(super) fn features(templates: &Templates) -> Value {
    let listed: Map<_, _> = templates
        .iter()
        .map(|(name, template)| (name.clone(), about(template)))
        .collect();
    let mut defaults = Map::new();
    for config in templates.values().filter_map(|it| it.about.config.as_ref()) {
        defaults.extend(config.defaults.clone());
    }
    defaults.insert("execution_mode".to_owned(), json!("server_side"));
    json!({
        "templates": listed,
        "client_side_components": {
            CLIENT_FILES[0]: "Not needed: the cluster trains and queries",
            CLIENT_FILES[1]: "Not needed: the cluster trains and queries",
        },
        "supported_strategies": choices(templates, "query_strategy"),
        "supported_models": choices(templates, "model_type"),
        "supported_voting": choices(templates, "voting_strategy"),
        "coordination_mode": MODEL,
        "default_config": defaults,
    })
}

fn about(template: &Template) -> Value {
    let inputs = match template.cwl.get("inputs") {
        Some(Value::Object(inputs)) => inputs.iter().map(|(name, of)| port(name, of)).collect(),
        Some(Value::Array(inputs)) => {
            let named = inputs
                .iter()
                .filter_map(|of| Some(port(of.get("id")?.as_str()?, of)));
            named.collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    let mut about = json!({
        "name": template.about.name,
        "description": template.about.description,
        "inputs": inputs,
        "outputs": template.about.outputs,
        "execution_location": "server_side",
    });
    if let Some(command) = template.cwl.get("baseCommand") {
        let command = match command {
            Value::Array(words) => {
                let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
                json!(words.join(" "))
            }
            other => other.clone(),
        };
        extend(&mut about, json!({ "base_command": command }));
    }
    about
}

/// A port's name; a question mark after one that may be left out.
fn port(name: &str, of: &Value) -> String {
    let kind = of.get("type").unwrap_or(of);
    let optional = match kind {
        Value::String(kind) => kind.ends_with('?'),
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "null"),
        _ => false,
    };
    let mark = if optional || of.get("default").is_some() {
        "?"
    } else {
        ""
    };
    format!("{}{mark}", name.trim_start_matches('#'))
}
