//! A proxy between one operator and the API server. It notes each request, and does what the plan says
//! at one of them; watches can be held back, and all connections refused for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{RwLock, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::exchange::{self, Aborted};
use crate::faults::Planned;
use crate::journal::Journal;
use crate::process::Process;
use crate::request::Request;
use crate::stream::Gates;

/// Body of an answer.
pub type Reply = UnsyncBoxBody<Bytes, std::io::Error>;

/// What all connections share.
pub struct Shared {
    pub upstream: Client,
    pub process: Arc<Process>,
    pub journal: Journal,
    pub gates: Gates,
    /// Held by each exchange until the server has answered.
    under_way: RwLock<()>,
}

/// A running proxy with its operator, which is not started yet. Both end with this value.
pub struct Proxy {
    shared: Arc<Shared>,
    up: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Begins to listen.
    pub async fn new(
        upstream: Client,
        namespace: &str,
        arguments: &[String],
        planned: Option<Planned>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            process: Arc::new(Process::new(address, namespace, arguments)),
            journal: Journal::new(planned),
            gates: Gates::default(),
            under_way: RwLock::new(()),
        });
        let up = watch::Sender::new(true);
        let server = tokio::spawn(serve(listener, address, shared.clone(), up.subscribe()));
        Self { shared, up, server }
    }

    /// The operator behind this proxy.
    pub fn process(&self) -> &Process {
        &self.shared.process
    }

    /// What it asked.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Where watches can be held back.
    pub fn gates(&self) -> &Gates {
        &self.shared.gates
    }

    /// Ends the operator for good, and returns when nothing that it has asked for can happen any more.
    pub async fn end(&self) {
        self.shared.process.kill();
        drop(self.shared.under_way.write().await);
        // A crash that was under way has started another one.
        self.shared.process.kill();
    }

    /// Refuses every connection, and breaks those that are open, until `outage` is over.
    pub async fn refuse(&self, outage: Duration) {
        self.up.send_replace(false);
        tokio::time::sleep(outage).await;
        self.up.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
        self.shared.process.kill();
    }
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    mut up: watch::Receiver<bool>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let Some(open) = &listener else {
            if up.wait_for(|up| *up).await.is_err() {
                return;
            }
            listener = TcpListener::bind(address).await.ok();
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, shared.clone()));
                }
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
            down = down(&mut up) => {
                if !down {
                    return;
                }
                listener = None;
                connections.shutdown().await;
            }
        }
    }
}

/// Waits until connections are to be refused. False when nobody can say so any more.
async fn down(up: &mut watch::Receiver<bool>) -> bool {
    up.wait_for(|up| !up).await.is_ok()
}

/// Serves one connection; where an exchange is aborted it is reset.
async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| Box::pin(exchange(request, shared.clone())));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if ended.is_err() {
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

async fn exchange(
    request: http::Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<http::Response<Reply>, Aborted> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Aborted)?.to_bytes();
    let about = Request::of(&parts.method, &parts.uri, &body);
    // On its own: what has been sent goes on although its sender has gone.
    let exchange = tokio::spawn(async move {
        let _under_way = shared.under_way.read().await;
        exchange::exchange(shared.clone(), about, parts, body).await
    });
    exchange.await.unwrap_or(Err(Aborted))
}
