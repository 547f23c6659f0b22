//! What a request of the operator is about, in a form that is the same in each repetition of a
//! scenario: hashes and namespaces are left out.

use std::fmt::{self, Display};
use std::sync::LazyLock;

use http::Method;
use http::Uri;
use regex::Regex;
use serde_json::Value;

/// A request: verb, resource, and what tells it from others of the same resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// As the API server's audit log has it: get, list, watch, create, patch, delete; and follow, for a
    /// log that is read while it is written.
    pub verb: &'static str,
    /// Plural of the resource, with its subresource.
    pub resource: String,
    /// Name of the object, and what is said of it.
    pub subject: String,
}

/// A request and how many of the same kind there were before it, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Occurrence {
    pub request: Request,
    pub number: usize,
}

impl Request {
    /// Reads a request.
    pub fn of(method: &Method, uri: &Uri, body: &[u8]) -> Self {
        let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        // api/VERSION or apis/GROUP/VERSION, and then namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE.
        let skipped = if parts.first() == Some(&"api") { 2 } else { 3 };
        let rest = parts.get(skipped..).unwrap_or_default();
        let rest = match rest {
            ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
            rest => rest,
        };
        let (resource, name, subresource) = match rest {
            [resource, name, subresource, ..] => (*resource, *name, Some(*subresource)),
            [resource, name] => (*resource, *name, None),
            [resource] => (*resource, "", None),
            [] => ("", "", None),
        };
        let query = uri.query().unwrap_or_default();
        let verb = match *method {
            Method::POST => "create",
            Method::PATCH => "patch",
            Method::PUT => "update",
            Method::DELETE => "delete",
            _ if query.contains("watch=true") => "watch",
            _ if query.contains("follow=true") => "follow",
            _ if name.is_empty() => "list",
            _ => "get",
        };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let subject = match verb {
            "list" | "watch" if query.contains("status.phase") => {
                let finished = query.contains("status.phase%21%3DPending");
                if finished { "finished" } else { "active" }.to_owned()
            }
            "create" => created(&body),
            "patch" => format!("{} {}", masked(name), patched(&body))
                .trim()
                .to_owned(),
            _ if resource == "pods" => pod(name),
            _ => masked(name),
        };
        let resource = match subresource {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource.to_owned(),
        };
        Self {
            verb,
            resource,
            subject,
        }
    }

    /// Whether it is a watch.
    pub fn is_watch(&self) -> bool {
        self.verb == "watch"
    }

    /// Whether its answer is read while it is written.
    pub fn is_stream(&self) -> bool {
        matches!(self.verb, "watch" | "follow")
    }

    /// Whether it changes anything at the server.
    pub fn writes(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch" | "follow")
    }

    /// Whether it changes what is decided later: Events do not, which come beside the rest.
    pub fn decides(&self) -> bool {
        self.writes() && self.resource != "events"
    }

    /// Whether it creates a child of a run.
    pub fn creates_child(&self) -> bool {
        self.verb == "create" && self.resource != "events"
    }

    /// Whether it creates the Job that cleans up after a run.
    pub fn cleans_up(&self) -> bool {
        self.creates_child() && self.subject.contains("-clean-")
    }
}

impl Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} {} {}", self.verb, self.resource, self.subject);
        f.write_str(text.trim_end())
    }
}

impl Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.request, self.number)
    }
}

fn created(body: &Value) -> String {
    let event = body["regarding"].is_object();
    let key = if event { "/reason" } else { "/metadata/name" };
    masked(
        body.pointer(key)
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )
}

/// What a patch says: the phase of a status, or the top-level fields of anything else.
fn patched(body: &Value) -> String {
    let operations = body.as_array().into_iter().flatten();
    for operation in operations {
        let phase = operation.pointer("/value/phase").and_then(Value::as_str);
        let reason = operation.pointer("/value/reason").and_then(Value::as_str);
        if let (Some(phase), Some(reason)) = (phase, reason) {
            return format!("{phase}/{reason}");
        }
    }
    let fields = body.as_object().into_iter().flatten();
    let fields: Vec<&str> = fields.map(|(key, _)| key.as_str()).collect();
    fields.join(",")
}

/// A name or text without the hashes and generated suffixes in it.
pub fn masked(text: &str) -> String {
    static HASH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"([-.])(?:[0-9a-f]{8}|[0-9a-f]{12}|[0-9a-f]{16})\b").unwrap());
    HASH.replace_all(text, "$1*").into_owned()
}

/// The name of a Job's pod without what was generated.
pub fn pod(name: &str) -> String {
    static POD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(-\d+)-[a-z0-9]{5}\b").unwrap());
    POD.replace_all(name, "$1-POD").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(method: &Method, uri: &str, body: &Value) -> String {
        let uri = uri.parse().unwrap();
        Request::of(method, &uri, body.to_string().as_bytes()).to_string()
    }

    #[test]
    fn requests_read_like_those_of_the_audit_log() {
        let dvre = "/apis/dvre.io/v1alpha1/namespaces/x/dvreworkflows";
        let status = json!([{"op": "test"}, {"op": "add", "path": "/status",
            "value": {"phase": "Running", "reason": "Running"}}]);
        let seen = [
            request(
                &Method::GET,
                &format!("{dvre}?fieldSelector=status.phase%21%3DSucceeded&limit=500"),
                &Value::Null,
            ),
            request(
                &Method::GET,
                "/api/v1/namespaces/x/pods?watch=true",
                &Value::Null,
            ),
            request(
                &Method::POST,
                "/api/v1/namespaces/x/configmaps",
                &json!({"metadata": {"name": "hello-run-0a1b2c3d"}}),
            ),
            request(
                &Method::POST,
                "/apis/events.k8s.io/v1/namespaces/x/events",
                &json!({"regarding": {}, "reason": "Completed"}),
            ),
            request(&Method::PATCH, &format!("{dvre}/hello/status"), &status),
            request(
                &Method::GET,
                "/api/v1/namespaces/x/pods/hello-1-x7k2p/log?&follow=true",
                &Value::Null,
            ),
            request(
                &Method::GET,
                "/apis/batch/v1/namespaces/x/jobs/hello-1",
                &Value::Null,
            ),
        ];
        assert_eq!(
            seen,
            [
                "list dvreworkflows active",
                "watch pods",
                "create configmaps hello-run-*",
                "create events Completed",
                "patch dvreworkflows/status hello Running/Running",
                "follow pods/log hello-1-POD",
                "get jobs hello-1",
            ]
        );
    }
}
