//! Why a request is not answered as it wants.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal, for whoever sent the request. Its text reaches the caller, so it holds nothing that the
/// caller may not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code of the answer.
    pub status: StatusCode,
    /// What is wrong, and what to send instead.
    pub message: String,
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u32>,
}

impl Fault {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The request itself is wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// What the caller says of itself is wrong, in the words of the original server.
    #[must_use]
    pub fn identity(rule: &str) -> Self {
        Self::bad(format!("Request validation error: {rule}"))
    }

    /// Who the caller is has not been proven.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// The caller may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// There is no such thing, or the caller may not know of it.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Somebody else changed the same at the same time.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The request is larger than allowed.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// The request takes too long to arrive.
    pub fn too_slow(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, message)
    }

    /// The caller asks too often.
    #[must_use]
    pub fn too_many(seconds: u32) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("too many requests: try again in {seconds} s"),
            )
        }
    }

    /// The cluster cannot be reached, or is busy.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(2),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// The gateway met something that it does not understand.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The body of the answer, as the original server wrote it.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({ "error": self.message })
    }

    /// The same as RFC 9457 wants it, for paths that the original server did not have.
    #[must_use]
    pub fn problem(&self) -> Value {
        json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.message,
            "error": self.message,
        })
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// What the API server said, for the caller.
impl From<kube::Error> for Fault {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            tracing::warn!(%error, "the cluster cannot be reached");
            return Self::unavailable("the cluster cannot be reached: try again");
        };
        match status.code {
            403 => Self::forbidden(status.message.clone()),
            404 => Self::not_found("Workflow not found"),
            409 => Self::conflict("the workflow was changed at the same time: try again"),
            413 => Self::too_large("the workflow is too large for the cluster"),
            400 | 422 => Self::bad(status.message.clone()),
            // A long list that others changed while it was read.
            410 => Self::unavailable("the list changed while it was read: try again"),
            429 | 500..=599 => {
                tracing::warn!(
                    code = status.code,
                    message = status.message,
                    "the cluster is busy"
                );
                Self::unavailable("the cluster is busy: try again")
            }
            code => {
                tracing::error!(
                    code,
                    message = status.message,
                    "unexpected answer of the cluster"
                );
                Self::internal("the cluster gave an answer that the gateway does not understand")
            }
        }
    }
}
