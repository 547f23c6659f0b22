//! The stream of a watch, or of a log, line by line: passed on, held back, cut, or filled with something else.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncBufReadExt, Stream, StreamExt, TryStreamExt, stream};
use http::Uri;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::faults::{self, Fault};
use crate::proxy::{Reply, Shared};
use crate::request::Request;

/// What may pass of the watches of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    /// Events wait.
    Held,
    /// What waits is lost: the watch ends with 410, and has to list anew.
    Expired,
}

/// The gates of all watches, by the text of their request, such as `watch pods`.
#[derive(Default)]
pub struct Gates(watch::Sender<HashMap<String, Gate>>);

impl Gates {
    /// Lets events wait from now on.
    pub fn hold(&self, watch: &str) {
        self.set(watch, Gate::Held);
    }

    /// Lets what waits pass, late but whole.
    pub fn release(&self, watch: &str) {
        self.set(watch, Gate::Open);
    }

    /// Drops what waits: the operator sees only what there is now.
    pub fn skip(&self, watch: &str) {
        self.set(watch, Gate::Expired);
    }

    fn set(&self, watch: &str, gate: Gate) {
        self.0.send_modify(|gates| {
            gates.insert(watch.to_owned(), gate);
        });
    }

    /// A new stream begins after what was lost.
    fn begin(&self, watch: &str) {
        self.0.send_if_modified(|gates| {
            let expired = gates.get(watch) == Some(&Gate::Expired);
            if expired {
                gates.remove(watch);
            }
            expired
        });
    }

    /// Waits until something may pass. False when what waits is lost.
    async fn pass(&self, watch: &str) -> bool {
        let gate = |gates: &HashMap<String, Gate>| gates.get(watch).copied().unwrap_or_default();
        let mut gates = self.0.subscribe();
        let open = gates.wait_for(|gates| gate(gates) != Gate::Held).await;
        open.is_ok_and(|gates| gate(&gates) == Gate::Open)
    }
}

/// The other end of a body.
struct Sender {
    to: mpsc::Sender<io::Result<Frame<Bytes>>>,
    shared: Arc<Shared>,
    number: usize,
    watch: String,
}

/// The operator does not read any more.
struct Left;

/// Relays a stream.
pub fn relay(
    shared: Arc<Shared>,
    number: usize,
    request: &Request,
    uri: &Uri,
    body: Body,
    fault: Option<Fault>,
) -> Reply {
    let (to, from) = mpsc::channel(1);
    let watch = request.to_string();
    shared.gates.begin(&watch);
    let sender = Sender {
        to,
        shared,
        number,
        watch,
    };
    let version = start_version(uri);
    tokio::spawn(async move {
        let lines = body.into_data_stream().map_err(io::Error::other);
        let lines = lines.into_async_read().lines();
        let left = sender.to.clone();
        tokio::select! {
            () = left.closed() => {}
            _ = sender.send(lines, fault, &version) => {}
        }
        if fault.is_some() {
            sender.shared.journal.over();
        }
    });
    let frames = stream::unfold(from, async |mut from| Some((from.recv().await?, from)));
    StreamBody::new(frames).boxed_unsync()
}

impl Sender {
    async fn send(
        &self,
        lines: impl Stream<Item = io::Result<String>>,
        fault: Option<Fault>,
        version: &str,
    ) -> Result<(), Left> {
        let mut lines = std::pin::pin!(lines);
        match fault {
            Some(Fault::GoneInStream) => return self.expired().await,
            Some(Fault::Silence) => {
                tokio::time::sleep(faults::SILENCE).await;
                return self.cut().await;
            }
            Some(Fault::BookmarkOnly) => {
                self.bookmarks(version).await?;
                self.shared.journal.over();
            }
            Some(Fault::Truncated) => {
                while let Some(Ok(line)) = lines.next().await {
                    if !is_bookmark(&line) {
                        let half = line.get(..line.len() / 2).unwrap_or_default();
                        self.text(half.to_owned()).await?;
                        return self.cut().await;
                    }
                }
            }
            _ => {}
        }
        while let Some(line) = lines.next().await {
            let Ok(line) = line else {
                return self.cut().await;
            };
            if !self.shared.gates.pass(&self.watch).await {
                return self.expired().await;
            }
            if !is_bookmark(&line) {
                self.shared.journal.event(self.number);
            }
            self.text(line + "\n").await?;
        }
        // Nor does the end of a stream arrive while it is held.
        self.shared.gates.pass(&self.watch).await;
        Ok(())
    }

    async fn bookmarks(&self, version: &str) -> Result<(), Left> {
        let end = Instant::now() + faults::BOOKMARKS;
        while Instant::now() < end {
            let bookmark = json!({
                "type": "BOOKMARK",
                "object": { "apiVersion": "v1", "kind": "Any", "metadata": { "resourceVersion": version } },
            });
            self.text(format!("{bookmark}\n")).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    async fn expired(&self) -> Result<(), Left> {
        let error = json!({ "type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "injected: too old resource version", "reason": "Expired", "code": 410,
        }});
        self.text(format!("{error}\n")).await
    }

    async fn text(&self, text: String) -> Result<(), Left> {
        let frame = Ok(Frame::data(Bytes::from(text)));
        self.to.send(frame).await.map_err(|_| Left)
    }

    async fn cut(&self) -> Result<(), Left> {
        let broken = io::Error::from(io::ErrorKind::ConnectionReset);
        self.to.send(Err(broken)).await.map_err(|_| Left)
    }
}

fn is_bookmark(line: &str) -> bool {
    line.starts_with(r#"{"type":"BOOKMARK""#)
}

/// The resourceVersion at which a watch begins.
fn start_version(uri: &Uri) -> String {
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut version = pairs.filter_map(|pair| pair.strip_prefix("resourceVersion="));
    version.next_back().unwrap_or_default().to_owned()
}
