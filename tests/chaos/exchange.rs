//! One request and its answer, with whatever fault strikes it.

use std::fmt::{self, Display};
use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use kube::client::Body;

use crate::faults::{self, Fault};
use crate::proxy::{Reply, Shared};
use crate::request::Request;
use crate::stream;

/// The connection breaks without an answer.
#[derive(Debug)]
pub struct Aborted;

impl Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl std::error::Error for Aborted {}

/// Handles a request.
pub async fn exchange(
    shared: Arc<Shared>,
    request: Request,
    parts: Parts,
    body: Bytes,
) -> Result<Response<Reply>, Aborted> {
    let (number, planned) = shared.journal.note(request.clone());
    let Some(planned) = planned else {
        return pass(&shared, number, &request, parts, body, None).await;
    };
    let (fault, strike) = planned;
    shared.journal.outcome(number, format!("{fault} …"));
    match fault {
        Fault::CrashBefore => crash(&shared).await,
        Fault::Reset => {
            shared.journal.over();
            Err(Aborted)
        }
        Fault::Reply(code) => {
            shared.journal.over();
            Ok(answer(code, &request))
        }
        Fault::Busy => {
            shared.journal.over();
            Ok(answer(faults::BUSY[strike], &request))
        }
        Fault::Gone => {
            shared.journal.over();
            Ok(answer(410, &request))
        }
        Fault::CrashAfter => {
            let _ = pass(&shared, number, &request, parts, body, None).await;
            crash(&shared).await
        }
        Fault::LostReply => {
            let _ = pass(&shared, number, &request, parts, body, None).await;
            shared.journal.over();
            Ok(answer(504, &request))
        }
        Fault::Stall => {
            tokio::time::sleep(faults::STALL).await;
            let late = pass(&shared, number, &request, parts, body, None).await;
            shared.journal.over();
            late
        }
        Fault::GoneInStream | Fault::Truncated | Fault::Silence | Fault::BookmarkOnly => {
            pass(&shared, number, &request, parts, body, Some(fault)).await
        }
    }
}

async fn crash(shared: &Arc<Shared>) -> Result<Response<Reply>, Aborted> {
    let process = shared.process.clone();
    // Waiting for a process blocks the thread.
    let _ = tokio::task::spawn_blocking(move || process.crash()).await;
    shared.journal.over();
    Err(Aborted)
}

/// Passes a request on to the server, and its answer back.
async fn pass(
    shared: &Arc<Shared>,
    number: usize,
    request: &Request,
    parts: Parts,
    body: Bytes,
    fault: Option<Fault>,
) -> Result<Response<Reply>, Aborted> {
    let uri = parts.uri.clone();
    let mut sent = http::Request::from_parts(parts, Body::from(body));
    sent.headers_mut().remove(header::HOST);
    let Ok(received) = shared.upstream.send(sent).await else {
        shared.journal.outcome(number, "no answer");
        return Err(Aborted);
    };
    let told = match fault {
        Some(fault) => format!("{}, {fault}", received.status().as_u16()),
        None => received.status().as_u16().to_string(),
    };
    shared.journal.outcome(number, told);
    let (head, body) = received.into_parts();
    let body = if request.is_stream() && head.status == StatusCode::OK {
        stream::relay(shared.clone(), number, request, &uri, body, fault)
    } else {
        // Whole, so that the server has committed what it says.
        let whole = body.collect().await.map_err(|_| Aborted)?.to_bytes();
        text(whole)
    };
    Ok(Response::from_parts(head, body))
}

fn answer(code: u16, request: &Request) -> Response<Reply> {
    let mut response = Response::new(text(faults::status(code, request).to_string().into()));
    *response.status_mut() = StatusCode::from_u16(code).expect("a code of HTTP");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    if code == 429 {
        headers.insert(header::RETRY_AFTER, "1".parse().unwrap());
    }
    response
}

fn text(whole: Bytes) -> Reply {
    Full::new(whole)
        .map_err(|never| match never {})
        .boxed_unsync()
}
