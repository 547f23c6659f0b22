//! The way from a resource to its status, without a cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use clap::Parser;
use dvre_operator::api::status::{MAX_MESSAGE_BYTES, MAX_STATUS_BYTES};
use dvre_operator::api::{DvreWorkflow, DvreWorkflowStatus};
use dvre_operator::controller::guarded::Guarded;
use dvre_operator::controller::observe::{JobState, Observed};
use dvre_operator::controller::plan::{Plan, plan};
use dvre_operator::controller::pod::{self, Trouble};
use dvre_operator::controller::status::status;
use dvre_operator::runner::record::Outcome;
use dvre_operator::settings::RunSettings;
use dvre_operator::{offline, render};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::schema::{self, times};
use crate::spoiled::spoiled;
use crate::words::{name, seldom};
use crate::{cwl, seen};

/// How many of each sort when `PROPTEST_CASES` does not say.
const CASES: u32 = 500;

#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    run: RunSettings,
}

static SETTINGS: LazyLock<RunSettings> = LazyLock::new(|| {
    Defaults::parse_from(["test", "--allow-privileged", "--steps-role=steps"]).run
});

fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: if asked { default.cases } else { CASES },
        ..default
    }
}

/// A resource with a spec, and the status of an earlier look at it.
fn resource(name: &str, spec: &Value, status: Option<&Value>) -> Value {
    let mut object = json!({
        "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
        "metadata": {"name": name, "namespace": "lab", "uid": "u-1", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
    });
    if let Some(status) = status {
        object["status"] = status.clone();
    }
    object
}

/// Names as the API server admits them.
fn names() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?){0,2}"
}

fn config_maps(text: &str) -> BTreeMap<String, Option<ConfigMap>> {
    let present: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "present"},
        "data": {"a": text, "main.cwl": text, "a.cwl": text, "streamflow.yml": text},
    }))
    .unwrap();
    BTreeMap::from([("present".to_owned(), Some(present))])
}

/// The Job of the current attempt.
#[derive(Clone, Debug)]
enum Attempt {
    Never,
    Gone,
    There(Value),
}

/// What is known of a resource at some moment, beside the resource.
#[derive(Clone, Debug)]
struct Moment {
    seconds: i64,
    deleting: bool,
    finalizer: bool,
    job: Attempt,
    pod: Option<Value>,
    progress: Option<Value>,
    trouble: Option<String>,
    text: String,
}

/// Before anything was started.
fn beginnings() -> impl Strategy<Value = Moment> {
    (
        prop_oneof![4 => 0_i64..2, 1 => 0_i64..100_000],
        cwl::document(),
        cwl::inputs(),
        0..3,
    )
        .prop_map(|(seconds, document, inputs, which)| Moment {
            seconds,
            deleting: false,
            finalizer: false,
            job: Attempt::Never,
            pod: None,
            progress: None,
            trouble: None,
            text: match which {
                0 => inputs.to_string(),
                1 => serde_yaml::to_string(&document).unwrap(),
                _ => document.to_string(),
            },
        })
}

fn moments() -> impl Strategy<Value = Moment> {
    (
        -5_i64..5000,
        any::<bool>(),
        any::<bool>(),
        prop_oneof![
            2 => Just(Attempt::Never),
            2 => Just(Attempt::Gone),
            6 => seen::job().prop_map(Attempt::There),
        ],
        seldom(7, seen::pod()),
        seldom(4, seen::progress()),
        seldom(2, name()),
    )
        .prop_map(
            |(seconds, deleting, finalizer, job, pod, progress, trouble)| Moment {
                seconds,
                deleting,
                finalizer,
                job,
                pod,
                progress,
                trouble,
                text: String::new(),
            },
        )
}

fn observed<'a>(
    workflow: &'a DvreWorkflow,
    status: DvreWorkflowStatus,
    moment: &Moment,
) -> Observed<'a> {
    let created: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let job = match &moment.job {
        Attempt::Never => JobState::None,
        Attempt::Gone => JobState::Vanished,
        Attempt::There(job) => JobState::Live(Arc::new(
            serde_json::from_value::<Job>(job.clone()).unwrap(),
        )),
    };
    let pod = moment.pod.clone();
    let pod: Option<Arc<Pod>> = pod.map(|pod| Arc::new(serde_json::from_value(pod).unwrap()));
    let outcome = pod
        .as_ref()
        .and_then(|pod| Outcome::parse(pod::terminated(pod)?.message.as_deref()?));
    Observed {
        workflow,
        uid: "u-1",
        deleting: moment.deleting,
        status,
        job,
        pod,
        outcome,
        progress: moment
            .progress
            .clone()
            .and_then(|record| Some(Arc::new(serde_json::from_value(record).ok()?))),
        trouble: moment.trouble.clone().map(|message| Trouble {
            reason: dvre_operator::api::Reason::ChildRefused,
            message,
        }),
        finalizer: moment.finalizer,
        clean_up: None,
        clean_up_refused: None,
        config_maps: config_maps(&moment.text),
        written: None,
        resumed: None,
        now: created + jiff::SignedDuration::from_secs(moment.seconds),
        settings: &SETTINGS,
    }
}

/// How many looks a resource may take until nothing is written any more while nothing happens to it.
const LOOKS: usize = 4;

/// Looks at a resource until its status stays as it is, and checks what comes of each look.
fn look(workflow: &DvreWorkflow, moment: &Moment) -> Result<(), TestCaseError> {
    let mut moment = moment.clone();
    let mut current = workflow.status.clone().unwrap_or_default();
    for _ in 0..LOOKS {
        let seen = observed(workflow, current.clone(), &moment);
        let decided = plan(&seen);
        prop_assert_eq!(format!("{decided:?}"), format!("{:?}", plan(&seen)));
        if let Plan::Launch(run) = &decided {
            launched(run)?;
        }
        let Some(written) = status(&seen, &decided) else {
            return Ok(());
        };
        told(&written)?;
        prop_assert_eq!(Some(written.clone()), status(&seen, &decided));
        if written == current {
            return Ok(());
        }
        if written.attempt != current.attempt && written.job_name.is_none() {
            // The next attempt has no Job yet.
            (moment.job, moment.pod) = (Attempt::Never, None);
        }
        current = written;
    }
    Err(TestCaseError::fail(format!(
        "there is no end of it: {current:?}"
    )))
}

/// What every status must be.
fn told(status: &DvreWorkflowStatus) -> Result<(), TestCaseError> {
    let json = serde_json::to_string(status).expect("a status serialises");
    prop_assert!(json.len() <= MAX_STATUS_BYTES, "{} bytes", json.len());
    let refusal = schema::refusal(&serde_json::to_value(status).expect("a status serialises"));
    prop_assert_eq!(refusal, None, "the API server would refuse it");
    let message = status.message.as_deref().unwrap_or_default();
    prop_assert!(!message.is_empty(), "nothing is said: {status:?}");
    let conditions = status.conditions.iter().map(|one| one.message.as_str());
    for text in conditions.chain([message]) {
        prop_assert!(text.len() <= MAX_MESSAGE_BYTES, "{text}");
    }
    prop_assert!(status.phase.is_some() && status.reason.is_some());
    prop_assert!(
        serde_json::from_str::<DvreWorkflowStatus>(&json).is_ok(),
        "it can be read again"
    );
    Ok(())
}

/// What every run that starts must be.
fn launched(run: &render::Run) -> Result<(), TestCaseError> {
    let objects = render::objects(run);
    prop_assert_eq!(&objects, &render::objects(run));
    let name = objects.job.metadata.name.as_deref().unwrap_or_default();
    prop_assert!((1..=63).contains(&name.len()), "{name}");
    let map = serde_json::to_string(&objects.config_map).expect("a ConfigMap serialises");
    let data: usize = objects
        .config_map
        .data
        .iter()
        .flatten()
        .map(|(key, text)| key.len() + text.len())
        .sum();
    prop_assert!(data <= 1 << 20, "{data} bytes in a ConfigMap");
    prop_assert!(!map.is_empty());
    let job = serde_json::to_string(&objects.job).expect("a Job serialises");
    prop_assert!(serde_json::from_str::<Job>(&job).is_ok());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// Whatever the schema admits can be read, and is run or refused.
    #[test]
    fn what_the_schema_admits(name in names(), spec in schema::spec(), moment in beginnings()) {
        let workflow = serde_json::from_value::<DvreWorkflow>(resource(&name, &spec, None));
        let workflow = workflow.map_err(|error| TestCaseError::fail(format!("{error}: {spec}")))?;
        look(&workflow, &moment)?;
    }

    /// What it does not admit may still be there, written under an earlier definition.
    #[test]
    fn what_the_schema_would_refuse(name in names(), spec in spoiled(schema::spec()), moment in beginnings()) {
        let text = resource(&name, &spec, None).to_string();
        let guarded: Guarded = serde_json::from_str(&text).expect("a watch goes on");
        match guarded.object {
            Ok(workflow) => look(&workflow, &moment)?,
            Err(why) => prop_assert!(!why.is_empty()),
        }
    }

    /// Whatever an earlier operator wrote, and whatever Job and pod there are.
    #[test]
    fn whatever_is_seen_of_a_run(spec in schema::spec(), status in schema::status(), moment in moments()) {
        let workflow = serde_json::from_value::<DvreWorkflow>(resource("w", &spec, Some(&status)));
        let workflow = workflow.map_err(|error| TestCaseError::fail(format!("{error}: {status}")))?;
        look(&workflow, &moment)?;
    }

    /// The status itself can be spoiled by whoever may write it.
    #[test]
    fn whatever_stands_in_status(status in spoiled(schema::status()), moment in moments(), now in times()) {
        let mut object = resource("w", &json!({"cwl": {}}), Some(&status));
        object["metadata"]["creationTimestamp"] = Value::from(now);
        let guarded: Guarded = serde_json::from_str(&object.to_string()).expect("a watch goes on");
        if let Ok(workflow) = guarded.object {
            let first = observed(&workflow, workflow.status.clone().unwrap_or_default(), &moment);
            let _ = status_of(&first);
        }
    }

    #[test]
    fn a_file_for_the_command_line(spec in prop_oneof![3 => schema::spec(), 1 => spoiled(schema::spec()).boxed()]) {
        let text = resource("w", &spec, None).to_string();
        let rendered = offline::render(&text, &SETTINGS);
        prop_assert_eq!(&rendered, &offline::render(&text, &SETTINGS));
        match rendered {
            Ok(objects) => prop_assert!(objects.contains("kind: Job")),
            Err(why) => prop_assert!(!why.is_empty()),
        }
    }
}

fn status_of(observed: &Observed<'_>) -> Option<DvreWorkflowStatus> {
    status(observed, &plan(observed))
}
