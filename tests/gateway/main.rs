//! The gateway as a real process before the cluster that KUBECONFIG names, where the operator is installed,
//! asked by a real HTTP client. `make e2e` prepares the cluster and runs these.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod cluster;
mod engine;
mod hostile;
mod issuer;
mod load;
mod manners;
mod members;
#[path = "../e2e/namespace.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod namespace;
mod oidc;
mod process;
mod projects;
mod provider_keys;
mod scripts;
mod seed;
mod templates;
mod wallet;
#[path = "../../src/gateway/auth/wallet/testing.rs"]
mod wallets;

use serde_json::{Value, json};

/// The headers of somebody who runs projects.
const COORDINATOR: [(&str, &str); 2] = [
    ("X-User-Wallet", "0x1234567890abcdef"),
    ("X-User-Role", "coordinator"),
];

/// A submission of the cheapest tool there is.
fn echo(message: &str) -> Value {
    json!({
        "cwl_workflow": {
            "cwlVersion": "v1.0",
            "class": "CommandLineTool",
            "baseCommand": "echo",
            "inputs": { "message": { "type": "string", "inputBinding": { "position": 1 } } },
            "outputs": { "output": { "type": "stdout" } },
        },
        "inputs": { "message": message },
    })
}
