//! Pure: whether a queue, such as Kueue, holds the runner's Job. It does so with the Job's own `suspend`,
//! and may take a Job that runs back into the queue; its pods are then others than before.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

/// Where a Job stands towards its queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Queue {
    /// It was never held.
    Never,
    /// It is held.
    Held,
    /// It was let go at this moment.
    Since(Timestamp),
}

impl Queue {
    /// Where a Job stands.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let suspended = job.spec.as_ref().and_then(|spec| spec.suspend);
        let conditions = job
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        let told = conditions.and_then(|all| all.iter().find(|c| c.type_ == "Suspended"));
        match (suspended, told) {
            (Some(true), _) => Self::Held,
            // The Job controller has not let it go yet.
            (_, Some(told)) if told.status == "True" => Self::Held,
            (_, Some(told)) => told
                .last_transition_time
                .as_ref()
                .map_or(Self::Never, |time| Self::Since(time.0)),
            (_, None) => Self::Never,
        }
    }

    /// Whether a pod of the Job was made after it was let go.
    #[must_use]
    pub fn admits(self, pod: &Pod) -> bool {
        let created = pod.metadata.creation_timestamp.as_ref();
        match self {
            Self::Never => true,
            Self::Held => false,
            Self::Since(moment) => created.is_none_or(|created| created.0 >= moment),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::fixtures::{job, pod};

    fn suspended(status: &str) -> Value {
        json!({"conditions": [
            {"type": "Suspended", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        ]})
    }

    #[rstest]
    #[case::ordinary(json!({}), Queue::Never, true)]
    #[case::held(json!({"spec": {"suspend": true}}), Queue::Held, false)]
    #[case::not_let_go_yet(json!({"spec": {"suspend": false}, "status": suspended("True")}), Queue::Held, false)]
    #[case::let_go(json!({"status": suspended("False")}), Queue::Since("2026-01-01T00:00:00Z".parse().unwrap()), true)]
    fn a_job_tells_where_it_stands(
        #[case] extra: Value,
        #[case] expected: Queue,
        #[case] admits: bool,
    ) {
        let queue = Queue::of(&job(extra));
        assert_eq!(queue, expected);
        assert_eq!(queue.admits(&pod(&json!({}))), admits);
    }

    #[test]
    fn a_pod_from_before_does_not_count() {
        let queue = Queue::Since("2026-01-01T00:00:01Z".parse().unwrap());
        assert!(!queue.admits(&pod(&json!({}))));
    }
}
