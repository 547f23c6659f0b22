//! Requests of somebody who means harm, or whose client is broken.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::echo;
use crate::namespace::Namespace;
use crate::process::{Gateway, id};

/// A submission that reads a file.
fn cat(file: &Value) -> Value {
    json!({
        "cwl_workflow": {
            "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "cat",
            "inputs": { "file": { "type": "File", "inputBinding": { "position": 1 } } },
            "outputs": { "output": { "type": "stdout" } },
        },
        "inputs": { "file": file },
    })
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_path_leads_nowhere_but_to_inputs() {
    let namespace = Namespace::new("traversal", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let mut runs = Vec::new();
    for file in [
        json!("/etc/passwd"),
        json!("../../../../etc/passwd"),
        json!("/data/../etc/passwd"),
        json!("file:///etc/passwd"),
        json!({"class": "File", "location": "file:///etc/passwd"}),
        json!({"class": "File", "path": "/proc/self/environ"}),
        json!({"class": "File", "basename": "../../../tmp/evil", "contents": "x"}),
        json!("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    ] {
        let answer = gateway.post("/streamflow/submit", &[], &cat(&file)).good();
        runs.push((file, id(&answer)));
    }
    for (file, id) in runs {
        let record = gateway.over(&id, &[]).await;
        assert_eq!(record["status"], "FAILED", "{file}: {record}");
        assert_eq!(record["reason"], "InvalidInputs", "{file}: {record}");
        assert!(record["outputs"].is_null());
    }
    for path in [
        "../../../api/v1/secrets",
        "..%2f..%2fsecrets",
        "%2e%2e",
        "a%00b",
        "x?watch=true",
        "A",
    ] {
        let answer = gateway.get(&format!("/streamflow/status/{path}"), &[]);
        assert_eq!(answer.code, 404, "{path}: {}", answer.text);
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn large_and_deep_bodies_are_refused() {
    let namespace = Namespace::new("bodies", "restricted").await;
    let gateway = Gateway::start(
        &namespace,
        &[
            "--auth=trusted-headers",
            "--body-limit-bytes=100000",
            "--body-seconds=2",
        ],
    );
    let mut large = echo("x");
    // More than the connection holds: who does not read it to its end cuts the caller off.
    large["inputs"]["message"] = json!("x".repeat(20_000_000));
    let refused = gateway.post("/streamflow/submit", &[], &large);
    assert!(refused.error(413).contains("more than 100000 bytes"));
    let deep = format!(
        r#"{{"cwl_workflow": {}1{}}}"#,
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    let refused = gateway.send("POST", "/streamflow/submit", &[], &deep);
    assert!(refused.error(400).contains("is not JSON"));
    // A body that never comes to its end.
    let address = gateway.address.trim_start_matches("http://");
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let head = "POST /streamflow/submit HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
    slow.write_all(head.as_bytes()).unwrap();
    let since = Instant::now();
    let mut answer = [0; 256];
    let read = slow.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(since.elapsed() < Duration::from_secs(15));
    // Meanwhile others are served.
    gateway.get("/health", &[]).good();
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_document_that_is_none_becomes_a_failed_workflow() {
    let namespace = Namespace::new("documents", "restricted").await;
    let gateway = Gateway::trusting(&namespace);
    let mut runs = Vec::new();
    for document in [
        json!("performance-test-workflow-3"),
        json!("{unclosed: ["),
        json!({"class": "Nothing"}),
        json!({"cwlVersion": "v1.2", "class": "Workflow"}),
    ] {
        let body = json!({"cwl_workflow": document});
        runs.push(id(&gateway.post("/streamflow/submit", &[], &body).good()));
    }
    for id in &runs {
        let record = gateway.over(id, &[]).await;
        assert_eq!(record["status"], "FAILED");
        let error = record["error"].as_str().unwrap();
        assert!(error.starts_with("InvalidWorkflow: "), "{error}");
    }
    let listed = gateway.get("/streamflow/workflows", &[]).good();
    assert_eq!(listed["total_workflows"], runs.len());
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn who_asks_too_often_has_to_wait() {
    let namespace = Namespace::new("often", "restricted").await;
    let gateway = Gateway::start(
        &namespace,
        &["--auth=trusted-headers", "--requests-per-second=1"],
    );
    let refused = (0..50)
        .map(|_| gateway.get("/streamflow/workflows", &[]))
        .find(|answer| answer.code != 200)
        .expect("a limit");
    assert!(refused.error(429).contains("too many requests"));
    assert_eq!(refused.header("retry-after"), "1");
    // Another wallet does not help, as it proves nothing.
    let other = gateway.get("/streamflow/workflows", &[("X-User-Wallet", "0x9")]);
    assert_eq!(other.code, 429);
    // Probes are not counted.
    gateway.get("/health", &[]).good();
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn reads_can_want_a_wallet() {
    let namespace = Namespace::new("closed", "restricted").await;
    let gateway = Gateway::start(&namespace, &["--auth=trusted-headers", "--closed-reads"]);
    let who = [("X-User-Wallet", "0x1")];
    let id = id(&gateway.post("/streamflow/submit", &who, &echo("x")).good());
    let path = format!("/streamflow/status/{id}");
    assert_eq!(gateway.get(&path, &[]).error(404), "Workflow not found");
    assert_eq!(
        gateway.get("/streamflow/workflows", &[]).good()["total_workflows"],
        0
    );
    gateway.get(&path, &who).good();
    assert_eq!(
        gateway.get("/streamflow/workflows", &who).good()["total_workflows"],
        1
    );
}
