//! What tests of the gateway share.

use kube::Client;
use kube::client::Body;

use super::caller::{Authority, Caller};

/// A client that must not be used.
pub fn no_client() -> Client {
    let service = tower::service_fn(|request: axum::http::Request<Body>| async move {
        Err::<axum::http::Response<Body>, std::io::Error>(std::io::Error::other(format!(
            "{} was asked for",
            request.uri()
        )))
    });
    Client::new(service, "default")
}

/// A caller that asks nothing of the cluster.
pub fn caller(name: Option<&str>, authority: Authority) -> Caller {
    Caller {
        name: name.map(str::to_owned),
        authority,
        client: no_client(),
    }
}
