//! Whether the API server can be reached: asked for by anybody, and so found out once a second at most.

use std::time::Duration;

use kube::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fault::Fault;

/// How long an answer is used again.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer, and when it came. Who asks while another does waits for the same.
#[derive(Default)]
pub struct Reach(Mutex<Option<(Instant, Result<(), Fault>)>>);

impl Reach {
    /// Whether the API server answers.
    pub async fn check(&self, client: &Client) -> Result<(), Fault> {
        let mut last = self.0.lock().await;
        if let Some((since, answer)) = &*last
            && since.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = client.apiserver_version().await;
        let answer = answer.map(drop).map_err(Fault::from);
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn many_questions_are_one() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            let text = [
                "buildDate",
                "compiler",
                "gitCommit",
                "gitTreeState",
                "gitVersion",
            ]
            .into_iter()
            .chain(["goVersion", "major", "minor", "platform"])
            .map(|field| (field.to_owned(), json!("x")))
            .collect::<serde_json::Map<_, _>>();
            let text = serde_json::Value::Object(text).to_string();
            async { Ok::<_, std::io::Error>(Response::new(Body::from(text.into_bytes()))) }
        });
        let client = Client::new(service, "default");
        let reach = Reach::default();
        for answer in futures::future::join_all((0..50).map(|_| reach.check(&client))).await {
            assert_eq!(answer, Ok(()));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
