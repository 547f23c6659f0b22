//! What every answer has: the headers that browsers want, a digest for those that ask again, and refusals
//! in the shape of its path.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha1::{Digest, Sha1};

use super::Gateway;
use super::fault::Fault;

/// Headers that a page may send.
const HEADERS: &str = "Content-Type, Authorization, X-Requested-With, Accept, Origin, Cache-Control, Pragma, \
                       X-User-Wallet, X-User-Role, X-Contract-Address";
const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS, HEAD";
/// Where paths of the original server begin.
const ORIGINAL: [&str; 6] = [
    "/streamflow",
    "/dal",
    "/database",
    "/al-engine",
    "/users",
    "/api",
];
/// Answers that are larger get no digest.
const DIGESTED: usize = 8 << 20;

/// Around every request.
pub async fn all(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let mut response = if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = wrong_method(&method, response.headers().get(header::ALLOW));
    }
    response = shaped(&uri, response);
    if method == Method::GET && response.status() == StatusCode::OK {
        response = digested(response, known.as_ref()).await;
    }
    tracing::debug!(%method, path = uri.path(), status = response.status().as_u16(), "answered");
    share(
        &gateway.settings.allowed_origins,
        origin,
        response.headers_mut(),
    );
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// A path that is not there.
pub async fn unknown(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let short = path.trim_end_matches('/');
    // No host may come of `//host/`.
    if method == Method::GET
        && short.len() < path.len()
        && short.len() > 1
        && !short.starts_with("//")
    {
        let query = uri
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        if let Ok(location) = HeaderValue::from_str(&format!("{short}{query}")) {
            return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
        }
    }
    Fault::not_found(format!(
        "there is nothing at {}: GET / lists what there is",
        crate::words::show(path)
    ))
    .into_response()
}

fn wrong_method(method: &Method, allow: Option<&HeaderValue>) -> Response {
    let allowed = allow
        .and_then(|allow| allow.to_str().ok())
        .unwrap_or_default();
    let fault = Fault {
        status: StatusCode::METHOD_NOT_ALLOWED,
        message: format!("{method} is not possible here, but {allowed}"),
        retry_after: None,
    };
    let mut response = fault.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response
}

/// Refusals on paths that the original server did not have are problems as in RFC 9457.
fn shaped(uri: &Uri, response: Response) -> Response {
    let original = |start: &str| {
        let rest = uri.path().strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if uri.path() == "/" || ORIGINAL.into_iter().any(original) {
        return response;
    }
    let Some(fault) = response.extensions().get::<Fault>().cloned() else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let problem = Json(fault.problem()).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, kind);
    Response::from_parts(parts, problem.into_body())
}

/// A digest of the answer; nothing but that where the caller knows it already.
async fn digested(response: Response, known: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, DIGESTED).await else {
        return Fault::too_large("the answer is too large: ask for one project").into_response();
    };
    let digest = crate::names::hexadecimal(&Sha1::digest(&bytes), 40);
    let Ok(tag) = HeaderValue::from_str(&format!("\"{digest}\"")) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let same = known
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| {
            let mut tags = known
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"));
            tags.any(|known| known == "*" || known.as_bytes() == tag.as_bytes())
        });
    parts.headers.insert(header::ETAG, tag);
    if same {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Which pages may read the answer.
fn share(allowed: &[String], origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    let all = allowed.iter().any(|allowed| allowed == "*");
    if all {
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    } else {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let named = |origin: &HeaderValue| {
            allowed
                .iter()
                .any(|one| one.as_bytes() == origin.as_bytes())
        };
        let Some(origin) = origin.filter(named) else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_MAX_AGE, "3600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
