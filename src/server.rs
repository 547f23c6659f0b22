//! Probes and metrics over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::controller::Context;

/// Serves `/livez`, `/readyz` and `/metrics`.
pub async fn serve(listener: TcpListener, context: Arc<Context>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(context);
    axum::serve(listener, router).await
}

/// Ready once the watches have shown what there is, and while another operator works.
async fn ready(State(context): State<Arc<Context>>) -> impl IntoResponse {
    if context.stands_by() {
        (StatusCode::OK, "standby")
    } else if context.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the first lists of DvreWorkflows, Jobs and pods have not all arrived yet",
        )
    }
}

async fn metrics(State(context): State<Arc<Context>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], context.metrics.text())
}
