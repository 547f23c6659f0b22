//! Counters for `/metrics`. Their labels are the gateway's own words and settings, never what a caller sends,
//! so their number is bounded.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Gateway;

/// Upper ends of the buckets of durations, in seconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Asked {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Answered {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Cause {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Kind {
    kind: &'static str,
    deployment: String,
}

/// The gateway's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Asked, Histogram>,
    in_flight: Gauge,
    refusals: Family<Cause, Counter>,
    submissions: Family<Kind, Counter>,
    connections: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            refusals: Family::default(),
            submissions: Family::default(),
            connections: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("dvre_gateway");
        registry.register(
            "requests",
            "Requests that were answered, by route and class of the answer; `aborted` where the caller left before",
            metrics.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from the head of a request to its answer",
            metrics.durations.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests that are being answered",
            metrics.in_flight.clone(),
        );
        registry.register(
            "refusals",
            "Requests that were not answered as they wanted, by reason; a rise of unavailable means the cluster",
            metrics.refusals.clone(),
        );
        registry.register(
            "submissions",
            "Workflows that were stored",
            metrics.submissions.clone(),
        );
        registry.register(
            "connections",
            "Connections that are open; as many as --max-connections means that others wait",
            metrics.connections.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// A workflow was stored.
    pub fn submitted(&self, kind: &'static str, deployment: &str) {
        let deployment = deployment.to_owned();
        let kind = Kind { kind, deployment };
        self.submissions.get_or_create(&kind).inc();
    }

    /// Counts a connection for as long as what is returned lives.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }

    fn begin(&self, asked: Asked) -> UnderWay<'_> {
        self.in_flight.inc();
        UnderWay {
            metrics: self,
            asked,
            since: Instant::now(),
            status: None,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A request that is being answered, or whose caller has left.
struct UnderWay<'a> {
    metrics: &'a Metrics,
    asked: Asked,
    since: Instant,
    status: Option<StatusCode>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let answered = Answered {
            method: self.asked.method,
            route: self.asked.route.clone(),
            status: self.status.map_or("aborted", class),
        };
        self.metrics.requests.get_or_create(&answered).inc();
        let durations = self.metrics.durations.get_or_create(&self.asked);
        durations.observe(self.since.elapsed().as_secs_f64());
        if let Some(reason) = self.status.and_then(reason) {
            self.metrics.refusals.get_or_create(&Cause { reason }).inc();
        }
    }
}

/// Around every request, outside of all others.
pub async fn count(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = method(request.method());
    let mut under_way = gateway.metrics.begin(Asked { method, route });
    let response = next.run(request).await;
    under_way.status = Some(response.status());
    response
}

fn method(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"];
    let mut known = known.into_iter().filter(|known| method == *known);
    known.next().unwrap_or("other")
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// Why a request was refused, by its answer.
fn reason(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        0..=399 => None,
        400 => Some("invalid"),
        401 => Some("unauthorized"),
        403 => Some("forbidden"),
        404 | 405 => Some("unknown"),
        408 => Some("too_slow"),
        409 => Some("conflict"),
        413 => Some("too_large"),
        429 => Some("too_many"),
        503 => Some("unavailable"),
        _ => Some("internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            method: "GET",
            route: "/streamflow/status/{id}".to_owned(),
        }
    }

    #[test]
    fn a_request_is_counted_by_route_and_class() {
        let metrics = Metrics::default();
        let mut under_way = metrics.begin(asked());
        assert!(
            metrics
                .text()
                .contains("dvre_gateway_requests_in_flight 1\n")
        );
        under_way.status = Some(StatusCode::NOT_FOUND);
        drop(under_way);
        let text = metrics.text();
        for line in [
            "dvre_gateway_requests_in_flight 0\n",
            r#"dvre_gateway_requests_total{method="GET",route="/streamflow/status/{id}",status="4xx"} 1"#,
            r#"dvre_gateway_request_duration_seconds_count{method="GET",route="/streamflow/status/{id}"} 1"#,
            r#"dvre_gateway_refusals_total{reason="unknown"} 1"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn a_caller_that_leaves_is_counted_too() {
        let metrics = Metrics::default();
        drop(metrics.begin(asked()));
        let text = metrics.text();
        assert!(text.contains(r#"status="aborted"} 1"#), "{text}");
        assert!(!text.contains("refusals_total{"), "{text}");
    }

    #[test]
    fn methods_of_callers_make_no_labels() {
        let strange = Method::from_bytes(b"STRANGE").unwrap();
        assert_eq!((method(&Method::HEAD), method(&strange)), ("HEAD", "other"));
    }
}
