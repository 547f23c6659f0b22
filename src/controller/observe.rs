//! IO: gathers what the plan needs. In the ordinary course everything comes from the watches; the API
//! server is asked only for what they cannot tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{Api, ResourceExt};

use super::children::owner_uid;
use super::finalizer;
use super::memory::Remembered;
use super::plan::since;
use super::pod::{self, Trouble};
use super::references;
use super::steer;
use super::{Context, Error};
use crate::api::{DvreWorkflow, DvreWorkflowStatus, Phase};
use crate::names;
use crate::runner::record::{Outcome, Progress};
use crate::settings::RunSettings;

mod evidence;

use evidence::{Patience, is_interrupted, outcome, pod_of, reported};

/// How long a pod may take to show itself, or to set up its volumes, before events are asked why.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of a resource and its run at one moment.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The resource.
    pub workflow: &'a DvreWorkflow,
    /// Its uid.
    pub uid: &'a str,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its status as last written by us or, when we wrote none yet, as last read.
    pub status: DvreWorkflowStatus,
    /// The current attempt's Job.
    pub job: JobState,
    /// That Job's pod.
    pub pod: Option<Arc<Pod>>,
    /// What the runner recorded at its end.
    pub outcome: Option<Outcome>,
    /// What is to be told of the progress of a runner that runs; None when nothing is known.
    pub progress: Option<Arc<Progress>>,
    /// What events say of a pod that does not start.
    pub trouble: Option<Trouble>,
    /// Whether the resource holds our finalizer.
    pub finalizer: bool,
    /// The Job that cleans up after the run.
    pub clean_up: Option<Arc<Job>>,
    /// Why the API server refused that Job.
    pub clean_up_refused: Option<String>,
    /// The ConfigMaps that the spec reads, by name; None for one that does not exist. Filled only
    /// before the start.
    pub config_maps: BTreeMap<String, Option<ConfigMap>>,
    /// How long ago we wrote that status.
    pub written: Option<Duration>,
    /// When the run was first seen not to be suspended any more.
    pub resumed: Option<Timestamp>,
    /// When this was.
    pub now: Timestamp,
    /// What the operator decides.
    pub settings: &'a RunSettings,
}

/// The Job of the current attempt.
#[derive(Debug)]
pub enum JobState {
    /// Never created.
    None,
    /// There.
    Live(Arc<Job>),
    /// Created once, and gone.
    Vanished,
}

impl Observed<'_> {
    /// Number of the current attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> i32 {
        self.status.attempt.unwrap_or(1)
    }

    /// Number of the attempt after it.
    #[must_use]
    pub fn next_attempt(&self) -> i32 {
        self.attempt().saturating_add(1)
    }

    /// Name of its Job.
    #[must_use]
    pub fn job_name(&self) -> String {
        names::job(&self.workflow.name_any(), self.attempt())
    }

    /// How long the current attempt could have been started already.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let waited = self.now.duration_since(steer::waiting_since(self));
        Duration::try_from(waited).unwrap_or_default()
    }

    /// How long an attempt may take until its engine runs.
    #[must_use]
    pub fn start_deadline(&self) -> Duration {
        self.settings
            .start_deadline(self.workflow.spec.start_deadline_seconds)
    }
}

/// Observes a resource.
pub async fn observe<'a>(
    context: &'a Context,
    workflow: &'a DvreWorkflow,
    remembered: Remembered,
) -> Result<Observed<'a>, Error> {
    let status = remembered
        .status
        .or_else(|| workflow.status.clone())
        .unwrap_or_default();
    let mut observed = Observed {
        workflow,
        uid: workflow.metadata.uid.as_deref().unwrap_or_default(),
        deleting: workflow.metadata.deletion_timestamp.is_some(),
        status,
        job: JobState::None,
        pod: None,
        outcome: None,
        progress: None,
        trouble: None,
        finalizer: remembered
            .finalizer
            .unwrap_or_else(|| finalizer::is_held(&workflow.metadata)),
        clean_up: None,
        clean_up_refused: remembered.clean_up_refused,
        config_maps: BTreeMap::new(),
        written: remembered.written.map(|written| written.elapsed()),
        resumed: remembered.resumed,
        now: Timestamp::now(),
        settings: &context.settings.run,
    };
    if observed.status.phase == Some(Phase::Suspended) {
        let held = workflow.spec.suspend == Some(true);
        observed.resumed = (!held).then(|| observed.resumed.unwrap_or(observed.now));
    }
    let is_final = observed.status.phase.is_some_and(Phase::is_final);
    if is_final || (observed.deleting && !observed.finalizer) {
        return Ok(observed);
    }
    let namespace = workflow.namespace().unwrap_or_default();
    let clean_up = names::clean_up(&workflow.name_any(), observed.uid, observed.attempt());
    observed.clean_up = context.jobs.get(&namespace, &clean_up);
    let launched = remembered
        .launched
        .filter(|launched| launched.attempt == observed.attempt());
    let was_launched = launched.is_some() || observed.status.job_name.is_some();
    observed.job = job_state(context, &observed, &namespace, was_launched).await?;
    match &observed.job {
        JobState::None if !observed.deleting => {
            observed.config_maps = config_maps(context, workflow, &namespace).await?;
        }
        JobState::None => {}
        JobState::Live(job) => {
            let age = since(job.metadata.creation_timestamp.as_ref(), observed.now);
            let age = Duration::try_from(age).unwrap_or_default();
            let patience = Patience {
                is_over: age >= PATIENCE,
                is_late: age >= observed.start_deadline(),
            };
            observed.pod = pod_of(context, &namespace, job, patience).await?;
            if age >= PATIENCE {
                let silent = match observed.pod.as_deref() {
                    None => job.metadata.uid.as_deref(),
                    Some(pod) if pod::is_silent(pod) => pod.metadata.uid.as_deref(),
                    Some(_) => None,
                };
                if let Some(uid) = silent {
                    observed.trouble = reported(context, &namespace, uid).await;
                }
            }
        }
        JobState::Vanished => {
            let uid = launched.and_then(|launched| launched.job_uid);
            observed.pod = context.pods.get(&namespace, &uid.unwrap_or_default());
        }
    }
    if let Some(pod) = observed.pod.clone() {
        observed.outcome = outcome(context, &namespace, &pod).await;
    }
    if is_interrupted(&observed) {
        observed.job = current_job(context, &observed, &namespace).await?;
    }
    observed.progress = context.followers.told(workflow, observed.pod.as_deref());
    Ok(observed)
}

async fn job_state(
    context: &Context,
    observed: &Observed<'_>,
    namespace: &str,
    launched: bool,
) -> Result<JobState, Error> {
    let name = observed.job_name();
    let known = context.jobs.get(namespace, &name);
    if let Some(job) = known.filter(|job| is_ours(job, observed)) {
        return Ok(JobState::Live(job));
    }
    if !launched {
        return Ok(JobState::None);
    }
    // Either the watch has not shown the Job yet, or somebody deleted it: only the server knows.
    current_job(context, observed, namespace).await
}

/// The Job of the current attempt, which was created once, as the server knows it.
async fn current_job(
    context: &Context,
    observed: &Observed<'_>,
    namespace: &str,
) -> Result<JobState, Error> {
    let api: Api<Job> = Api::namespaced(context.client.clone(), namespace);
    let found = super::within(api.get_opt(&observed.job_name())).await?;
    Ok(match found {
        Some(job) if is_ours(&job, observed) => JobState::Live(Arc::new(job)),
        _ => JobState::Vanished,
    })
}

fn is_ours(job: &Job, observed: &Observed<'_>) -> bool {
    owner_uid(job, "DvreWorkflow").as_deref() == Some(observed.uid)
}

/// The ConfigMaps that a start reads.
async fn config_maps(
    context: &Context,
    workflow: &DvreWorkflow,
    namespace: &str,
) -> Result<BTreeMap<String, Option<ConfigMap>>, Error> {
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let mut found = BTreeMap::new();
    for reference in references::config_maps(&workflow.spec) {
        let name = reference.name;
        if !found.contains_key(name) && names::is_possible(name) {
            found.insert(name.to_owned(), super::within(api.get_opt(name)).await?);
        }
    }
    Ok(found)
}
