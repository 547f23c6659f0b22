//! IO: our finalizer on a resource whose run may leave something outside of the cluster.

use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::guarded::Metadata;
use super::{Context, Error, within};
use crate::names::{FINALIZER, OPERATOR};

/// Whether a resource holds it.
#[must_use]
pub fn is_held(metadata: &ObjectMeta) -> bool {
    position(metadata).is_some()
}

/// Puts it on. It has to be there before the run can leave anything.
pub async fn hold(context: &Context, metadata: &ObjectMeta) -> Result<(), Error> {
    if is_held(metadata) {
        return Ok(());
    }
    let add = match &metadata.finalizers {
        Some(others) if !others.is_empty() => {
            json!({ "op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER })
        }
        // Nobody else may have put one on since this was read: the list would be theirs.
        _ => json!({ "op": "add", "path": "/metadata/finalizers", "value": [FINALIZER] }),
    };
    let unchanged = json!({
        "op": "test", "path": "/metadata/resourceVersion", "value": metadata.resource_version,
    });
    patch(context, metadata, vec![unchanged, add]).await?;
    remember(context, metadata, true);
    Ok(())
}

/// Takes it away. A resource that is gone, or created anew meanwhile, needs no more.
pub async fn release(context: &Context, metadata: &ObjectMeta) -> Result<(), Error> {
    // What was watched may be older than our own finalizer.
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    let api: Api<Metadata> = Api::namespaced(context.client.clone(), namespace);
    let found = within(api.get_opt(name)).await?;
    let Some(found) = found.filter(|found| found.metadata.uid == metadata.uid) else {
        return Ok(());
    };
    if let Some(position) = position(&found.metadata) {
        let path = format!("/metadata/finalizers/{position}");
        let operations = vec![
            json!({ "op": "test", "path": path, "value": FINALIZER }),
            json!({ "op": "remove", "path": path }),
        ];
        patch(context, &found.metadata, operations).await?;
    }
    remember(context, metadata, false);
    Ok(())
}

fn remember(context: &Context, metadata: &ObjectMeta, held: bool) {
    let uid = metadata.uid.as_deref().unwrap_or_default();
    context
        .memory
        .update(uid, |remembered| remembered.finalizer = Some(held));
}

fn position(metadata: &ObjectMeta) -> Option<usize> {
    let all = metadata.finalizers.as_ref()?;
    all.iter().position(|finalizer| finalizer == FINALIZER)
}

async fn patch(
    context: &Context,
    metadata: &ObjectMeta,
    mut operations: Vec<Value>,
) -> Result<(), Error> {
    operations.insert(
        0,
        json!({ "op": "test", "path": "/metadata/uid", "value": metadata.uid }),
    );
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<Metadata> = Api::namespaced(context.client.clone(), namespace);
    let patch = Patch::<()>::Json(serde_json::from_value(Value::Array(operations))?);
    let params = PatchParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PatchParams::default()
    };
    let name = metadata.name.as_deref().unwrap_or_default();
    within(api.patch(name, &params, &patch)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Method;
    use rstest::rstest;

    use super::*;
    use crate::controller::fixtures::{context, hello};
    use crate::controller::guarded::Guarded;

    fn held(by: &[&str]) -> Value {
        let mut object = serde_json::to_value(hello()).unwrap();
        object["metadata"]["finalizers"] = json!(by);
        object
    }

    fn metadata(object: Value) -> ObjectMeta {
        let guarded: Guarded = serde_json::from_value(object).unwrap();
        guarded.metadata
    }

    #[rstest]
    #[case::ours(&["other/one", FINALIZER], 1)]
    #[case::others(&["other/one"], 0)]
    #[tokio::test]
    async fn only_ours_is_taken_away(#[case] by: &'static [&'static str], #[case] writes: usize) {
        let (context, requests) = context(move |method, _| match *method {
            Method::GET => (200, held(by)),
            _ => (200, held(&[])),
        });
        // What was watched is older than the finalizer.
        release(&context, &metadata(held(&[]))).await.unwrap();
        let requests = requests.lock().unwrap();
        let patches = requests
            .iter()
            .filter(|request| request.starts_with("PATCH"));
        assert_eq!(patches.count(), writes, "{requests:?}");
    }

    #[rstest]
    #[case::gone((404, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"})))]
    #[case::anew((200, {
        let mut object = held(&[FINALIZER]);
        object["metadata"]["uid"] = json!("u-2");
        object
    }))]
    #[tokio::test]
    async fn another_resource_keeps_its_own(#[case] answer: (u16, Value)) {
        let (context, requests) = context(move |_, _| answer.clone());
        release(&context, &metadata(held(&[FINALIZER])))
            .await
            .unwrap();
        let requests = requests.lock().unwrap();
        assert!(
            requests.iter().all(|request| request.starts_with("GET")),
            "{requests:?}"
        );
    }

    #[rstest]
    #[case::not_yet(&[], 1)]
    #[case::already(&[FINALIZER], 0)]
    #[tokio::test]
    async fn it_is_put_on_once(#[case] by: &'static [&'static str], #[case] writes: usize) {
        let (context, requests) = context(|_, _| (200, held(&[FINALIZER])));
        hold(&context, &metadata(held(by))).await.unwrap();
        assert_eq!(requests.lock().unwrap().len(), writes);
    }
}
