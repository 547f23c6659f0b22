use super::*;
use serde_json::json;

fn job(name: &str, uid: &str) -> Job {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "n", "uid": uid,
                     "annotations": {"dvre.io/workflow": "hello"}}
    }))
    .unwrap()
}

#[test]
fn a_late_delete_does_not_remove_the_successor() {
    let index = jobs();
    index.apply(&Event::Apply(job("hello-1", "old")), |_| true);
    index.apply(&Event::Apply(job("hello-1", "new")), |_| true);
    index.apply(&Event::Delete(job("hello-1", "old")), |_| true);
    assert_eq!(index.get("n", "hello-1").unwrap().uid().unwrap(), "new");
    index.apply(&Event::Delete(job("hello-1", "new")), |_| true);
    assert!(index.get("n", "hello-1").is_none());
}

#[test]
fn a_list_replaces_what_was_known() {
    let index = jobs();
    index.apply(&Event::Apply(job("gone", "1")), |_| true);
    index.apply(&Event::Init, |_| true);
    index.apply(&Event::InitApply(job("here", "2")), |_| true);
    assert!(
        index.get("n", "gone").is_some(),
        "the old list serves until the new one is whole"
    );
    assert!(!index.is_ready());
    index.apply(&Event::InitDone, |_| true);
    assert!(index.is_ready());
    assert!(index.get("n", "gone").is_none());
    assert!(index.get("n", "here").is_some());
}

#[tokio::test]
async fn events_name_the_resource() {
    let index = Arc::new(jobs());
    let events = futures::stream::iter([Ok(Event::Apply(job("hello-1", "1")))]);
    let found: Vec<_> = index.follow(events, |_| true).collect().await;
    assert_eq!(
        found[0].as_ref().unwrap(),
        &ObjectRef::new("hello").within("n")
    );
}

fn a_pod(uid: &str) -> Pod {
    let mut pod = crate::controller::fixtures::pod(&json!({"phase": "Running"}));
    pod.metadata = serde_json::from_value(json!({
        "name": "hello-1-x", "namespace": "n", "uid": uid, "labels": {"dvre.io/workflow-uid": "u-1"},
        "annotations": {"dvre.io/workflow": "hello"},
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "hello-1", "uid": "j-1", "controller": true}]
    }))
    .unwrap();
    pod
}

#[test]
fn the_last_state_of_a_pod_is_kept_until_its_run_is_over() {
    let index = pods();
    index.apply(&Event::Apply(a_pod("1")), |_| true);
    index.apply(&Event::Delete(a_pod("1")), |_| true);
    assert!(pod::is_over(&index.get("n", "j-1").unwrap()));
    index.forget("u-1");
    assert!(index.get("n", "j-1").is_none());
}

#[test]
fn a_pod_that_is_missing_from_a_new_list_is_over() {
    let index = pods();
    index.apply(&Event::Apply(a_pod("1")), |_| true);
    index.apply(&Event::Init, |_| true);
    index.apply(&Event::InitDone, |_| true);
    assert!(pod::is_over(&index.get("n", "j-1").unwrap()));
}

#[test]
fn the_pod_of_a_finished_run_is_not_kept() {
    let index = pods();
    index.apply(&Event::Apply(a_pod("1")), |_| false);
    index.apply(&Event::Delete(a_pod("1")), |_| false);
    assert!(index.get("n", "j-1").is_none());
}

#[test]
fn a_pod_that_was_taken_away_still_names_its_node() {
    let mut pod = a_pod("1");
    pod.spec =
        serde_json::from_value(json!({"nodeName": "n1", "containers": [{"name": "runner"}]}))
            .unwrap();
    let target = json!({"type": "DisruptionTarget", "status": "True", "message": "no kubelet"});
    pod.status.as_mut().unwrap().conditions = serde_json::from_value(json!([target])).unwrap();
    prune_pod(&mut pod);
    assert_eq!(pod.spec.as_ref().unwrap().containers, []);
    assert_eq!(
        pod::disruption(&pod).unwrap().message,
        "the cluster took the runner's pod away from node n1: no kubelet"
    );
}
