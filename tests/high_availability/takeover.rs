//! Takeover.

use std::time::{Duration, Instant};

use dvre_operator::api::Phase;
use k8s_openapi::api::coordination::v1::Lease;
use rustix::process::Signal;
use serde_json::json;

use crate::api::recorded;
use crate::namespace::in_time;
use crate::operator::{Operator, installed};
use crate::sandbox::Sandbox;
use crate::verdict::{ran_once, succeeded};

/// How long nobody may work after the one that did was killed.
const TAKEOVER: Duration = Duration::from_secs(10);
/// A run that goes on while one operator takes over from another.
const RUN: &str = "
    cwl: {cwlVersion: v1.2, class: CommandLineTool, baseCommand: [sleep, '12'], inputs: {}, outputs: {}}
    runner: {resources: {requests: {cpu: 20m, memory: 64Mi}}}
";

/// A namespace, and how operators are started for it.
struct Site {
    sandbox: Sandbox,
    arguments: Vec<String>,
}

impl Site {
    async fn new(purpose: &str) -> Self {
        let sandbox = Sandbox::new(purpose).await;
        let mut arguments = installed(&sandbox.client).await;
        arguments.extend([
            format!("--watch-namespace={}", sandbox.name),
            "--leader-elect".to_owned(),
            format!("--lease-namespace={}", sandbox.name),
        ]);
        Self { sandbox, arguments }
    }

    fn start(&self, name: &str) -> Operator {
        Operator::start(name, &self.arguments, None)
    }

    /// Waits until the Lease is held by the operator of a name.
    async fn held_by(&self, name: &str) {
        let prefix = format!("{name}_");
        let held = |lease: Option<&Lease>| {
            let holder = lease
                .and_then(|lease| lease.spec.as_ref()?.holder_identity.as_ref())
                .map(String::as_str);
            holder.is_some_and(|holder| holder.starts_with(&prefix))
        };
        let what = format!("{name} holds the Lease");
        self.sandbox.wait("dvre-operator", &what, held).await;
    }

    /// The first works on a run, the second stands by.
    async fn pair(&self, mut first: Operator) -> (Operator, Operator) {
        in_time("the first works", first.says("ok")).await;
        let mut second = self.start("second");
        in_time("the second stands by", second.says("standby")).await;
        self.sandbox.submit("run", RUN).await;
        self.sandbox.reaches("run", Phase::Running).await;
        assert_eq!(first.metric("dvre_leader").await, 1);
        assert_eq!(second.metric("dvre_leader").await, 0);
        assert_eq!(second.metric("dvre_reconciles_total").await, 0);
        (first, second)
    }

    /// Waits until an operator works, and prints how long nobody did.
    async fn taken_over(&self, by: &str, operator: &mut Operator, since: Instant, after: &str) {
        self.held_by(by).await;
        let held = since.elapsed();
        operator.says("ok").await;
        let works = since.elapsed();
        eprintln!("after {after}: lease taken in {held:.2?}, at work in {works:.2?}");
        assert_eq!(operator.metric("dvre_leader").await, 1);
    }

    async fn run_succeeds(&self, operator: &Operator) {
        let run = self.sandbox.finished("run").await;
        succeeded(&run);
        ran_once(&self.sandbox, &run).await;
        assert!(operator.metric("dvre_reconciles_total").await > 0);
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn one_that_is_killed() {
    let site = Site::new("ha-killed").await;
    let (mut first, mut second) = site.pair(site.start("first")).await;
    first.signal(Signal::KILL);
    let since = Instant::now();
    let taken = site.taken_over("second", &mut second, since, "SIGKILL");
    tokio::time::timeout(TAKEOVER, taken)
        .await
        .expect("the other must work within 10 s");
    assert!(!first.ended().await.success());
    site.run_succeeds(&second).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn one_that_is_asked_to_end() {
    let site = Site::new("ha-asked").await;
    let (mut first, mut second) = site.pair(site.start("first")).await;
    first.signal(Signal::TERM);
    let since = Instant::now();
    let taken = site.taken_over("second", &mut second, since, "SIGTERM");
    in_time("the other works", taken).await;
    let ended = in_time("it ends", first.ended()).await;
    assert!(ended.success(), "{ended}: {}", first.log());
    assert!(first.log().contains("the lease is given back"));
    site.run_succeeds(&second).await;
}

/// Longer stopped than the Lease holds, it wakes up with work before it that it must leave alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn one_that_stood_still() {
    let site = Site::new("ha-still").await;
    let (api, writes) = recorded(site.sandbox.client.clone()).await;
    let first = Operator::start("first", &site.arguments, Some(api.kubeconfig()));
    let (mut first, mut second) = site.pair(first).await;
    first.signal(Signal::STOP);
    let since = Instant::now();
    let taken = site.taken_over("second", &mut second, since, "SIGSTOP");
    in_time("the other works", taken).await;
    site.run_succeeds(&second).await;
    let before = writes.lock().unwrap().clone();
    assert!(!before.is_empty(), "it has worked until then");

    let sandbox = &site.sandbox;
    drop(second);
    sandbox.submit_spec("later", json!({ "cwl": {} })).await;
    first.signal(Signal::CONT);
    let ended = in_time("it ends", first.ended()).await;
    assert_eq!(ended.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("could not be renewed"));
    assert_eq!(
        *writes.lock().unwrap(),
        before,
        "it wrote without the Lease"
    );
    let mut third = site.start("third");
    in_time("another works", third.says("ok")).await;
    sandbox.finished("later").await;
}
