//! Tests against the cluster that KUBECONFIG names, where the operator is installed: each in a
//! namespace of its own, all at one time. `make e2e` prepares the cluster and runs them.
//!
//! A test that fails prints what the cluster says of its namespace; with `DVRE_E2E_KEEP` set, the
//! namespace stays for a closer look.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod dead_nodes;
mod deployments;
mod examples;
mod failures;
mod learning;
mod lifecycle;
mod logs;
mod lost;
mod namespace;
mod neighbours;
mod progress;
mod provenance;
mod references;
mod refusals;
mod results;
mod sandbox;
mod starting;
mod verdict;

/// Held by the test that kills the operator while it is away, and shared by those whose run passes
/// through states that nobody would see meanwhile.
static OPERATOR: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// The spec of a run of one shell script. Fields can follow it, a line each. It requests little, so
/// that a full node does not change how a start goes.
fn shell(script: &str) -> String {
    let command = serde_json::json!(["sh", "-c", script]);
    format!(
        "cwl: {{cwlVersion: v1.2, class: CommandLineTool, baseCommand: {command}, inputs: {{}}, outputs: {{}}}}\n\
         runner: {{resources: {{requests: {{cpu: 20m, memory: 64Mi}}}}}}\n"
    )
}
