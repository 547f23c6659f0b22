//! IO: what is known of the pod of an attempt, and what the API server is asked where the watches do not
//! say enough.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};

use crate::api::Reason;
use crate::controller::observe::{JobState, Observed};
use crate::controller::pod::{self, Trouble};
use crate::controller::queue::Queue;
use crate::controller::stopped::Stopped;
use crate::controller::{Context, Error, ending, within};
use crate::names;
use crate::runner::record::Outcome;

/// Lines of the log that are read for an outcome that did not fit into the termination message. The
/// container runtime splits long lines into pieces of 16 KiB.
const LOG_TAIL: i64 = 512;

/// The pod of a Job. The watch of pods may be behind that of Jobs, or silent: before a run counts as
/// lost, or as late, the server is asked.
pub async fn pod_of(
    context: &Context,
    namespace: &str,
    job: &Job,
    patience: Patience,
) -> Result<Option<Arc<Pod>>, Error> {
    let uid = job.metadata.uid.as_deref().unwrap_or_default();
    let pod = context.pods.get(namespace, uid);
    if !is_doubtful(pod.as_deref(), job, patience) {
        return Ok(pod);
    }
    let api: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let params = ListParams::default().labels(&format!("{}={uid}", names::JOB_UID));
    let found = within(api.list(&params)).await?;
    let newest = |pod: &Pod| pod.metadata.creation_timestamp.clone();
    Ok(found.items.into_iter().max_by_key(newest).map(Arc::new))
}

/// How long a runner has not shown itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// Longer than a watch is behind.
    pub is_over: bool,
    /// As long as a start may take.
    pub is_late: bool,
}

/// Whether what the watch says of a pod would end a run that may be well.
fn is_doubtful(pod: Option<&Pod>, job: &Job, patience: Patience) -> bool {
    let over = ending::without_pod(job).is_some();
    let late = patience.is_late && Queue::of(job) != Queue::Held;
    let active = job.status.as_ref().and_then(|status| status.active);
    match pod {
        None => over || late || patience.is_over && active > Some(0),
        Some(pod) => {
            !pod::is_over(pod)
                && (ending::finished(job).is_some() || late && pod::running_since(pod).is_none())
        }
    }
}

/// Whether an attempt seems to have ended before its run did. The watch of pods may be ahead of that of
/// Jobs, which would show that the operator itself ended it, or that a queue took it back.
pub fn is_interrupted(observed: &Observed<'_>) -> bool {
    let (JobState::Live(job), Some(pod)) = (&observed.job, observed.pod.as_deref()) else {
        return false;
    };
    (pod::is_over(pod) || pod::is_lost(pod, observed.now))
        && Stopped::of(job).is_none()
        && Queue::of(job).admits(pod)
        && ending::of_itself(observed).is_none()
}

/// The runner's record, from the termination message or, where it did not fit there, from the log.
pub async fn outcome(context: &Context, namespace: &str, pod: &Pod) -> Option<Outcome> {
    let outcome = Outcome::parse(pod::terminated(pod)?.message.as_deref()?)?;
    if !outcome.outputs_truncated && !outcome.steps_truncated {
        return Some(outcome);
    }
    let api: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let params = LogParams {
        container: Some(names::RUNNER_CONTAINER.to_owned()),
        tail_lines: Some(LOG_TAIL),
        ..LogParams::default()
    };
    match within(api.logs(&pod.name_any(), &params)).await {
        Ok(log) => Outcome::from_log(&log).or(Some(outcome)),
        Err(error) => {
            tracing::warn!(%error, "the runner's log with the whole outcome cannot be read");
            Some(outcome)
        }
    }
}

/// The last warning about an object that tells why a pod does not come up. Without the permission to
/// read events a start is only less well explained.
pub async fn reported(context: &Context, namespace: &str, uid: &str) -> Option<Trouble> {
    let api: Api<Event> = Api::namespaced(context.client.clone(), namespace);
    let params = ListParams::default()
        .fields(&format!("involvedObject.uid={uid},type=Warning"))
        .limit(50);
    let events = within(api.list(&params)).await.ok()?;
    let troubles = events.items.into_iter().rev().filter_map(|event| {
        let message = event.message?;
        let reason = match event.reason.as_deref()? {
            "FailedCreate" if message.contains("exceeded quota") => Reason::QuotaExceeded,
            "FailedCreate" => Reason::ChildRefused,
            "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox" => {
                Reason::RunnerNotReady
            }
            _ => return None,
        };
        Some(Trouble { reason, message })
    });
    // A kubelet that is busy, or has just begun, says this of volumes that it mounts a moment later.
    troubles.min_by_key(|trouble| trouble.message.contains("failed to sync"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Phase;
    use crate::controller::fixtures::{context, ended, hello, job, pod, runner, with_pod};

    const EARLY: Patience = Patience {
        is_over: false,
        is_late: false,
    };
    const WAITED: Patience = Patience {
        is_over: true,
        is_late: false,
    };
    const LATE: Patience = Patience {
        is_over: true,
        is_late: true,
    };

    #[rstest]
    #[case::under_way(json!({"active": 1}), EARLY, 0)]
    #[case::without_any(json!({}), WAITED, 0)]
    #[case::that_is_there(json!({"active": 1}), WAITED, 1)]
    #[case::late(json!({}), LATE, 1)]
    #[case::queued(json!({"conditions": [{"type": "Suspended", "status": "True"}]}), LATE, 0)]
    #[case::over(json!({"conditions": [{"type": "Complete", "status": "True"}]}), EARLY, 1)]
    #[tokio::test]
    async fn a_pod_that_no_watch_has_shown_is_asked_for(
        #[case] status: Value,
        #[case] patience: Patience,
        #[case] asked: usize,
    ) {
        let pods = json!({"metadata": {}, "items": [pod(&runner(&json!({})))]});
        let (context, requests) = context(move |_, _| (200, pods.clone()));
        let job = job(json!({ "status": status }));
        let found = pod_of(&context, "lab", &job, patience).await.unwrap();
        assert_eq!(found.is_some(), asked == 1);
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), asked, "{requests:?}");
    }

    #[rstest]
    #[case::running(json!({"running": {"startedAt": "2026-01-01T00:00:02Z"}}), LATE, None, false)]
    #[case::running_although_its_job_is_over(json!({"running": {"startedAt": "2026-01-01T00:00:02Z"}}), LATE, Some("Failed"), true)]
    #[case::being_ended(json!({"running": {"startedAt": "2026-01-01T00:00:02Z"}}), LATE, Some("FailureTarget"), false)]
    #[case::waiting(json!({"waiting": {}}), WAITED, None, false)]
    #[case::waiting_for_long(json!({"waiting": {}}), LATE, None, true)]
    #[case::over(json!({"terminated": {"exitCode": 0}}), LATE, Some("Complete"), false)]
    fn what_would_end_a_run_is_asked_once_more(
        #[case] state: Value,
        #[case] patience: Patience,
        #[case] told: Option<&str>,
        #[case] expected: bool,
    ) {
        let conditions: Vec<Value> = told
            .iter()
            .map(|told| json!({"type": told, "status": "True"}))
            .collect();
        let job = job(json!({"status": {"conditions": conditions}}));
        let pod = pod(&runner(&state));
        assert_eq!(is_doubtful(Some(&pod), &job, patience), expected);
    }

    #[tokio::test]
    async fn what_soon_passes_is_not_told_before_what_does_not() {
        let event = |message: &str| json!({"metadata": {}, "involvedObject": {}, "reason": "FailedMount", "message": message});
        let list = json!({"metadata": {}, "items": [
            event("references non-existent secret key: other"),
            event("secret \"never-created\" not found"),
            event("failed to sync configmap cache: timed out waiting for the condition"),
        ]});
        let (context, _) = context(move |_, _| (200, list.clone()));
        let told = reported(&context, "lab", "u-1").await.unwrap();
        assert_eq!(told.message, "secret \"never-created\" not found");
    }

    #[rstest]
    #[case::deleted(json!({"phase": "Failed"}), json!({}), true)]
    #[case::of_itself(ended(1, "Error", FAILED), json!({}), false)]
    #[case::running(runner(&json!({"running": {}})), json!({}), false)]
    #[case::stopped(json!({"phase": "Failed"}), stopped(), false)]
    #[case::queued(json!({"phase": "Failed"}), json!({"spec": {"suspend": true}}), false)]
    fn an_attempt_that_was_interrupted_is_looked_at_again(
        #[case] status: Value,
        #[case] extra: Value,
        #[case] expected: bool,
    ) {
        let workflow = hello();
        let mut seen = with_pod(&workflow, 30, Some(status));
        seen.job = JobState::Live(Arc::new(job(extra)));
        assert_eq!(is_interrupted(&seen), expected);
    }

    const FAILED: &str = r#"{"version":1,"phase":"Failed","reason":"StepFailed","message":"no"}"#;

    fn stopped() -> Value {
        let stopped = Stopped {
            phase: Phase::Cancelled,
            reason: Reason::Cancelled,
            message: "stopped".to_owned(),
        };
        stopped.patch(&job(json!({})))
    }
}
