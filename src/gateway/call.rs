//! One request, read.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{ConnectInfo, FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use futures::StreamExt;
use serde_json::{Map, Value};

use super::Gateway;
use super::caller::Caller;
use super::claims::{Claims, Identity};
use super::fault::Fault;
use super::store::Store;
use super::template::Templates;

/// For how long what comes after the end of what is allowed is read, and thrown away.
const PATIENCE: Duration = Duration::from_secs(2);

/// One request: who asks, and what.
pub struct Call {
    /// Who asks.
    pub caller: Caller,
    /// What it says of itself.
    pub claims: Claims,
    /// Its query, decoded; of a key that comes twice the last.
    pub query: BTreeMap<String, String>,
    /// Its body; an empty object where there is none.
    pub body: Map<String, Value>,
    /// The templates that there were when it arrived.
    pub templates: Arc<Templates>,
    /// What the gateway has.
    pub gateway: Arc<Gateway>,
}

impl Call {
    /// The workflows, as the caller may see them.
    #[must_use]
    pub fn store(&self) -> Store<'_> {
        Store::new(self)
    }

    /// Who acts in the project of the path or, without one, in the one that the request names.
    pub fn identity(&self, project: Option<&str>) -> Result<Identity, Fault> {
        self.claims.identity(&self.caller, project)
    }

    /// A field of the body that must be a text, absent when it is null or empty.
    pub fn text(&self, field: &str) -> Result<Option<&str>, Fault> {
        match self.body.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Fault::bad(format!("{field} must be a string"))),
        }
    }

    /// A field of the body that must be an object; an empty one when it is absent or null.
    pub fn object(&self, field: &str) -> Result<Map<String, Value>, Fault> {
        match self.body.get(field) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(_) => Err(Fault::bad(format!("{field} must be an object"))),
        }
    }

    /// A flag of the body or query, in any of the forms that clients use.
    #[must_use]
    pub fn flag(&self, field: &str) -> bool {
        match self.body.get(field) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => is_true(text),
            _ => self.query.get(field).is_some_and(|text| is_true(text)),
        }
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes")
}

impl FromRequest<Arc<Gateway>> for Call {
    type Rejection = Fault;

    /// Who asks is found out before anything of the body is read.
    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let peer = peer(&parts)?;
        let caller = gateway
            .authenticator
            .caller(&parts.headers, peer, &gateway.limits)
            .await?;
        gateway.limits.admit(&caller, &parts.headers, peer)?;
        let body = read(
            body,
            gateway.settings.body_limit_bytes,
            gateway.settings.body_seconds,
        )
        .await?;
        let query = query(&parts.uri);
        let body = object(&parts.method, &body)?;
        let claims = Claims::read(&parts.headers, &body, &query)?;
        claims.require_own_wallet(&caller)?;
        Ok(Self {
            caller,
            claims,
            query,
            body,
            templates: gateway.templates(),
            gateway: gateway.clone(),
        })
    }
}

/// From where a request comes.
pub(super) fn peer(parts: &Parts) -> Result<IpAddr, Fault> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|peer| peer.0.ip())
        .ok_or_else(|| Fault::internal("the address of the caller is not known"))
}

/// Reads a body that has at most `limit` bytes and arrives within that time.
pub(super) async fn read(body: Body, limit: usize, seconds: u64) -> Result<Bytes, Fault> {
    let mut stream = body.into_data_stream();
    let read = tokio::time::timeout(Duration::from_secs(seconds), collect(&mut stream, limit));
    let Ok(read) = read.await else {
        return Err(Fault::too_slow(format!(
            "the body did not arrive within {seconds} s"
        )));
    };
    if let Some(bytes) = read? {
        return Ok(bytes);
    }
    // Who still sends when the connection is closed does not get to read why.
    let rest = stream.for_each(|_| std::future::ready(()));
    let _ = tokio::time::timeout(PATIENCE, rest).await;
    Err(Fault::too_large(format!(
        "the body has more than {limit} bytes: put large data on a volume, and name it in the inputs"
    )))
}

/// All of a body; nothing when it has more than `limit` bytes.
async fn collect(stream: &mut BodyDataStream, limit: usize) -> Result<Option<Bytes>, Fault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Fault::bad("the body could not be read"))?;
        if bytes.len() + chunk.len() > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.into()))
}

/// The pairs of a query.
fn query(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri
        .query()
        .map(|query| form_urlencoded::parse(query.as_bytes()));
    let pairs = pairs.into_iter().flatten();
    pairs
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect()
}

/// A body is an object of JSON whatever its type says, and none counts as an empty one.
fn object(method: &Method, bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Fault::identity(
            "the body must be a JSON object, such as {\"cwl_workflow\": {...}, \"inputs\": {...}}",
        )),
        Err(_) if method == Method::GET || method == Method::HEAD => Ok(Map::new()),
        Err(error) => Err(Fault::identity(&format!(
            "the body is not JSON: {error}; send an object such as {{\"cwl_workflow\": {{...}}, \"inputs\": {{...}}}}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert!(object(&Method::POST, b" \n").unwrap().is_empty());
        assert_eq!(object(&Method::POST, br#"{"a": 1}"#).unwrap().len(), 1);
        for wrong in ["[1]", "7", "{", "null", "\u{feff}{}"] {
            let fault = object(&Method::POST, wrong.as_bytes()).unwrap_err();
            assert!(
                fault
                    .message
                    .starts_with("Request validation error: the body"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_query_is_decoded() {
        let uri = "/x?project_id=a%20b&dal_only=TRUE&dal_only=1"
            .parse()
            .unwrap();
        let query = query(&uri);
        assert_eq!(query["project_id"], "a b");
        assert!(is_true(&query["dal_only"]));
    }
}
