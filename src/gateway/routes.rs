//! The paths, and what answers them.

mod engine;
mod projects;
mod service;
mod sign_in;
mod streamflow;
mod templates;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

use super::{Gateway, manners};

/// The API.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    let mut router = Router::new();
    if gateway.authenticator.wallets().is_some() {
        router = router
            .route("/auth/nonce", get(sign_in::nonce))
            .route("/auth/verify", post(sign_in::verify));
    }
    router
        .route("/", get(service::description))
        .route("/health", get(service::health))
        .route("/api", get(service::version))
        .route("/streamflow/submit", post(streamflow::submit))
        .route(
            "/streamflow/submit-project-workflow",
            post(streamflow::submit_to_project),
        )
        .route("/streamflow/status/{id}", get(streamflow::status))
        .route("/streamflow/workflows", get(streamflow::list))
        .route(
            "/streamflow/projects/{project}/workflows",
            get(streamflow::list_of_project),
        )
        .route("/dal/templates", get(templates::info))
        .route("/streamflow/dal-templates/info", get(templates::info))
        .route("/database/stats", get(service::stats))
        .route("/al-engine/command", post(engine::command))
        .route("/al-engine/sessions", get(engine::sessions))
        .route("/al-engine/sessions/{project}", get(engine::of_project))
        .route(
            "/al-engine/sessions/{project}/{session}",
            get(engine::session),
        )
        .route("/al-engine/assign-samples", post(engine::assign_samples))
        .route("/al-engine/submit-labels", post(engine::submit_labels))
        .route("/al-engine/session-stats/{project}", get(engine::stats))
        .route("/users/authenticate", post(users::authenticate))
        .route("/users/project-info/{project}", get(users::project_info))
        .route("/users/my-projects", get(users::my_projects))
        .route("/api/projects/deploy", post(projects::deploy))
        .route("/api/workflows/{id}/status", get(projects::status))
        .route(
            "/streamflow/submit-project-workflow/api/workflows/{id}/status",
            get(projects::status),
        )
        .fallback(manners::unknown)
        .layer(middleware::from_fn_with_state(
            gateway.clone(),
            manners::all,
        ))
        .with_state(gateway.clone())
}

/// Probes and metrics, for the cluster alone.
pub fn probes(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(service::ready))
        .with_state(gateway.clone())
}
