//! The description of the API.

use axum::Json;
use serde_json::Value;

/// `GET /openapi.json`
pub async fn document() -> Json<&'static Value> {
    Json(crate::gateway::openapi::document())
}
