//! Plain addresses for the API server: of one that is made up, or of the real one behind a recorder.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::Method;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;

/// A server on this machine, and a kubeconfig that names it.
pub struct Api {
    kubeconfig: PathBuf,
}

impl Api {
    /// Serves what a function answers.
    pub async fn serve<F>(answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "users": [{"name": "c", "user": {}}],
        });
        let name = format!("api-{}.kubeconfig", address.port());
        let kubeconfig = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        Self { kubeconfig }
    }

    /// The kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

/// Writes that came, as method and path, but not those of a Lease.
pub type Writes = Arc<Mutex<Vec<String>>>;

/// Passes all requests on to the real API server, and notes writes.
pub async fn recorded(client: Client) -> (Api, Writes) {
    let writes = Writes::default();
    let seen = writes.clone();
    let api = Api::serve(move |request: Request| {
        let path = request.uri().path();
        if request.method() != Method::GET && !path.contains("/leases") {
            let line = format!("{} {path}", request.method());
            seen.lock().unwrap().push(line);
        }
        let client = client.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            // The address of this server, where that of the real one belongs.
            parts.headers.remove(http::header::HOST);
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
            let answer = client.send(request).await.expect("the API server answers");
            answer.map(Body::new)
        }
    })
    .await;
    (api, writes)
}
