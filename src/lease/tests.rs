use std::sync::{Arc, Mutex};

use axum::body::Body as Answer;
use clap::Parser;
use futures::stream::unfold;
use http::{Method, Request, Response};
use kube::client::Body;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;

#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    election: ElectionSettings,
}

/// What an API server knows of one Lease, and what happened to it.
#[derive(Default)]
struct Stored {
    lease: Option<Value>,
    version: u64,
    writes: u32,
    requests: u32,
}

/// An API server with one Lease, which takes what names the latest version of it.
#[derive(Clone, Default)]
struct Server(Arc<Shared>);

struct Shared {
    stored: watch::Sender<Stored>,
    down: Mutex<Down>,
}

/// What a server does to requests of those it does not like.
#[derive(Clone, Copy, Default, PartialEq)]
enum Down {
    #[default]
    No,
    /// They get no answer.
    Silent,
    /// They are refused.
    Refusing,
    /// Writes are done, and answered by an error.
    AnswersLost,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            stored: watch::Sender::new(Stored::default()),
            down: Mutex::default(),
        }
    }
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
        });
        Client::new(service, "lab")
    }

    fn candidate(&self, name: &str) -> Candidate {
        Candidate::new(self.client(), Defaults::parse_from(["test"]).election, name)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Answer> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        self.0.stored.send_modify(|stored| stored.requests += 1);
        let down = *self.0.down.lock().unwrap();
        match down {
            Down::Silent => std::future::pending().await,
            Down::Refusing => return no(500, "InternalError"),
            Down::AnswersLost | Down::No => {}
        }
        if parts.method == Method::GET {
            let query = parts.uri.query().unwrap_or_default();
            if query.contains("watch=true") {
                return self.watch();
            }
            if parts.uri.path().ends_with("/leases") {
                let stored = self.0.stored.borrow();
                let items: Vec<_> = stored.lease.iter().collect();
                let list = json!({"metadata": {"resourceVersion": stored.version.to_string()}, "items": items});
                return yes(&list);
            }
            return match &self.0.stored.borrow().lease {
                Some(lease) => yes(lease),
                None => no(404, "NotFound"),
            };
        }
        let sent: Value = serde_json::from_slice(&body).unwrap();
        let before = self.0.stored.borrow().lease.clone();
        let version = before.map_or(Value::Null, |lease| {
            lease["metadata"]["resourceVersion"].clone()
        });
        if version != sent["metadata"]["resourceVersion"] {
            return no(409, "Conflict");
        }
        let written = self.put(sent);
        if down == Down::AnswersLost {
            return no(500, "InternalError");
        }
        yes(&written)
    }

    /// Stores a Lease, as whoever writes it.
    fn put(&self, mut lease: Value) -> Value {
        self.0.stored.send_modify(|stored| {
            stored.version += 1;
            stored.writes += 1;
            lease["metadata"]["resourceVersion"] = json!(stored.version.to_string());
            stored.lease = Some(lease.clone());
        });
        lease
    }

    /// Changes of the Lease, one JSON object a line, from now on.
    fn watch(&self) -> Response<Answer> {
        let changes = self.0.stored.subscribe();
        let lines = unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            let event = {
                let stored = changes.borrow_and_update();
                match &stored.lease {
                    Some(lease) => json!({"type": "MODIFIED", "object": lease}),
                    None => {
                        json!({"type": "DELETED", "object": {"metadata": {"name": "dvre-operator", "resourceVersion": stored.version.to_string()}}})
                    }
                }
            };
            Some((
                Ok::<_, std::convert::Infallible>(format!("{event}\n")),
                changes,
            ))
        });
        Response::new(Answer::from_stream(lines))
    }

    fn down(&self, how: Down) {
        *self.0.down.lock().unwrap() = how;
    }

    fn delete(&self) {
        self.0.stored.send_modify(|stored| stored.lease = None);
    }

    fn holder(&self) -> Option<String> {
        let stored = self.0.stored.borrow();
        let lease: Lease = serde_json::from_value(stored.lease.clone()?).unwrap();
        holder(&lease).map(str::to_owned)
    }
}

fn yes(value: &Value) -> Response<Answer> {
    Response::new(Answer::from(value.to_string()))
}

fn no(code: u16, reason: &str) -> Response<Answer> {
    let (_, body) = crate::controller::fixtures::failure(code, reason, "no");
    let answer = Response::builder().status(code);
    answer.body(Answer::from(body.to_string())).unwrap()
}

/// A Lease of somebody who writes `renewed` as the time of its renewal.
fn foreign(renewed: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "dvre-operator", "namespace": "lab"},
        "spec": {"holderIdentity": "other", "leaseDurationSeconds": 8, "renewTime": renewed, "leaseTransitions": 4},
    })
}

async fn acquired(candidate: &Candidate) -> Lease {
    let lease = candidate.acquire(std::future::pending()).await;
    lease.expect("nobody asks it to stop")
}

/// Seconds that something takes, as many as have passed whole.
async fn seconds<T>(work: impl Future<Output = T>) -> (u64, T) {
    let since = Instant::now();
    let result = work.await;
    (since.elapsed().as_secs(), result)
}

async fn never() {
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_has_is_taken_at_once() {
    let server = Server::default();
    let candidate = server.candidate("one");
    let (taken, lease) = seconds(acquired(&candidate)).await;
    assert_eq!(taken, 0);
    assert_eq!(server.holder(), Some(candidate.identity.clone()));
    assert_eq!(lease.spec.unwrap().lease_transitions, Some(1));
    assert!(candidate.term().end() > Some(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn one_of_two_takes_it() {
    let server = Server::default();
    let (one, two) = (server.candidate("one"), server.candidate("two"));
    let keeps = async |candidate: &Candidate| candidate.lead(never(), never()).await;
    let both = async { tokio::join!(keeps(&one), keeps(&two)) };
    tokio::time::timeout(Duration::from_mins(1), both)
        .await
        .unwrap_err();
    let leading = [&one, &two].map(|candidate| candidate.term().end().is_some());
    assert_eq!(leading.iter().filter(|leads| **leads).count(), 1);
    assert_eq!(server.0.stored.borrow().writes, 30, "one each 2 s");
    assert!(server.0.stored.borrow().requests < 40, "and hardly more");
}

#[rstest]
#[case::behind("2001-01-01T00:00:00.000000Z")]
#[case::ahead("2999-01-01T00:00:00.000000Z")]
#[tokio::test(start_paused = true)]
async fn the_holders_clock_does_not_matter(#[case] clock: &str) {
    let server = Server::default();
    server.put(foreign(clock));
    let candidate = server.candidate("one");
    let renewed = async {
        sleep(Duration::from_secs(6)).await;
        server.put(foreign(&clock.replace("01-01", "01-02")));
        never().await;
    };
    tokio::select! {
        (taken, _) = seconds(acquired(&candidate)) => assert_eq!(taken, 14, "8 s after it was seen to change"),
        () = renewed => {}
    }
    let lease = server.0.stored.borrow().lease.clone().unwrap();
    assert_eq!(lease["spec"]["leaseTransitions"], 5);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_says_nothing_of_the_holder_is_no_renewal() {
    let server = Server::default();
    server.put(foreign("2026-01-01T00:00:00.000000Z"));
    let candidate = server.candidate("one");
    let labelled = async {
        sleep(Duration::from_secs(6)).await;
        let mut lease = foreign("2026-01-01T00:00:00.000000Z");
        lease["metadata"]["labels"] = json!({"team": "lab"});
        server.put(lease);
        never().await;
    };
    tokio::select! {
        (taken, _) = seconds(acquired(&candidate)) => assert_eq!(taken, 8),
        () = labelled => {}
    }
}

#[rstest]
#[case::given_back(true)]
#[case::deleted(false)]
#[tokio::test(start_paused = true)]
async fn a_lease_that_becomes_free_is_taken_at_once(#[case] given_back: bool) {
    let server = Server::default();
    let (one, two) = (server.candidate("one"), server.candidate("two"));
    let lease = acquired(&one).await;
    let freed = async {
        sleep(Duration::from_secs(1)).await;
        if given_back {
            one.release(lease).await;
            assert_eq!(one.term().end(), None);
        } else {
            server.delete();
        }
        never().await;
    };
    tokio::select! {
        (taken, _) = seconds(acquired(&two)) => assert_eq!(taken, 1),
        () = freed => {}
    }
    assert_eq!(server.holder(), Some(two.identity.clone()));
}

#[tokio::test(start_paused = true)]
async fn work_ends_before_the_lease_is_given_back() {
    let server = Server::default();
    let candidate = server.candidate("one");
    let work = async {
        sleep(Duration::from_secs(20)).await;
        assert_eq!(server.holder(), Some(candidate.identity.clone()));
    };
    let (taken, result) = seconds(candidate.lead(work, never())).await;
    result.unwrap();
    assert_eq!(taken, 20);
    assert_eq!(server.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_ends_at_once_when_asked() {
    let server = Server::default();
    server.put(foreign("2026-01-01T00:00:00.000000Z"));
    let candidate = server.candidate("one");
    let asked = sleep(Duration::from_secs(3));
    let (taken, result) = seconds(candidate.lead(never(), asked)).await;
    result.unwrap();
    assert_eq!(taken, 3);
    assert_eq!(server.holder().as_deref(), Some("other"));
}

#[rstest]
#[case::no_answer(Down::Silent, "deadline")]
#[case::errors(Down::Refusing, "InternalError")]
#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_stops_well_before_others_begin(
    #[case] how: Down,
    #[case] cause: &str,
) {
    let server = Server::default();
    let candidate = server.candidate("one");
    let out = async {
        sleep(Duration::from_millis(20_100)).await;
        server.down(how);
        never().await;
    };
    tokio::select! {
        (taken, result) = seconds(candidate.lead(never(), never())) => {
            assert_eq!(taken, 25, "5 s after the renewal at 20 s");
            let error = result.unwrap_err().to_string();
            assert!(error.contains("could not be renewed for 5 s") && error.contains(cause), "{error}");
        }
        () = out => {}
    }
    assert!(
        candidate
            .term()
            .admit(Request::post("/").body(()).unwrap())
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_costs_nothing() {
    let server = Server::default();
    let candidate = server.candidate("one");
    let outage = async {
        sleep(Duration::from_secs(11)).await;
        server.down(Down::Refusing);
        sleep(Duration::from_secs(2)).await;
        server.down(Down::No);
        never().await;
    };
    tokio::select! {
        result = candidate.lead(sleep(Duration::from_mins(1)), never()) => result.unwrap(),
        () = outage => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_no_loss_of_the_lease() {
    let server = Server::default();
    let candidate = server.candidate("one");
    let trouble = async {
        sleep(Duration::from_millis(1500)).await;
        server.down(Down::AnswersLost);
        sleep(Duration::from_secs(1)).await;
        server.down(Down::No);
        never().await;
    };
    tokio::select! {
        result = candidate.lead(sleep(Duration::from_mins(1)), never()) => result.unwrap(),
        () = trouble => {}
    }
    assert_eq!(server.holder(), None, "it is given back");
}

#[rstest]
#[case::taken(true, "held by other")]
#[case::deleted(false, "held by nobody")]
#[tokio::test(start_paused = true)]
async fn a_holder_stops_when_it_finds_that_it_is_none(#[case] taken: bool, #[case] wanted: &str) {
    let server = Server::default();
    let candidate = server.candidate("one");
    let robbed = async {
        sleep(Duration::from_secs(11)).await;
        if taken {
            server.put(foreign("2026-01-01T00:00:00.000000Z"));
        } else {
            server.delete();
        }
        never().await;
    };
    tokio::select! {
        (taken, result) = seconds(candidate.lead(never(), never())) => {
            assert_eq!(taken, 12, "at the next renewal");
            let error = result.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        () = robbed => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_does_not_work_on() {
    let server = Server::default();
    let candidate = server.candidate("one");
    let lead = candidate.lead(never(), never());
    let mut lead = pin!(lead);
    tokio::time::timeout(Duration::from_secs(5), &mut lead)
        .await
        .unwrap_err();
    // Nothing of it runs meanwhile.
    tokio::time::advance(Duration::from_secs(15)).await;
    let writes = server.0.stored.borrow().writes;
    assert!(
        candidate
            .term()
            .admit(Request::post("/").body(()).unwrap())
            .is_err()
    );
    let error = lead.await.unwrap_err().to_string();
    assert!(error.contains("stood still"), "{error}");
    assert_eq!(server.0.stored.borrow().writes, writes);
}
