//! One scenario, played once: in a namespace with an operator and a proxy of its own, with a fault or
//! without.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use dvre_operator::api::{DvreWorkflow, DvreWorkflowStatus, Phase, Reason};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, ListParams};
use kube::runtime::wait::await_condition;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::faults::Planned;
use crate::journal::{Entry, Journal};
use crate::namespace::Namespace;
use crate::oracle::{self, End};
use crate::process::Process;
use crate::proxy::Proxy;
use crate::scenario::Scenario;
use crate::stream::Gates;
use crate::world::World;

/// Longest time that a case may take: far more than it does.
pub const LIMIT: Duration = Duration::from_mins(3);
/// No request for so long means that the operator has done what it has to do for now.
const QUIET: Duration = Duration::from_millis(300);
/// The same where nobody knows what is to come.
const LONG_QUIET: Duration = Duration::from_millis(1500);
/// How often it is looked whether all is as wanted, or gone.
pub const LOOK: Duration = Duration::from_millis(200);
/// How long the end may take to become that of a clean run, after what happened last.
const PATIENCE: Duration = Duration::from_mins(1);

/// The watches of an operator.
pub const WATCHES: [&str; 4] = [
    "watch dvreworkflows active",
    "watch dvreworkflows finished",
    "watch jobs",
    "watch pods",
];

/// What went wrong, in words.
pub type Outcome<T = ()> = Result<T, String>;

/// The stage of a scenario.
pub struct Case {
    pub namespace: Namespace,
    proxy: Proxy,
    /// How many requests there were before the first resource.
    idle: OnceLock<usize>,
}

/// A case that was played to its end.
#[derive(Debug, Default)]
pub struct Played {
    pub end: End,
    /// How many Jobs and pods were ever created.
    pub counts: Vec<String>,
    pub entries: Vec<Entry>,
    /// How many of these came before there was any resource.
    pub idle: usize,
    /// Whether the planned fault struck.
    pub struck: bool,
    /// What must never be.
    pub broken: Vec<String>,
    /// Requests and the operator's log, for whoever looks for the cause of a failure.
    pub story: String,
}

/// Plays a scenario, waits until its end is as wanted, and removes what it has made.
pub async fn play(
    world: &World,
    scenario: &Scenario,
    planned: Option<Planned>,
    wanted: impl Fn(&End) -> bool,
) -> Outcome<Played> {
    let namespace = world.namespace().await;
    let proxy = Proxy::new(
        world.upstream.clone(),
        &namespace.name,
        &world.arguments_with(scenario.arguments),
        planned.clone(),
    )
    .await;
    let case = Case {
        namespace,
        proxy,
        idle: OnceLock::new(),
    };
    let played = case.play(world, scenario, planned.as_ref(), wanted).await;
    match played {
        Ok(played) => {
            drop(case.proxy);
            world.put_back(case.namespace);
            Ok(played)
        }
        Err(what) => Err(format!("{what}\n{}", case.story())),
    }
}

impl Case {
    async fn play(
        &self,
        world: &World,
        scenario: &Scenario,
        planned: Option<&Planned>,
        wanted: impl Fn(&End) -> bool,
    ) -> Outcome<Played> {
        let refused = planned.is_some_and(|plan| plan.fault.refuses(&plan.at.request));
        let play = async {
            let driven = (scenario.drive)(self).await;
            if refused && self.journal().struck() {
                self.refused(planned).await?;
            } else {
                driven?;
            }
            let pause = if planned.is_some() { QUIET } else { LONG_QUIET };
            self.journal().settled(pause).await;
            let limit = Instant::now() + PATIENCE;
            let mut end = self.end().await?;
            while !refused && !wanted(&end) && Instant::now() < limit {
                tokio::time::sleep(LOOK).await;
                end = self.end().await?;
            }
            self.clear().await?;
            let ended = self.process().has_ended();
            self.proxy.end().await;
            self.leave().await?;
            let seen = world.recorder.take(&self.namespace.name).await;
            let mut broken = oracle::broken(&seen);
            if !planned.is_some_and(|plan| plan.fault.is_late()) {
                broken.extend(seen.relapses.clone());
                broken.extend(seen.late.iter().map(|job| format!("Job {job} came late")));
            }
            if self.process().log().contains("panicked at") {
                broken.push("the operator panicked".to_owned());
            }
            if ended {
                broken.push("the operator ended by itself".to_owned());
            }
            Ok(Played {
                end,
                counts: seen.counts(),
                entries: self.journal().entries(),
                idle: self.idle.get().copied().unwrap_or_default(),
                struck: self.journal().struck(),
                broken,
                story: self.story(),
            })
        };
        match tokio::time::timeout(LIMIT, play).await {
            Ok(played) => played,
            Err(_) => Err(format!("not at its end after {} s", LIMIT.as_secs())),
        }
    }

    pub fn journal(&self) -> &Journal {
        self.proxy.journal()
    }

    pub fn process(&self) -> &Process {
        self.proxy.process()
    }

    pub fn gates(&self) -> &Gates {
        self.proxy.gates()
    }

    /// Starts the operator, and waits until it watches.
    pub async fn start(&self) {
        self.process().start();
        let watches = |entries: &[Entry]| {
            let seen = |watch| entries.iter().any(|e| e.at.request.to_string() == watch);
            WATCHES.into_iter().all(seen)
        };
        self.journal().until(watches).await;
    }

    /// Applies a workflow.
    pub async fn apply(&self, name: &str, spec: &Value) -> Outcome {
        self.create(&json!({
            "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
            "metadata": { "name": name }, "spec": spec,
        }))
        .await
    }

    /// Applies any object.
    pub async fn create(&self, object: &Value) -> Outcome {
        if object["kind"] == "DvreWorkflow" {
            self.idle.get_or_init(|| self.journal().entries().len());
        }
        let applied = self.namespace.try_apply(object).await;
        applied.map(drop).map_err(|error| error.to_string())
    }

    /// Waits until a run is as wanted. One that is over in another way is an error.
    pub async fn until(&self, name: &str, wanted: fn(Phase, Reason) -> bool) -> Outcome {
        self.until_status(name, move |status| {
            let state = status.phase.zip(status.reason);
            state.is_some_and(|(phase, reason)| wanted(phase, reason))
        })
        .await
    }

    /// The same for a whole status.
    pub async fn until_status(
        &self,
        name: &str,
        wanted: impl Fn(&DvreWorkflowStatus) -> bool,
    ) -> Outcome {
        let over = |status: &DvreWorkflowStatus| status.phase.is_some_and(Phase::is_final);
        let reached = |run: Option<&DvreWorkflow>| {
            let status = run.and_then(|run| run.status.as_ref());
            status.is_some_and(|status| wanted(status) || over(status))
        };
        let status = self.wait(name, reached).await?.and_then(|run| run.status);
        let status = status.unwrap_or_default();
        if wanted(&status) {
            return Ok(());
        }
        let (phase, reason) = (status.phase, status.reason);
        Err(format!("{name} ended as {phase:?}, {reason:?}"))
    }

    /// Waits until a run is over.
    pub async fn over(&self, name: &str) -> Outcome {
        self.until(name, |phase, _| phase.is_final()).await
    }

    /// Waits until a run's tool may be at work.
    pub async fn running(&self, name: &str) -> Outcome {
        self.until(name, |phase, _| phase == Phase::Running).await
    }

    /// Deletes a run, and waits until nothing is left of it.
    pub async fn delete_all(&self, name: &str) -> Outcome {
        self.delete(name).await?;
        self.nothing_left().await
    }

    /// Deletes a run, and waits until it is gone.
    pub async fn delete(&self, name: &str) -> Outcome {
        let api = self.namespace.api::<DvreWorkflow>();
        let deleted = api.delete(name, &DeleteParams::default()).await;
        deleted.map_err(|error| error.to_string())?;
        self.wait(name, |run: Option<&DvreWorkflow>| run.is_none())
            .await?;
        Ok(())
    }

    /// Waits until an object, or its absence, is as the condition wants it.
    pub async fn wait<K>(
        &self,
        name: &str,
        condition: impl Fn(Option<&K>) -> bool,
    ) -> Outcome<Option<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let waited = await_condition(self.namespace.api::<K>(), name, condition).await;
        waited.map_err(|error| error.to_string())
    }

    async fn refused(&self, planned: Option<&Planned>) -> Outcome {
        // Without a clean-up a run ends as it does, and says so.
        let any = planned.is_some_and(|plan| plan.at.request.cleans_up());
        let api = self.namespace.api::<DvreWorkflow>();
        let runs = api.list(&ListParams::default()).await;
        for run in runs.map_err(|error| error.to_string())? {
            self.until_status(&run.name_any(), |status| {
                let refused = any || status.reason == Some(Reason::ChildRefused);
                status.phase == Some(Phase::Failed) && refused
            })
            .await?;
        }
        Ok(())
    }

    fn story(&self) -> String {
        let (requests, log) = (self.journal().text(), self.process().log());
        format!("--- requests\n{requests}--- operator\n{log}")
    }
}
