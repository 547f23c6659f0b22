//! The mark on a Job that the operator stopped: why, written in the same request as the stop.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ending;
use crate::api::{Phase, Reason};
use crate::names;

/// Why the operator stopped a Job.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Stopped {
    /// Phase that the run ends in.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
}

impl Stopped {
    /// Reads the mark of a Job; a mark that cannot be read counts as none, and the Job's own end is
    /// reported instead.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        serde_json::from_str(job.annotations().get(names::STOPPED)?).ok()
    }

    /// Whether a marked Job is held again, and will not end. Kueue suspends a Job that runs without having been
    /// admitted, and may do so before the Job controller has ended it; once `FailureTarget`, it then has
    /// no start time, without which the API server lets no Job fail.
    #[must_use]
    pub fn is_undone(job: &Job) -> bool {
        let spec = job.spec.as_ref();
        spec.is_some_and(|spec| spec.suspend == Some(true)) && ending::finished(job).is_none()
    }

    /// The merge patch that marks a Job and ends it for good: past its deadline, which a suspended Job
    /// would not reach, the Job controller ends its pods, or never makes any. The Job stays, and with it
    /// what can be seen of the attempt. A suspended Job would be started again by a queue that admitted
    /// it. The uid keeps the patch from hitting a later Job of the same name, and the version one that is
    /// marked already: its pod may be gone, and with it the exact cause.
    #[must_use]
    pub fn patch(&self, job: &Job) -> Value {
        json!({
            "metadata": {
                "uid": job.metadata.uid,
                "resourceVersion": job.metadata.resource_version,
                // Plain strings always serialise.
                "annotations": { names::STOPPED: serde_json::to_string(self).unwrap_or_default() },
            },
            "spec": { "suspend": false, "activeDeadlineSeconds": 0 },
        })
    }
}
