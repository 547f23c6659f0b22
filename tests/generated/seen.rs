//! Jobs and pods as the cluster may show them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::schema::times;
use crate::words::{anything, name, number, object, seldom};

/// A Job of an attempt: under way, stopped, over, or all at once.
pub fn job() -> impl Strategy<Value = Value> {
    let condition = (
        select(vec!["Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet", "Other"]),
        select(vec!["True", "False", "Unknown"]),
        select(vec!["BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", ""]),
        name(),
    )
        .prop_map(|(kind, status, reason, message)| {
            json!({"type": kind, "status": status, "reason": reason, "message": message})
        });
    let stopped = prop_oneof![
        (
            select(vec!["Cancelled", "Suspended", "Failed", "Running"]),
            select(vec!["Cancelled", "DeadlineExceeded", "Nonsense"]),
            name()
        )
            .prop_map(|(phase, reason, message)| {
                json!({"phase": phase, "reason": reason, "message": message}).to_string()
            }),
        name(),
        anything().prop_map(|value| value.to_string()),
    ];
    (vec(condition, 0..3), seldom(4, stopped), seldom(2, any::<bool>()), times(), seldom(2, times())).prop_map(
        |(conditions, stopped, suspend, created, started)| {
            let mut job = json!({
                "metadata": {"name": "w-1", "namespace": "lab", "uid": "j-1", "creationTimestamp": created},
                "spec": {"suspend": suspend, "template": {}},
                "status": {"conditions": conditions, "startTime": started},
            });
            if let Some(stopped) = stopped {
                job["metadata"]["annotations"] = json!({ "dvre.io/stopped": stopped });
            }
            job
        },
    )
}

/// The pod of a runner, at whatever moment.
pub fn pod() -> impl Strategy<Value = Value> {
    let reason = select(vec![
        "Evicted",
        "OOMKilled",
        "Error",
        "Completed",
        "ImagePullBackOff",
        "ErrImagePull",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "ContainerCreating",
        "NodeLost",
        "Preempting",
        "",
    ]);
    let ended = (any::<i32>(), reason.clone(), message(), times(), times()).prop_map(|(code, reason, message, started, finished)| {
        json!({"terminated": {"exitCode": code, "reason": reason, "message": message, "startedAt": started, "finishedAt": finished}})
    });
    let state = prop_oneof![
        2 => Just(json!({})),
        1 => times().prop_map(|time| json!({"running": {"startedAt": time}})),
        2 => (reason.clone(), name()).prop_map(|(reason, message)| json!({"waiting": {"reason": reason, "message": message}})),
        4 => ended,
    ];
    let container = (select(vec!["runner", "docker", "other"]), state).prop_map(|(name, state)| {
        json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state})
    });
    let condition = (select(vec!["PodScheduled", "DisruptionTarget", "Ready", "PodReadyToStartContainers"]), select(vec!["True", "False"]), reason, name())
        .prop_map(|(kind, status, reason, message)| json!({"type": kind, "status": status, "reason": reason, "message": message}));
    (
        select(vec!["Pending", "Running", "Succeeded", "Failed", "Unknown", "Strange"]),
        vec(container.clone(), 0..3),
        vec(container, 0..2),
        vec(condition, 0..3),
        times(),
        seldom(2, times()),
    )
        .prop_map(|(phase, containers, first, conditions, created, deleted)| {
            json!({
                "metadata": {"name": "w-1-abcde", "namespace": "lab", "uid": "p-1", "creationTimestamp": created, "deletionTimestamp": deleted},
                "status": {"phase": phase, "containerStatuses": containers, "initContainerStatuses": first, "conditions": conditions},
            })
        })
}

fn steps() -> impl Strategy<Value = Value> {
    let count = || prop_oneof![8 => 0_u64..9, 1 => any::<u64>()];
    vec((name(), count(), count(), name()), 0..200).prop_map(|steps| {
        let steps = steps.into_iter().map(|(name, completed, total, message)| {
            json!({"name": name, "phase": "Failed", "completed": completed, "total": total, "message": message})
        });
        Value::Array(steps.collect())
    })
}

/// What a runner tells while it runs.
pub fn progress() -> impl Strategy<Value = Value> {
    let stage = select(vec!["Staging", "Running", "Collecting", "Later"]);
    (stage, any::<u64>(), any::<u64>(), 0_usize..5000, steps()).prop_map(
        |(stage, completed, total, count, steps)| {
            json!({
                "time": "2026-01-01T00:00:00Z", "stage": stage, "completed": completed, "total": total,
                "stepCount": count, "steps": steps,
            })
        },
    )
}

/// What a runner leaves as its last words: a record, or something like one.
fn message() -> impl Strategy<Value = String> {
    let record = (
        select(vec!["Succeeded", "Failed", "Cancelled", "Later"]),
        select(vec!["Completed", "StepFailed", "OutOfMemory", "Evicted", "Later"]),
        name(),
        number(),
        steps(),
        object(name(), anything()),
        any::<bool>(),
    )
        .prop_map(|(phase, reason, message, count, steps, outputs, truncated)| {
            json!({
                "version": 1, "phase": phase, "reason": reason, "message": message.repeat(3), "completed": count, "total": count,
                "stepCount": count, "steps": steps, "outputs": outputs, "outputsTruncated": truncated,
            })
            .to_string()
        });
    prop_oneof![6 => record, 1 => name(), 1 => anything().prop_map(|value| value.to_string())]
}
