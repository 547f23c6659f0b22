//! A real gateway process, and requests to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Request};

use crate::namespace::{LIMIT, Namespace};

/// Names the image for active learning.
const IMAGE: &str = "DVRE_SKLEARN_IMAGE";
/// How long a gateway may take to start.
const START: Duration = Duration::from_secs(30);
/// Pause between two looks at a status.
const LOOK: Duration = Duration::from_millis(200);

/// A gateway for one namespace, which ends with this value.
pub struct Gateway {
    child: Child,
    /// Its address, such as `http://127.0.0.1:40001`.
    pub address: String,
    /// What it has logged so far.
    pub log: Arc<Mutex<String>>,
    agent: Agent,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.code, self.text))
    }

    /// The body of a good answer.
    pub fn good(self) -> Value {
        assert_eq!(self.code, 200, "{}", self.text);
        self.json()
    }

    /// The error of a bad one.
    pub fn error(&self, code: u16) -> String {
        assert_eq!(self.code, code, "{}", self.text);
        self.json()["error"].as_str().expect("an error").to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        let header = self.headers.get(name).map(|value| value.to_str().unwrap());
        header.unwrap_or_default()
    }
}

impl Gateway {
    /// Starts a gateway that believes headers.
    pub fn trusting(namespace: &Namespace) -> Self {
        Self::start(
            namespace,
            &["--auth=trusted-headers", "--requests-per-second=0"],
        )
    }

    /// Starts a gateway with these arguments.
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Self {
        let image = std::env::var(IMAGE).expect("hack/e2e names the image");
        let mut child = Command::new(env!("CARGO_BIN_EXE_dvre-operator"))
            .args(["gateway", "--listen=127.0.0.1:0", "--log-format=json"])
            .arg(format!("--namespace={}", namespace.name))
            .arg(format!(
                "--templates={}/templates",
                env!("CARGO_MANIFEST_DIR")
            ))
            .arg(format!("--template-image=sklearn={image}"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway must start");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *written.lock().unwrap() += &(line + "\n");
            }
        });
        let since = Instant::now();
        let address = loop {
            let text = log.lock().unwrap().clone();
            let mut lines = text
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let started = lines.find(|line| line["fields"]["message"] == "gateway starts");
            if let Some(line) = started {
                break line["fields"]["listen"].as_str().unwrap().to_owned();
            }
            assert!(
                child.try_wait().unwrap().is_none(),
                "the gateway ended: {text}"
            );
            assert!(
                since.elapsed() < START,
                "the gateway does not start: {text}"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_mins(1)))
            .build();
        Self {
            child,
            address: format!("http://{address}"),
            log,
            agent: agent.into(),
        }
    }

    /// Sends a request. This blocks the thread.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned()).unwrap();
        let response = self.agent.run(request);
        let mut response = response.unwrap_or_else(|error| panic!("{path}: {error}"));
        Answer {
            code: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.body_mut().read_to_string().unwrap(),
        }
    }

    /// GET with these headers.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "")
    }

    /// POST of JSON with these headers.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send("POST", path, headers, &body.to_string())
    }

    /// Waits until a workflow is over, and returns its record.
    pub async fn over(&self, id: &str, headers: &[(&str, &str)]) -> Value {
        let since = Instant::now();
        loop {
            let record = self
                .get(&format!("/streamflow/status/{id}"), headers)
                .good();
            let status = record["status"].as_str().unwrap();
            if ["COMPLETED", "FAILED", "TERMINATED"].contains(&status) {
                return record;
            }
            assert!(since.elapsed() < LIMIT, "not over: {record}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The id of a submission.
pub fn id(answer: &Value) -> String {
    assert_eq!(answer["status"], "SUBMITTED");
    answer["workflow_id"].as_str().unwrap().to_owned()
}
