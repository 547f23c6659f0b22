//! Connections to the API. `axum::serve` sets no bounds to them: here their number is limited, and so is the
//! time that a caller may take to send a head, to send the next one, and to take its answer.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::{Gateway, routes};
use crate::stop::Stop;

/// How long requests under way may go on once no more connections are taken.
const DRAIN: Duration = Duration::from_secs(8);
/// How long to wait when no connection can be taken, for instance for want of file descriptors.
const RECOVER: Duration = Duration::from_secs(1);

/// Serves the API until the process is asked to end. Then it is not ready any more, but goes on taking
/// connections until others have noticed, and finishes what is under way.
pub async fn serve(listener: TcpListener, gateway: &Arc<Gateway>, stop: &Stop) {
    let settings = &gateway.settings.connections;
    let graceful = GracefulShutdown::new();
    let lingering = async {
        stop.asked().await;
        gateway.ending.store(true, Ordering::Relaxed);
        tokio::time::sleep(settings.linger()).await;
    };
    tokio::select! {
        () = take(&listener, gateway, &graceful) => {}
        () = lingering => {}
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests that take too long are cut off");
    }
}

/// Takes connections for good.
async fn take(listener: &TcpListener, gateway: &Arc<Gateway>, graceful: &GracefulShutdown) {
    let settings = &gateway.settings.connections;
    let places = usize::try_from(settings.max_connections).unwrap_or(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(places));
    let router = routes::router(gateway);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(settings.patience());
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_caller(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "connections cannot be taken");
                tokio::time::sleep(RECOVER).await;
                continue;
            }
        };
        if let Err(error) = bound(&stream, settings.patience()) {
            tracing::debug!(%error, "the connection has ended already");
            continue;
        }
        let service = TowerToHyperService::new(service(&router, gateway, peer));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        let connected = gateway.metrics.connected();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "the connection ended");
            }
            drop((connected, place));
        });
    }
}

/// Ends a connection whose caller does not take what it asked for.
fn bound(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(stream, patience)?;
    Ok(())
}

fn is_of_the_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// The API for one connection. Near the end its answers ask the caller to connect anew, elsewhere.
fn service(
    router: &Router,
    gateway: &Arc<Gateway>,
    peer: SocketAddr,
) -> impl tower::Service<
    Request<Incoming>,
    Response = Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let gateway = gateway.clone();
    router
        .clone()
        .map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        })
        .map_response(move |mut response: Response| {
            if gateway.ends() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        })
}
