//! A request of somebody who has proven nothing yet.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};

use super::Gateway;
use super::call;
use super::fault::Fault;

/// The most bytes that its body may have.
const BODY_LIMIT: usize = 16 << 10;

/// A request of somebody who has proven nothing yet.
pub struct Stranger {
    /// Its body.
    pub body: Bytes,
    /// What the gateway has.
    pub gateway: Arc<Gateway>,
}

impl FromRequest<Arc<Gateway>> for Stranger {
    type Rejection = Fault;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let peer = call::peer(&parts)?;
        gateway.limits.admit_stranger(&parts.headers, peer)?;
        let body = call::read(body, BODY_LIMIT, gateway.settings.body_seconds).await?;
        Ok(Self {
            body,
            gateway: gateway.clone(),
        })
    }
}
