//! A stored resource that does not have the shape we know, as after a downgrade: it gets a condition
//! and is left alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::guarded::Metadata;
use super::{Context, Error, events};
use crate::api::conditions::{Accepted, Verdict, conditions, phase};
use crate::api::{DvreWorkflowStatus, Phase, Reason};

/// Says in status that the resource cannot be read.
pub async fn record(context: &Context, meta: &ObjectMeta, error: &str) -> Result<(), Error> {
    let (Some(namespace), Some(name), Some(uid)) = (&meta.namespace, &meta.name, &meta.uid) else {
        return Ok(());
    };
    let message = format!("the resource does not have the shape that this operator knows: {error}");
    let message: String = message.chars().take(500).collect();
    let verdict = Verdict {
        phase: Phase::Failed,
        reason: Reason::InvalidObject,
        accepted: Accepted::No(Reason::InvalidObject, message.clone()),
        message,
        truncated: None,
    };
    let now = Time(jiff::Timestamp::now());
    let generation = meta.generation.unwrap_or_default();
    let conditions = conditions(&verdict, &[], generation, &now);
    let status = DvreWorkflowStatus {
        observed_generation: generation,
        phase: phase(&conditions),
        reason: Some(verdict.reason),
        message: Some(verdict.message),
        completion_time: Some(now),
        conditions,
        ..DvreWorkflowStatus::default()
    };
    let patch = Patch::<()>::Json(serde_json::from_value(json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        { "op": "add", "path": "/status", "value": status },
    ]))?);
    let api: Api<Metadata> = Api::namespaced(context.client.clone(), namespace);
    match super::within(api.patch_status(name, &PatchParams::default(), &patch)).await {
        Ok(_) => tracing::warn!(
            namespace,
            name,
            "a resource cannot be read and was marked as failed"
        ),
        Err(error) => tracing::warn!(namespace, name, %error, "a resource cannot be read"),
    }
    events::unreadable(context, meta, &status).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::fixtures::{context, hello};

    #[tokio::test]
    async fn it_gets_a_condition_and_an_event() {
        let (context, requests) = context(|_, _| (200, json!({"metadata": {"name": "hello"}})));
        record(&context, &hello().metadata, "recursion limit exceeded")
            .await
            .unwrap();
        let requests = requests.lock().unwrap();
        assert!(
            requests[0].starts_with(
                "PATCH /apis/dvre.io/v1alpha1/namespaces/lab/dvreworkflows/hello/status"
            )
        );
        assert!(requests[1].starts_with("POST /apis/events.k8s.io/v1/namespaces/lab/events"));
    }
}
