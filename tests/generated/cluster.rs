//! Generated resources among good neighbours, with a real operator and a real API server.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use dvre_operator::controller::guarded::{Guarded, Metadata};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use http::Request;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Resource, ResourceExt};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::namespace::in_time;
use crate::operator::{Operator, installed};
use crate::sandbox::Sandbox;
use crate::schema;
use crate::spoiled::spoiled;
use crate::verdict::succeeded;

/// How many resources are made up.
const GENERATED: usize = 300;
/// How many good ones are among them.
const NEIGHBOURS: usize = 20;
/// How many requests the test makes at one time.
const REQUESTS: usize = 8;
/// How often a resource may be looked at: more would be a loop.
const LOOKS: u64 = 20;

const NEIGHBOUR: &str = "
    cwl: {cwlVersion: v1.2, class: CommandLineTool, baseCommand: 'true', inputs: {}, outputs: {}}
    runner: {resources: {requests: {cpu: 20m, memory: 64Mi}}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn generated_resources_among_good_neighbours() {
    let sandbox = Sandbox::new("generated").await;
    let mut arguments = installed(&sandbox.client).await;
    arguments.push(format!("--watch-namespace={}", sandbox.name));
    let mut operator = Operator::start("generated", &arguments, None);
    in_time("the operator works", operator.says("ok")).await;
    let played = AssertUnwindSafe(play(&sandbox, &mut operator)).catch_unwind();
    let played = played.await;
    drop(operator);
    let_go(&sandbox).await;
    if let Err(panic) = played {
        std::panic::resume_unwind(panic);
    }
}

async fn play(sandbox: &Sandbox, operator: &mut Operator) {
    let specs = specs();
    let created = stream::iter(specs.iter().enumerate()).map(|(number, spec)| async move {
        if number % (GENERATED / NEIGHBOURS) == 0 {
            sandbox
                .submit(&format!("neighbour-{number}"), NEIGHBOUR)
                .await;
        }
        create(sandbox, number, spec).await
    });
    let created: Vec<Result<(), u16>> = created.buffer_unordered(REQUESTS).collect().await;
    let taken = created.iter().filter(|result| result.is_ok()).count();

    in_time("each has a phase", all_told(sandbox)).await;
    for number in (0..GENERATED).step_by(GENERATED / NEIGHBOURS) {
        succeeded(&sandbox.finished(&format!("neighbour-{number}")).await);
    }

    let looks = operator.metric("dvre_reconciles_total").await;
    let errors = operator.metric("dvre_reconcile_errors_total").await;
    eprintln!(
        "{taken} of {GENERATED} were taken; {looks} looks, {errors} errors; ends: {:?}",
        ends(sandbox).await
    );
    let resources = u64::try_from(taken + NEIGHBOURS).unwrap();
    assert!(
        looks <= LOOKS * resources,
        "{looks} looks at {resources} resources"
    );
    assert!(!operator.log().contains("panicked"), "{}", operator.log());
    operator.says("ok").await;
}

/// The same for the same seed, which is printed.
fn specs() -> Vec<Value> {
    let seed = std::env::var("DVRE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: i64 = seed.unwrap_or_else(|| Timestamp::now().as_millisecond());
    eprintln!("DVRE_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strategy = prop_oneof![2 => schema::spec(), 1 => spoiled(schema::spec())];
    let made = (0..GENERATED).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    made.map(unplaceable).collect()
}

/// What could start finds no node: it is not about pods.
fn unplaceable(mut spec: Value) -> Value {
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("startDeadlineSeconds".to_owned(), json!(20));
        let runner = fields.entry("runner").or_insert_with(|| json!({}));
        if let Some(runner) = runner.as_object_mut() {
            runner.insert("nodeSelector".to_owned(), json!({"dvre.io/nowhere": "x"}));
        }
    }
    spec
}

/// Creates one, or says with which code it was refused.
async fn create(sandbox: &Sandbox, number: usize, spec: &Value) -> Result<(), u16> {
    let object = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": {"name": format!("g-{number}")}, "spec": spec,
    });
    let request = Request::post(Guarded::url_path(&(), Some(&sandbox.name)))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    match sandbox.client.request_text(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 413 | 422) => {
            assert!(!status.message.is_empty(), "{status:?}");
            Err(status.code)
        }
        Err(error) => panic!("neither taken nor refused: {error}: {object}"),
    }
}

/// Waits until there is none of which nothing is said.
async fn all_told(sandbox: &Sandbox) {
    let untold = Config::default().fields("status.phase=");
    let mut events = pin!(watcher(sandbox.api::<Metadata>(), untold));
    let mut names = BTreeSet::new();
    let mut listed = false;
    while !listed || !names.is_empty() {
        match events.try_next().await.unwrap() {
            Some(Event::Init) => names.clear(),
            Some(Event::InitApply(object) | Event::Apply(object)) => {
                names.insert(object.name_any());
            }
            Some(Event::Delete(object)) => {
                names.remove(&object.name_any());
            }
            Some(Event::InitDone) => listed = true,
            None => panic!("a watch does not end"),
        }
    }
}

/// How many stand where, by phase and reason.
async fn ends(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for run in sandbox
        .api::<Guarded>()
        .list(&ListParams::default())
        .await
        .unwrap()
    {
        let end = match run.object {
            Ok(workflow) => {
                let status = workflow.status.unwrap_or_default();
                assert!(!status.conditions.is_empty(), "{:?}", run.metadata);
                assert!(!status.message.unwrap_or_default().is_empty());
                format!("{:?}/{:?}", status.phase.unwrap(), status.reason.unwrap())
            }
            Err(_) => "unreadable".to_owned(),
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

/// Takes the finalizers away, which nobody is left to do.
async fn let_go(sandbox: &Sandbox) {
    let runs = sandbox.api::<Metadata>();
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    for run in runs.list(&ListParams::default()).await.unwrap() {
        if run.metadata.finalizers.is_some_and(|held| !held.is_empty()) {
            let name = run.metadata.name.unwrap();
            runs.patch(&name, &PatchParams::default(), &patch)
                .await
                .unwrap();
        }
    }
}
