//! Names, labels and annotations of the run's children.
//!
//! Children are created under names that follow from the resource alone, so that two operators, or
//! one that was killed in between, can never start a run twice.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Name of this operator: field manager, label values, event source.
pub const OPERATOR: &str = "dvre-operator";
/// Label and annotation with the name of the resource; the label is shortened to fit.
pub const WORKFLOW: &str = "dvre.io/workflow";
/// Label with the uid of the resource.
pub const WORKFLOW_UID: &str = "dvre.io/workflow-uid";
/// Annotation of a Job that the operator stops: why, as JSON. It is written together with the stop,
/// so that a restarted operator knows the reason.
pub const STOPPED: &str = "dvre.io/stopped";
/// Annotation of a Job: how many seconds after the end of its run it is kept.
pub const TTL: &str = "dvre.io/ttl-seconds-after-finished";
/// Name of the volume with a run's documents in its pod.
pub const RUN_VOLUME: &str = "run";
/// Finalizer of a resource whose run may leave something outside of the cluster.
pub const FINALIZER: &str = "dvre.io/clean-up";
/// Label of step pods: the sort that a pod is of.
pub const STEPS: &str = "dvre.io/steps";
/// Label of step pods: whether they may use the network.
pub const NETWORK: &str = "dvre.io/network";
/// Labels of a resource that its Job gets, too, and its step pods: they are those of
/// [Kueue](https://kueue.sigs.k8s.io/docs/reference/labels-and-annotations/).
pub const QUEUE_LABELS: [&str; 2] = ["kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"];
/// Selects the Jobs and pods of this operator.
pub const SELECTOR: &str = "app.kubernetes.io/managed-by=dvre-operator,dvre.io/workflow-uid";
/// Label of a Job's pods: the uid of the Job, written by its controller.
pub const JOB_UID: &str = "batch.kubernetes.io/controller-uid";
/// Name of the container in which the engine runs.
pub const RUNNER_CONTAINER: &str = "runner";

/// Longest name of a Job: the Job controller uses it as a label value.
const JOB_NAME_LIMIT: usize = 63;
/// Longest name of any object.
const NAME_LIMIT: usize = 253;

/// Name of the Job of an attempt: `hello-1`, with a hash in the middle where the name is too long.
#[must_use]
pub fn job(workflow: &str, attempt: i32) -> String {
    let suffix = format!("-{attempt}");
    shorten(workflow, JOB_NAME_LIMIT - suffix.len()) + &suffix
}

/// Name of a ConfigMap of a run: `hello-run-3f2a91c07be4`. It follows from the content, too, as a name
/// that is used again would do harm: a kubelet keeps an immutable ConfigMap, unwatched, as long as any
/// pod on its node uses it, and would start a resource that was created anew with the old workflow; and
/// a Job must never meet a ConfigMap that an earlier attempt made of other documents.
#[must_use]
pub fn config_map(workflow: &str, uid: &str, data: &BTreeMap<String, String>) -> String {
    let mut content = Sha256::new();
    for text in [uid]
        .into_iter()
        .chain(data.iter().flat_map(|(key, text)| [key.as_str(), text]))
    {
        content.update(text.len().to_le_bytes());
        content.update(text);
    }
    format!(
        "{}-run-{}",
        shorten(workflow, NAME_LIMIT - 17),
        hexadecimal(&content.finalize(), 12)
    )
}

/// Name of a run where it goes beyond its namespace: Slurm jobs, folders, containers.
#[must_use]
pub fn outside(uid: &str) -> String {
    format!("dvre-{}", digest(uid, 8))
}

/// Name of the ServiceAccount, and of its binding, with which a run creates its step pods.
#[must_use]
pub fn account(workflow: &str, uid: &str) -> String {
    format!(
        "{}-steps-{}",
        shorten(workflow, NAME_LIMIT - 15),
        digest(uid, 8)
    )
}

/// Name of the NetworkPolicy of a run's step pods.
#[must_use]
pub fn network_policy(workflow: &str, uid: &str) -> String {
    format!(
        "{}-isolated-{}",
        shorten(workflow, NAME_LIMIT - 18),
        digest(uid, 8)
    )
}

/// Name of the Job that cleans up after an attempt.
#[must_use]
pub fn clean_up(workflow: &str, uid: &str, attempt: i32) -> String {
    let suffix = format!("-clean-{}", digest(&format!("{uid}/{attempt}"), 8));
    shorten(workflow, JOB_NAME_LIMIT - suffix.len()) + &suffix
}

/// Name of the Event that tells of one milestone of a run: the same each time it is told.
#[must_use]
pub fn event(workflow: &str, uid: &str, reason: &str, attempt: i32) -> String {
    format!(
        "{}.{}",
        shorten(workflow, NAME_LIMIT - 17),
        digest(&format!("{uid}/{reason}/{attempt}"), 16)
    )
}

/// Labels of every child.
#[must_use]
pub fn labels(workflow: &str, uid: &str, component: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "dvre-workflow"),
        ("app.kubernetes.io/component", component),
        ("app.kubernetes.io/part-of", OPERATOR),
        ("app.kubernetes.io/managed-by", OPERATOR),
        (WORKFLOW, &shorten(workflow, 63)),
        (WORKFLOW_UID, uid),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Whether an object can have a name: a DNS subdomain of RFC 1123, as nearly all kinds want it.
#[must_use]
pub fn is_possible(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |label: &str| {
        label.bytes().all(|byte| inner(byte) || byte == b'-')
            && label.bytes().next().is_some_and(inner)
            && label.bytes().last().is_some_and(inner)
    };
    name.len() <= NAME_LIMIT && name.split('.').all(label)
}

/// `name` itself, or as much of it as fits with a hash of the whole.
fn shorten(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let head: String = name.chars().take(limit.saturating_sub(9)).collect();
    format!("{}-{}", head.trim_end_matches(['-', '.']), digest(name, 8))
}

/// The first `length` hexadecimal digits of a text's SHA-256.
/// So many hexadecimal digits that follow from a text.
#[must_use]
pub fn digest(text: &str, length: usize) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()), length)
}

/// The first so many hexadecimal digits of bytes, 64 at most.
#[must_use]
pub fn hexadecimal(bytes: &[u8], length: usize) -> String {
    let mut hex = String::with_capacity(64);
    for byte in bytes {
        // Writing to a String never fails.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(length);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_stay_readable() {
        assert_eq!(job("hello", 1), "hello-1");
        let data = |text: &str| [("a".to_owned(), text.to_owned())].into();
        let name = config_map("hello", "u-1", &data("x"));
        assert!(name.starts_with("hello-run-"));
        assert_ne!(name, config_map("hello", "u-2", &data("x")));
        assert_ne!(name, config_map("hello", "u-1", &data("y")));
    }

    #[test]
    fn long_names_fit_and_stay_apart() {
        let (a, b) = ("x".repeat(253), "x".repeat(252) + "y");
        assert!(job(&a, 12).len() <= 63);
        assert!(config_map(&a, "u-1", &[].into()).len() <= 253);
        assert!(event(&a, "uid", "Completed", 1).len() <= 253);
        assert_ne!(job(&a, 1), job(&b, 1));
        assert!(
            labels(&a, "uid", "runner")
                .values()
                .all(|value| value.len() <= 63)
        );
    }

    #[test]
    fn a_cut_never_leaves_a_separator_before_the_hash() {
        let name = format!("{}.{}", "a".repeat(51), "b".repeat(30));
        assert!(!job(&name, 1).contains(".-"));
    }

    #[test]
    fn events_of_two_milestones_differ() {
        assert_ne!(
            event("a", "u", "Completed", 1),
            event("a", "u", "RunnerJobCreated", 1)
        );
    }
}
