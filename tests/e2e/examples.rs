//! Every example, as it stands in `examples/`.

use std::fs;
use std::path::{Path, PathBuf};

use dvre_operator::api::{DvreWorkflow, Reason};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, ran_once, steps, succeeded, told_once};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Applies an example and waits for its end.
pub async fn run(sandbox: &Sandbox, name: &str) -> DvreWorkflow {
    run_changed(sandbox, name, |manifest| manifest).await
}

/// The same for one that needs a change to be run here.
pub async fn run_changed(
    sandbox: &Sandbox,
    name: &str,
    change: impl FnOnce(String) -> String,
) -> DvreWorkflow {
    let manifest = fs::read_to_string(folder().join(name).with_extension("yaml"));
    let manifest = change(manifest.expect("the example must be there"));
    sandbox.apply(&manifest).await;
    sandbox.finished(name).await
}

#[test]
fn every_example_has_a_test() {
    let tests = [
        include_str!("examples.rs"),
        include_str!("deployments/examples.rs"),
        include_str!("learning.rs"),
    ]
    .concat();
    for file in fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            tests.contains(&format!("run(&sandbox, \"{name}\")")),
            "no test of {name}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn hello() {
    let sandbox = Sandbox::new("hello").await;
    let run = run(&sandbox, "hello").await;
    let status = succeeded(&run);
    assert_text(output(status, "output"), "Hello StreamFlow!\n");
    assert_eq!(steps(status), [("/", "Succeeded", 1, 1)]);
    assert_eq!(status.steps[0].exit_code, Some(0));
    assert_eq!(status.progress.as_deref(), Some("1/1"));
    let message = status.message.as_deref().unwrap_or_default();
    assert!(message.starts_with("1 step"), "{message}");
    ran_once(&sandbox, &run).await;
    let rendered = &sandbox.children::<ConfigMap>(&run).await[0];
    let rendered = sandbox.api::<ConfigMap>().get(rendered).await.unwrap();
    assert_eq!(rendered.immutable, Some(true));
    let job = sandbox.api::<Job>().get("hello-1").await.unwrap();
    for owner in [&rendered.owner_references()[0], &job.owner_references()[0]] {
        assert_eq!(
            (owner.kind.as_str(), owner.name.as_str()),
            ("DvreWorkflow", "hello")
        );
        assert_eq!(Some(&owner.uid), run.uid().as_ref());
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn three_steps() {
    let sandbox = Sandbox::new("three-steps").await;
    let run = run(&sandbox, "three-steps").await;
    let status = succeeded(&run);
    assert_text(
        output(status, "counts"),
        "      2 apple\n      1 fig\n      3 pear\n",
    );
    assert_eq!(status.progress.as_deref(), Some("3/3"));
    let mut steps = steps(status);
    steps.sort_unstable();
    let done = |name| (name, "Succeeded", 1, 1);
    assert_eq!(steps, [done("/count"), done("/sort"), done("/write")]);
    for step in &status.steps {
        assert!(
            step.start_time.is_some() && step.completion_time.is_some(),
            "{step:?}"
        );
        assert_eq!(step.exit_code, Some(0), "{step:?}");
    }
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn scatter() {
    let sandbox = Sandbox::new("scatter").await;
    let run = run(&sandbox, "scatter").await;
    let status = succeeded(&run);
    assert_eq!(status.progress.as_deref(), Some("20/20"));
    assert_eq!(steps(status), [("/square", "Succeeded", 20, 20)]);
    // Together they are more than a termination message holds.
    let squares = output(status, "squares").as_array().unwrap();
    assert_eq!(squares.len(), 20);
    for (square, number) in squares.iter().zip(1..) {
        assert_text(square, &format!("{}\n", number * number));
    }
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn javascript() {
    let sandbox = Sandbox::new("javascript").await;
    let run = run(&sandbox, "javascript").await;
    let status = succeeded(&run);
    let outputs = json!({ "lines": 4, "mean": 4.5, "longest": "BANANA", "unknown": null });
    assert_eq!(Value::Object(status.outputs.clone().unwrap()), outputs);
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn many_files() {
    let sandbox = Sandbox::new("many-files").await;
    let run = run(&sandbox, "many-files").await;
    let status = succeeded(&run);
    assert_text(output(status, "top"), "Rome 2748\nMilan 1354\n");
    assert_eq!(status.progress.as_deref(), Some("2/2"));
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn secret_inputs() {
    let sandbox = Sandbox::new("secret-inputs").await;
    let run = run(&sandbox, "secret-inputs").await;
    let status = succeeded(&run);
    assert_text(
        output(status, "output"),
        "Hello, Ada! Your token: 62a9341c2193\n",
    );
    ran_once(&sandbox, &run).await;
    let (everything, log) = (
        sandbox.everything().await,
        sandbox.log("secret-inputs").await,
    );
    assert!(!log.is_empty());
    for public in [everything, log] {
        assert!(
            !public.contains("not-a-real-token-4711"),
            "the Secret's value is in: {public}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn outputs_claim() {
    let sandbox = Sandbox::new("outputs-claim").await;
    let run = run(&sandbox, "outputs-claim").await;
    let status = succeeded(&run);
    let numbers = output(status, "numbers");
    assert_eq!(numbers["location"], "numbers.txt", "{numbers}");
    assert_eq!(numbers["size"], 3893, "{numbers}");
    assert!(
        numbers.get("contents").is_none(),
        "only small files carry their content: {numbers}"
    );
    let tables = output(status, "tables");
    assert_eq!(
        (&tables["class"], &tables["location"]),
        (&json!("Directory"), &json!("tables"))
    );
    let listed: Vec<_> = tables["listing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["location"])
        .collect();
    assert_eq!(
        listed,
        [&json!("tables/five.txt"), &json!("tables/three.txt")]
    );

    let image = sandbox.runner_image("outputs-claim").await;
    let script = "cd outputs-claim && sha1sum numbers.txt tables/*";
    let found = sandbox.on_claim("results", &image, script).await;
    let sum = |file: &Value| file["checksum"].as_str().unwrap().replace("sha1$", "");
    let (five, three) = (&tables["listing"][0], &tables["listing"][1]);
    let expected = [
        format!("{}  numbers.txt", sum(numbers)),
        format!("{}  tables/five.txt", sum(five)),
        format!("{}  tables/three.txt", sum(three)),
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn volumes() {
    let sandbox = Sandbox::new("volumes").await;
    let run = run(&sandbox, "volumes").await;
    assert_text(output(succeeded(&run), "count"), "2\n");
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn packed_graph() {
    let sandbox = Sandbox::new("packed-graph").await;
    let run = run(&sandbox, "packed-graph").await;
    let status = succeeded(&run);
    assert_text(
        output(status, "result"),
        "a packed \ndocument is \none file\n",
    );
    assert_eq!(status.progress.as_deref(), Some("2/2"));
    ran_once(&sandbox, &run).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn failing() {
    let sandbox = Sandbox::new("failing").await;
    let run = run(&sandbox, "failing").await;
    let parts = ["/look-up", "exit code 7", "no such gene: BRCA9"];
    let status = failed(&run, Reason::StepFailed, &parts);
    let mut steps = steps(status);
    steps.sort_unstable();
    assert_eq!(
        steps,
        [("/look-up", "Failed", 0, 1), ("/report", "Cancelled", 0, 1)]
    );
    let look_up = status
        .steps
        .iter()
        .find(|step| step.name == "/look-up")
        .unwrap();
    assert_eq!(look_up.exit_code, Some(7));
    assert_eq!(status.progress.as_deref(), Some("0/2"));
    assert_eq!(status.outputs, None);
    told_once(&sandbox, &run, &["RunnerJobCreated", "StepFailed"]).await;
}
