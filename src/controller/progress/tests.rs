//! Followers against an API server that serves logs, and time that passes at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body as Chunks;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use http::{Request, Response};
use kube::client::Body;
use rstest::rstest;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::controller::fixtures::{hello, pod, runner};

type Piece = Result<Vec<u8>, std::io::Error>;

/// An API server that answers each request for a log by what the test decides.
struct Server {
    requests: UnboundedReceiver<String>,
    answers: Arc<Mutex<Vec<Response<Chunks>>>>,
}

/// A client, and the server that it talks to. Without an answer prepared, a log has no pod.
fn server() -> (Client, Server) {
    let (asked, requests) = unbounded();
    let answers = Arc::<Mutex<Vec<Response<Chunks>>>>::default();
    let prepared = answers.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let _ = asked.unbounded_send(request.uri().to_string());
        let mut prepared = prepared.lock().unwrap();
        let answer = if prepared.is_empty() {
            refusal(404)
        } else {
            prepared.remove(0)
        };
        futures::future::ready(Ok::<_, std::convert::Infallible>(answer))
    });
    (Client::new(service, "lab"), Server { requests, answers })
}

fn refusal(code: u16) -> Response<Chunks> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"});
    Response::builder()
        .status(code)
        .body(Chunks::from(status.to_string()))
        .unwrap()
}

impl Server {
    /// Answers the next request with a log that is written later.
    fn log(&self) -> UnboundedSender<Piece> {
        let (write, read) = unbounded::<Piece>();
        let body = Chunks::from_stream(read);
        self.answers.lock().unwrap().push(Response::new(body));
        write
    }

    fn refuses(&self, code: u16) {
        self.answers.lock().unwrap().push(refusal(code));
    }
}

fn line(completed: u64) -> Vec<u8> {
    format!("@dvre {{\"completed\":{completed},\"total\":9}}\n").into_bytes()
}

fn followers(
    client: Client,
    most: u16,
) -> (Arc<Followers>, impl Stream<Item = ObjectRef<Guarded>>) {
    let followers = Followers::new(client, most, &Metrics::default());
    let news = followers.news();
    (Arc::new(followers), news)
}

fn running_pod(uid: &str) -> Pod {
    let mut pod = pod(&runner(
        &json!({"running": {"startedAt": Timestamp::now()}}),
    ));
    pod.metadata.uid = Some(uid.to_owned());
    pod
}

fn completed(known: &Known) -> Option<u64> {
    known.as_ref().map(|progress| progress.completed)
}

#[tokio::test(start_paused = true)]
async fn news_is_told_at_once_and_then_every_two_seconds() {
    let (client, mut server) = server();
    let (followers, mut news) = followers(client, 1);
    let (workflow, pod) = (hello(), running_pod("p-1"));
    let log = server.log();
    assert_eq!(followers.told(&workflow, Some(&pod)), None);
    let began = Instant::now();
    let asked = server.requests.next().await.unwrap();
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "a short run costs nothing"
    );
    assert!(
        asked.ends_with(
            "/namespaces/lab/pods/hello-1-abcde/log?&container=runner&follow=true&tailLines=1000"
        ),
        "{asked}"
    );
    log.unbounded_send(Ok(line(1))).unwrap();
    log.unbounded_send(Ok(line(2))).unwrap();
    let resource = news.next().await.unwrap();
    assert_eq!(
        (resource.name.as_str(), resource.namespace.as_deref()),
        ("hello", Some("lab"))
    );
    let told = || completed(&followers.told(&workflow, Some(&pod)));
    assert_eq!(told(), Some(2), "the last of what a log ends with");
    let first = Instant::now();
    for count in 3..=9 {
        log.unbounded_send(Ok(line(count))).unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        told(),
        Some(2),
        "status does not change before it may be written"
    );
    news.next().await.unwrap();
    assert_eq!((told(), first.elapsed()), (Some(9), PACE));
    // The same once more is no news.
    log.unbounded_send(Ok(line(9))).unwrap();
    assert!(timeout(Duration::from_mins(1), news.next()).await.is_err());
    assert_eq!(
        server.requests.try_recv().ok(),
        None,
        "one request for all of it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_lasted_is_asked_about_at_once() {
    let (client, mut server) = server();
    let (followers, mut news) = followers(client, 1);
    let mut pod = running_pod("p-1");
    pod.status = serde_json::from_value(runner(
        &json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
    ))
    .ok();
    let log = server.log();
    log.unbounded_send(Ok(line(5))).unwrap();
    let began = Instant::now();
    let _ = followers.told(&hello(), Some(&pod));
    server.requests.next().await.unwrap();
    news.next().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn another_attempt_shows_nothing_of_the_one_before() {
    let (client, mut server) = server();
    let (followers, mut news) = followers(client, 4);
    let workflow = hello();
    let log = server.log();
    let first = running_pod("p-1");
    let _ = followers.told(&workflow, Some(&first));
    server.requests.next().await.unwrap();
    log.unbounded_send(Ok(line(7))).unwrap();
    news.next().await.unwrap();
    let second = running_pod("p-2");
    assert_eq!(followers.told(&workflow, Some(&second)), None);
    server.requests.next().await.unwrap();
    assert!(log.is_closed(), "nobody follows the first any more");
}

#[rstest]
#[case::its_pod(|followers: &Followers| { let _ = followers.told(&hello(), None); })]
#[case::its_resource(|followers: &Followers| followers.forget("u-1"))]
#[case::the_operator(Followers::stop)]
#[tokio::test(start_paused = true)]
async fn a_follower_ends_with(#[case] end: fn(&Followers)) {
    let (client, mut server) = server();
    let metrics = Metrics::default();
    let followers = Followers::new(client, 1, &metrics);
    let _news = followers.news();
    let log = server.log();
    let _ = followers.told(&hello(), Some(&running_pod("p-1")));
    server.requests.next().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert!(!log.is_closed());
    assert_eq!(metrics.followers().get(), 1);
    end(&followers);
    sleep(Duration::from_hours(1)).await;
    assert!(log.is_closed());
    assert_eq!(metrics.followers().get(), 0);
    assert!(server.requests.try_recv().is_err(), "and asks no more");
}

#[tokio::test(start_paused = true)]
async fn broken_logs_are_opened_anew_later_and_later() {
    let (client, mut server) = server();
    let (followers, mut news) = followers(client, 1);
    for code in [400, 404, 410, 422] {
        server.refuses(code);
    }
    let broken = server.log();
    broken.unbounded_send(Ok(line(1))).unwrap();
    broken
        .unbounded_send(Err(std::io::Error::other("reset")))
        .unwrap();
    let rotated = server.log();
    rotated.unbounded_send(Ok(line(2))).unwrap();
    drop(rotated);
    let last = server.log();
    let _ = followers.told(&hello(), Some(&running_pod("p-1")));
    let (mut at, mut pauses) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        server.requests.next().await.unwrap();
        at.push(Instant::now());
    }
    for pair in at.windows(2) {
        pauses.push(pair[1] - pair[0]);
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(pauses.last() < Some(&Duration::from_secs(12)), "{pauses:?}");
    last.unbounded_send(Ok(line(3))).unwrap();
    let told = || completed(&followers.told(&hello(), Some(&running_pod("p-1"))));
    while told() != Some(3) {
        news.next().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_log_is_opened_anew_now_and_then() {
    let (client, mut server) = server();
    let (followers, _news) = followers(client, 1);
    let first = server.log();
    let _second = server.log();
    let _ = followers.told(&hello(), Some(&running_pod("p-1")));
    server.requests.next().await.unwrap();
    let began = Instant::now();
    server.requests.next().await.unwrap();
    assert!(began.elapsed() >= Duration::from_mins(2) && began.elapsed() < Duration::from_mins(3));
    assert!(first.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_left_for_a_while() {
    let (client, mut server) = server();
    let (followers, mut news) = followers(client, 1);
    let flood = server.log();
    flood.unbounded_send(Ok(line(4))).unwrap();
    for _ in 0..1000 {
        flood.unbounded_send(Ok(vec![b'x'; 64 << 10])).unwrap();
    }
    let _calm = server.log();
    let _ = followers.told(&hello(), Some(&running_pod("p-1")));
    server.requests.next().await.unwrap();
    news.next().await.unwrap();
    let began = Instant::now();
    assert!(flood.is_closed(), "not all of it is read");
    server.requests.next().await.unwrap();
    assert!(began.elapsed() > Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn slots_are_few_and_every_run_is_followed() {
    const RUNS: usize = 30;
    let most_open = Arc::new(AtomicUsize::new(0));
    let open = Arc::new(AtomicUsize::new(0));
    let (counting, seen) = (open.clone(), most_open.clone());
    // Each log says one thing, and stays open.
    let service = tower::service_fn(move |_: Request<Body>| {
        let guard = Open(counting.clone());
        seen.fetch_max(guard.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let log = futures::stream::once(async { Piece::Ok(line(1)) })
            .chain(futures::stream::pending())
            .inspect(move |_| {
                let _ = &guard;
            });
        let answer = Response::new(Chunks::from_stream(log));
        futures::future::ready(Ok::<_, std::convert::Infallible>(answer))
    });
    let (followers, mut news) = followers(Client::new(service, "lab"), 4);
    let mut waiting: std::collections::HashSet<String> =
        (0..RUNS).map(|run| format!("run-{run}")).collect();
    for name in &waiting {
        let mut workflow = hello();
        workflow.metadata.name = Some(name.clone());
        workflow.metadata.uid = Some(name.clone());
        let _ = followers.told(&workflow, Some(&running_pod(name)));
    }
    let began = Instant::now();
    while !waiting.is_empty() {
        waiting.remove(&news.next().await.unwrap().name);
    }
    assert!(
        began.elapsed() < follower::TURN * 10,
        "{:?}",
        began.elapsed()
    );
    assert_eq!(most_open.load(Ordering::SeqCst), 4);
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn without_slots_or_listeners_nothing_is_followed() {
    let (client, _server) = server();
    let (none, _news) = followers(client.clone(), 0);
    let deaf = Followers::new(client, 1, &Metrics::default());
    for followers in [&*none, &deaf] {
        assert_eq!(followers.told(&hello(), Some(&running_pod("p-1"))), None);
        assert!(followers.lock().is_empty());
    }
}
