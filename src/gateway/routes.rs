//! The paths, and what answers them.

mod engine;
mod openapi;
mod projects;
mod service;
mod sign_in;
mod streamflow;
mod templates;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware;
use axum::routing::{self, MethodRouter};

use super::{Gateway, manners, metrics};

#[cfg(test)]
pub use service::ready;

/// A path, and what answers a method on it.
pub struct Route {
    /// The method.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the OpenAPI document is held against it")
    )]
    pub method: Method,
    /// The path, with names in braces.
    pub path: &'static str,
    answer: MethodRouter<Arc<Gateway>>,
}

fn get<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Gateway>>,
    T: 'static,
{
    Route {
        method: Method::GET,
        path,
        answer: routing::get(handler),
    }
}

fn post<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Gateway>>,
    T: 'static,
{
    Route {
        method: Method::POST,
        path,
        answer: routing::post(handler),
    }
}

/// All routes of the API. The OpenAPI document has the same.
#[must_use]
pub fn all() -> Vec<Route> {
    vec![
        get("/", service::description),
        get("/health", service::health),
        get("/api", service::version),
        get("/openapi.json", openapi::document),
        get("/auth/nonce", sign_in::nonce),
        post("/auth/verify", sign_in::verify),
        post("/streamflow/submit", streamflow::submit),
        post(
            "/streamflow/submit-project-workflow",
            streamflow::submit_to_project,
        ),
        get("/streamflow/status/{id}", streamflow::status),
        get("/streamflow/workflows", streamflow::list),
        get(
            "/streamflow/projects/{project}/workflows",
            streamflow::list_of_project,
        ),
        get("/dal/templates", templates::info),
        get("/streamflow/dal-templates/info", templates::info),
        get("/database/stats", service::stats),
        post("/al-engine/command", engine::command),
        get("/al-engine/sessions", engine::sessions),
        get("/al-engine/sessions/{project}", engine::of_project),
        get("/al-engine/sessions/{project}/{session}", engine::session),
        post("/al-engine/assign-samples", engine::assign_samples),
        post("/al-engine/submit-labels", engine::submit_labels),
        get("/al-engine/session-stats/{project}", engine::stats),
        post("/users/authenticate", users::authenticate),
        get("/users/project-info/{project}", users::project_info),
        get("/users/my-projects", users::my_projects),
        post("/api/projects/deploy", projects::deploy),
        get("/api/workflows/{id}/status", projects::status),
        get(
            "/streamflow/submit-project-workflow/api/workflows/{id}/status",
            projects::status,
        ),
    ]
}

/// The API.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    let routes = all().into_iter();
    routes
        .fold(Router::new(), |router, route| {
            router.route(route.path, route.answer)
        })
        .fallback(manners::unknown)
        .layer(middleware::from_fn_with_state(
            gateway.clone(),
            manners::all,
        ))
        .layer(middleware::from_fn_with_state(
            gateway.clone(),
            metrics::count,
        ))
        .with_state(gateway.clone())
}

/// Probes and metrics, for the cluster alone.
pub fn probes(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .route("/livez", routing::get(|| async { "ok" }))
        .route("/readyz", routing::get(service::ready))
        .route("/metrics", routing::get(service::metrics))
        .with_state(gateway.clone())
}
