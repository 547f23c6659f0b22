//! A request of somebody who has proven nothing yet.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequest, Request};

use super::Gateway;
use super::call;
use super::fault::Fault;

/// The most bytes that its body may have.
const BODY_LIMIT: usize = 16 << 10;

/// A request of somebody who has proven nothing yet.
pub struct Stranger {
    /// Its body.
    pub body: Vec<u8>,
    /// What the gateway has.
    pub gateway: Arc<Gateway>,
}

impl FromRequest<Arc<Gateway>> for Stranger {
    type Rejection = Fault;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer
            .map(|peer| peer.0.ip())
            .ok_or_else(|| Fault::internal("the address of the caller is not known"))?;
        gateway.limits.admit_stranger(&parts.headers, peer)?;
        let body = call::read(body, &BODY_LIMIT, gateway.settings.body_seconds).await?;
        Ok(Self {
            body,
            gateway: gateway.clone(),
        })
    }
}
