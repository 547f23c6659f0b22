//! What a test does with workflows in its namespace, and what it prints when it fails.

use std::ops::Deref;

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use dvre_operator::names;
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use http::Request;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{ApiResource, DynamicObject, ListParams, LogParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;

use crate::namespace::{Namespace, blocking, in_time};

/// Lines of a runner's log that are shown when a test fails.
const LOG_TAIL: i64 = 40;

/// A namespace for workflows, which tells what happened in it when the test fails.
pub struct Sandbox(Namespace);

impl Deref for Sandbox {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.0
    }
}

impl Sandbox {
    /// A namespace under the strictest Pod Security level.
    pub async fn new(purpose: &str) -> Self {
        Self(Namespace::new(purpose, "restricted").await)
    }

    /// A namespace that takes privileged pods.
    pub async fn privileged(purpose: &str) -> Self {
        Self(Namespace::new(purpose, "privileged").await)
    }

    /// Creates a workflow from the YAML of its spec.
    pub async fn submit(&self, name: &str, spec: &str) {
        let spec = serde_yaml::from_str(spec).expect("a spec must be YAML");
        self.submit_spec(name, spec).await;
    }

    /// Creates a workflow from its spec.
    pub async fn submit_spec(&self, name: &str, spec: serde_json::Value) {
        let workflow = json!({
            "apiVersion": "dvre.io/v1alpha1", "kind": "DvreWorkflow",
            "metadata": { "name": name }, "spec": spec,
        });
        self.try_apply(&workflow)
            .await
            .expect("the API server must accept the spec");
    }

    /// Creates a workflow and waits for its end.
    pub async fn run(&self, name: &str, spec: &str) -> DvreWorkflow {
        self.submit(name, spec).await;
        self.finished(name).await
    }

    /// Creates a workflow from its spec and waits for its end.
    pub async fn run_spec(&self, name: &str, spec: serde_json::Value) -> DvreWorkflow {
        self.submit_spec(name, spec).await;
        self.finished(name).await
    }

    /// Waits for the end of a run, whatever it is.
    pub async fn finished(&self, name: &str) -> DvreWorkflow {
        self.until(name, "the run is over", |run| {
            phase(run).is_some_and(Phase::is_final)
        })
        .await
    }

    /// Waits until a run is in a phase, and fails when it is over before.
    pub async fn reaches(&self, name: &str, wanted: Phase) -> DvreWorkflow {
        let what = format!("{name} is {}", wanted.as_str());
        let run = self
            .until(name, &what, |run| {
                phase(run).is_some_and(|phase| phase == wanted || phase.is_final())
            })
            .await;
        assert_eq!(phase(&run), Some(wanted), "{:?}", run.status);
        run
    }

    /// Waits until status gives a reason, and fails when the run is over before.
    pub async fn says(&self, name: &str, wanted: Reason) -> DvreWorkflow {
        let what = format!("{name} says {wanted}");
        let run = self
            .until(name, &what, |run| {
                reason(run) == Some(wanted) || phase(run).is_some_and(Phase::is_final)
            })
            .await;
        assert_eq!(reason(&run), Some(wanted), "{:?}", run.status);
        run
    }

    /// Waits until a workflow is as the condition wants it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(&DvreWorkflow) -> bool,
    ) -> DvreWorkflow {
        self.wait(name, what, |run: Option<&DvreWorkflow>| {
            run.is_some_and(&condition)
        })
        .await
        .expect("the condition holds for an object only")
    }

    /// Waits until a run failed that this client may not be able to read, and returns its text.
    pub async fn failed_unread(&self, name: &str) -> String {
        let address = self.api::<DvreWorkflow>().resource_url().to_owned();
        let failed = format!("fieldSelector=metadata.name%3D{name},status.phase%3DFailed");
        let request = Request::get(format!("{address}?watch=true&{failed}")).body(Vec::new());
        let request = request.expect("a request must be well-formed");
        let first = async {
            let events = self.client.request_stream(request).await?;
            Ok(events.lines().try_next().await)
        };
        let first: kube::Result<_> = in_time(&format!("{name} failed"), first).await;
        let line = first
            .expect("the API server must answer")
            .expect("a watch must be readable");
        line.expect("a watch does not end")
    }

    /// The runner's pod of the first attempt, once there is one that is as the condition wants it.
    pub async fn pod(&self, run: &str, what: &str, condition: impl Fn(&Pod) -> bool) -> Pod {
        let selector = format!("batch.kubernetes.io/job-name={}", names::job(run, 1));
        self.labelled(&selector, what, condition).await
    }

    /// The first pod with a label that is as the condition wants it.
    pub async fn labelled(
        &self,
        selector: &str,
        what: &str,
        condition: impl Fn(&Pod) -> bool,
    ) -> Pod {
        let pods = watcher::Config::default().labels(selector);
        first(self.api::<Pod>(), pods, what, condition).await
    }

    /// The log of the runner of the first attempt.
    pub async fn log(&self, run: &str) -> String {
        let pod = self.pod(run, "a pod of the run", |_| true).await;
        let log = self
            .api::<Pod>()
            .logs(&pod.name_any(), &LogParams::default())
            .await;
        log.expect("the log must be readable")
    }

    /// The image of the runner of the first attempt.
    pub async fn runner_image(&self, run: &str) -> String {
        let pod = self.pod(run, "the runner's pod", |_| true).await;
        let spec = pod.spec.expect("a pod has a spec");
        spec.containers[0].image.clone().unwrap_or_default()
    }

    /// What a script prints in a pod that sees a claim.
    pub async fn on_claim(&self, claim: &str, image: &str, script: &str) -> String {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "reader" },
            "spec": {
                "restartPolicy": "Never",
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "reader",
                    "image": image,
                    "command": ["sh", "-c", script],
                    "workingDir": "/claim",
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                    },
                    "volumeMounts": [{ "name": "claim", "mountPath": "/claim" }],
                }],
                "volumes": [{ "name": "claim", "persistentVolumeClaim": { "claimName": claim } }],
            },
        });
        self.try_apply(&pod).await.expect("the pod is right");
        let is_over = |pod: Option<&Pod>| {
            let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
            matches!(phase, Some("Succeeded" | "Failed"))
        };
        self.wait("reader", "the reader has read", is_over).await;
        let log = self
            .api::<Pod>()
            .logs("reader", &LogParams::default())
            .await;
        log.expect("the log must be readable")
    }

    /// Waits until a tool of a run is at work: the runner's log tells of its command.
    pub async fn in_step(&self, run: &str) {
        self.reaches(run, Phase::Running).await;
        let pod = self.pod(run, "the runner's pod", |_| true).await;
        let follow = LogParams {
            follow: true,
            ..LogParams::default()
        };
        let log = self.api::<Pod>().log_stream(&pod.name_any(), &follow).await;
        let lines = log.expect("the log must be readable").lines();
        let search = lines.try_any(|line| {
            let at_work = line.contains("EXECUTING step") || line.contains("] INFO [job ");
            std::future::ready(at_work)
        });
        let found = in_time("a tool is at work", search).await;
        assert!(
            found.expect("the log must be readable"),
            "the log ended before any tool was at work"
        );
    }

    /// Waits for the Event of a milestone of the first attempt.
    pub async fn event(&self, run: &DvreWorkflow, reason: &str) -> Event {
        let uid = run.uid().unwrap_or_default();
        let name = names::event(&run.name_any(), &uid, reason, 1);
        let what = format!("Event {reason}");
        let event = self
            .wait(&name, &what, |event: Option<&Event>| event.is_some())
            .await;
        event.expect("it was waited for")
    }

    /// Reasons of all Events of a run, in alphabetical order.
    pub async fn event_reasons(&self, run: &DvreWorkflow) -> Vec<String> {
        let field = format!("involvedObject.uid={}", run.uid().unwrap_or_default());
        let events: Vec<Event> = self.list(&ListParams::default().fields(&field)).await;
        let mut reasons: Vec<String> = events
            .into_iter()
            .filter_map(|event| event.reason)
            .collect();
        reasons.sort();
        reasons
    }

    /// Names of a run's children of a kind, in alphabetical order. They are found by label, and each
    /// must name its controller as owner.
    pub async fn children<K>(&self, run: &DvreWorkflow) -> Vec<String>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        let selector = format!("{}={}", names::WORKFLOW_UID, run.uid().unwrap_or_default());
        let children: Vec<K> = self.list(&ListParams::default().labels(&selector)).await;
        for child in &children {
            let owned = child
                .owner_references()
                .iter()
                .any(|owner| owner.controller == Some(true));
            assert!(owned, "{child:?} has no controller");
        }
        let mut names: Vec<String> = children.iter().map(ResourceExt::name_any).collect();
        names.sort();
        names
    }

    /// All that the parts of the cluster say of this namespace: status, Events, ConfigMaps, Jobs and
    /// pods, as JSON.
    pub async fn everything(&self) -> String {
        let all = ListParams::default();
        let parts = [
            serde_json::to_string(&self.list::<DvreWorkflow>(&all).await),
            serde_json::to_string(&self.list::<Event>(&all).await),
            serde_json::to_string(&self.list::<ConfigMap>(&all).await),
            serde_json::to_string(&self.list::<Job>(&all).await),
            serde_json::to_string(&self.list::<Pod>(&all).await),
        ];
        parts
            .map(|part| part.expect("what came as JSON is JSON"))
            .join("\n")
    }

    pub async fn list<K>(&self, params: &ListParams) -> Vec<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        self.api::<K>()
            .list(params)
            .await
            .expect("lists must be readable")
            .items
    }
}

/// The first object of a watch that is as the condition wants it.
async fn first<K>(
    api: Api<K>,
    config: watcher::Config,
    what: &str,
    condition: impl Fn(&K) -> bool,
) -> K
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let found = watcher(api, config).applied_objects();
    let found = found.try_filter(|object| std::future::ready(condition(object)));
    let mut found = std::pin::pin!(found);
    let next = in_time(what, found.next()).await;
    next.expect("a watch does not end")
        .expect("the API server must be reachable")
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let namespace = self.name.clone();
            blocking(async move { describe(Client::try_default().await?, &namespace).await });
        }
    }
}

/// Prints what somebody needs who looks for the cause of a failed test.
async fn describe(client: Client, namespace: &str) -> kube::Result<()> {
    let all = ListParams::default();
    let resource = ApiResource::erase::<DvreWorkflow>(&());
    let runs = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    for run in runs.list(&all).await? {
        let status = serde_yaml::to_string(&run.data["status"]).unwrap_or_default();
        eprintln!("--- {namespace}/{}\n{status}", run.name_any());
    }
    eprintln!("--- events");
    for event in Api::<Event>::namespaced(client.clone(), namespace)
        .list(&all)
        .await?
    {
        let (name, reason, message) = (event.involved_object.name, event.reason, event.message);
        let text = [name, reason, message]
            .map(Option::unwrap_or_default)
            .join("  ");
        eprintln!("{text}");
    }
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    for pod in pods.list(&all).await? {
        let status = pod.status.clone().unwrap_or_default();
        let containers = serde_json::to_string(&status.container_statuses).unwrap_or_default();
        eprintln!("--- pod {} {:?} {containers}", pod.name_any(), status.phase);
        let tail = LogParams {
            tail_lines: Some(LOG_TAIL),
            ..LogParams::default()
        };
        match pods.logs(&pod.name_any(), &tail).await {
            Ok(log) => eprintln!("{log}"),
            Err(error) => eprintln!("no log: {error}"),
        }
    }
    Ok(())
}

pub fn phase(run: &DvreWorkflow) -> Option<Phase> {
    run.status.as_ref()?.phase
}

pub fn reason(run: &DvreWorkflow) -> Option<Reason> {
    run.status.as_ref()?.reason
}
