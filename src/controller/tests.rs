//! The whole loop against an API server whose watches always fail.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::controller::fixtures::{context, ended, failure, hello, job, pod};

const SUCCEEDED: &str = r#"{"version":1,"phase":"Succeeded","reason":"Completed","message":"1 step completed in 1.2 s"}"#;

/// What the server holds: whether the Job was created, and how often pods were listed since.
#[derive(Default)]
struct Server {
    created: Mutex<bool>,
    pod_lists: AtomicUsize,
}

impl Server {
    fn owned(&self, mut object: Value, owner: &str, uid: &str) -> Vec<Value> {
        object["metadata"]["creationTimestamp"] = json!(jiff::Timestamp::now());
        object["metadata"]["annotations"] = json!({"dvre.io/workflow": "hello"});
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "x/v1", "kind": owner, "name": "o", "uid": uid, "controller": true}]);
        if *self.created.lock().unwrap() {
            vec![object]
        } else {
            vec![]
        }
    }

    fn list(&self, path: &str) -> Value {
        let items = match path {
            path if path.contains("/jobs") => self.owned(
                serde_json::to_value(job(json!({}))).unwrap(),
                "DvreWorkflow",
                "u-1",
            ),
            path if path.contains("/pods") => {
                let lists = self.pod_lists.fetch_add(1, Ordering::SeqCst);
                // The pod has ended by the third list.
                let status = if lists >= 3 {
                    ended(0, "Completed", SUCCEEDED)
                } else {
                    json!({"phase": "Pending"})
                };
                self.owned(serde_json::to_value(pod(&status)).unwrap(), "Job", "j-1")
            }
            _ => vec![serde_json::to_value(hello()).unwrap()],
        };
        json!({"metadata": {"resourceVersion": "1"}, "items": items})
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_seen_through_although_every_watch_expires() {
    let server = Arc::new(Server::default());
    let (finished, ended) = tokio::sync::watch::channel(false);
    let answers = server.clone();
    let (context, requests) = context(move |method, path| match method.as_str() {
        "GET" if path.contains("watch=true") => {
            let (_, status) = failure(410, "Expired", "too old resource version");
            (200, json!({"type": "ERROR", "object": status}))
        }
        "GET" if path.contains("/jobs/hello-1") => (200, answers.list("/jobs")["items"][0].clone()),
        "GET" => (200, answers.list(path)),
        "PATCH" => {
            finished.send_replace(true);
            (200, serde_json::to_value(hello()).unwrap())
        }
        "POST" if path.contains("/jobs") => {
            *answers.created.lock().unwrap() = true;
            (201, answers.list("/jobs")["items"][0].clone())
        }
        _ => (201, json!({"metadata": {"name": "x"}})),
    });
    let stop = async move {
        let mut ended = ended;
        let _ = ended.wait_for(|ended| *ended).await;
    };
    run(Arc::new(context), stop).await;
    let requests = requests.lock().unwrap();
    let count = |what: &str| {
        requests
            .iter()
            .filter(|request| request.starts_with(what))
            .count()
    };
    assert_eq!(
        count("POST /apis/batch/v1/namespaces/lab/jobs"),
        1,
        "one Job, whatever the watches do"
    );
    assert_eq!(
        count("PATCH /apis/dvre.io/v1alpha1/namespaces/lab/dvreworkflows/hello/status"),
        1
    );
    assert!(server.pod_lists.load(Ordering::SeqCst) > 3, "{requests:#?}");
}

#[test]
fn errors_in_a_row_are_retried_ever_later() {
    assert_eq!(backoff(1, ""), Duration::from_millis(250));
    assert_eq!(backoff(3, ""), Duration::from_secs(1));
    assert_eq!(backoff(u32::MAX, ""), MAX_BACKOFF);
    assert!(backoff(1, "a") > backoff(1, ""));
}

#[tokio::test]
async fn a_panic_is_an_error_of_one_resource() {
    let work = async { panic!("on purpose") };
    let result: Result<(), Error> = isolated(work).await;
    assert!(matches!(result, Err(Error::Panic)), "{result:?}");
}
