//! Signing in with a wallet: the paths below `/auth`.

use std::sync::Arc;

use axum::Json;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::gateway::auth::wallet::Wallets;
use crate::gateway::fault::Fault;
use crate::gateway::stranger::Stranger;

/// What no cache may keep.
fn unkept(answer: Value) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(answer))
}

/// What is sent to sign in.
#[derive(Deserialize)]
struct Signed {
    message: String,
    signature: String,
}

fn wallets(gateway: &Arc<Gateway>) -> Result<&Wallets, Fault> {
    let wallets = gateway.authenticator.wallets();
    wallets.ok_or_else(|| Fault::not_found("wallets do not sign in here"))
}

/// `GET /auth/nonce`
pub async fn nonce(stranger: Stranger) -> Result<impl IntoResponse, Fault> {
    let wallets = wallets(&stranger.gateway)?;
    let offer = wallets.offer(Timestamp::now());
    let answer = json!({
        "nonce": offer.nonce,
        "expires_at": offer.until.to_string(),
        "domain": wallets.rules().domain.as_str(),
        "chain_ids": wallets.rules().chain_ids,
    });
    Ok(unkept(answer))
}

/// `POST /auth/verify`
pub async fn verify(stranger: Stranger) -> Result<impl IntoResponse, Fault> {
    let wallets = wallets(&stranger.gateway)?;
    let signed: Signed = serde_json::from_slice(&stranger.body).map_err(|_| {
        Fault::bad("send {\"message\": the message that was signed, \"signature\": \"0x…\"}")
    })?;
    let now = Timestamp::now();
    let session = wallets
        .sign_in(&signed.message, &signed.signature, now)
        .await?;
    tracing::info!(wallet = session.address, "signed in");
    let answer = json!({
        "token": session.token,
        "expires_at": session.until.to_string(),
        "address": session.address,
    });
    Ok(unkept(answer))
}
