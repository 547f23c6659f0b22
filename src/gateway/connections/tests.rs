use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::serve;
use crate::gateway::Gateway;
use crate::gateway::routes::ready;
use crate::gateway::testing::no_client;
use crate::settings::gateway::tests::settings;
use crate::stop::Stop;

/// A gateway that listens.
struct Served {
    gateway: Arc<Gateway>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl Served {
    async fn with(arguments: &[&str]) -> Self {
        let usual = [
            "--auth=kubernetes",
            "--templates=templates",
            "--template-image=sklearn=example/learn:1",
        ];
        let settings = settings(&[&usual, arguments].concat());
        let gateway = Arc::new(Gateway::new(settings, no_client()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, asked) = watch::channel(false);
        let served = gateway.clone();
        let ended = tokio::spawn(async move {
            serve(listener, &served, &Stop::asked_by(asked)).await;
        });
        Self {
            gateway,
            address,
            stop,
            ended,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn connections(&self) -> String {
        let text = self.gateway.metrics.text();
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("dvre_gateway_connections "));
        lines.next().unwrap().to_owned()
    }

    /// Why it is not ready, as there is no cluster.
    async fn unready(&self) -> String {
        let ready = ready(State(self.gateway.clone())).await;
        ready.unwrap_err().message
    }
}

/// Asks for something small, and reads until the answer ends.
async fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    while !answer.ends_with('}') {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.unwrap();
        assert_ne!(length, 0, "the connection ended after {answer:?}");
        answer.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    answer
}

/// How long it takes until the other side ends the connection.
async fn ends(mut stream: TcpStream) -> Duration {
    let since = Instant::now();
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let _ = timeout(Duration::from_secs(20), read)
        .await
        .expect("the connection goes on");
    since.elapsed()
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let served = Served::with(&["--header-seconds=2"]).await;
    let (reader, mut writer) = served.connect().await.into_split();
    let slow = tokio::spawn(async move {
        for byte in b"GET /api HTTP/1.1\r\nHost: example.org\r\n\r\n" {
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    });
    let mut reader = reader;
    let since = Instant::now();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), reader.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection goes on");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(
        since.elapsed() >= Duration::from_secs(1),
        "it had no time at all"
    );
    slow.abort();
    let idle = served.connect().await;
    assert!(ends(idle).await >= Duration::from_secs(1));
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_more_wait() {
    let served = Served::with(&["--max-connections=1"]).await;
    let mut first = served.connect().await;
    for _ in 0..3 {
        assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
    }
    let mut second = served.connect().await;
    let early = timeout(Duration::from_millis(300), ask(&mut second)).await;
    assert!(early.is_err(), "answered beyond the limit");
    assert_eq!(served.connections(), "1");
    drop(first);
    let mut answer = [0; 12];
    timeout(Duration::from_secs(10), second.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn who_does_not_take_its_answers_is_cut_off() {
    let served = Served::with(&["--header-seconds=1"]).await;
    let mut stream = served.connect().await;
    let greedy = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
    stream.write_all(&greedy).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(served.connections(), "1");
    let since = Instant::now();
    while served.connections() != "0" {
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "the connection goes on"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn near_the_end_it_is_not_ready_but_answers_until_others_have_noticed() {
    let served = Served::with(&["--linger-seconds=1"]).await;
    let mut before = served.connect().await;
    assert!(!ask(&mut before).await.contains("connection: close"));
    assert!(served.unready().await.contains("cluster"));
    served.stop.send_replace(true);
    while !served.gateway.ends() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(served.unready().await.contains("about to end"));
    let mut late = served.connect().await;
    for stream in [&mut late, &mut before] {
        let answer = ask(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    let idle = served.connect().await;
    assert!(ends(idle).await < Duration::from_secs(5));
    timeout(Duration::from_secs(5), served.ended)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}
