//! The examples that need more than the runner's own container.

use crate::examples::{run, run_changed};
use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, output, succeeded, succeeded_with};

use super::slurm::Slurm;

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn docker() {
    let sandbox = Sandbox::privileged("ex-docker").await;
    let run = run(&sandbox, "docker").await;
    assert_text(
        output(succeeded(&run), "loud"),
        "HELLO FROM LAB IN DOCKER\n",
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn singularity() {
    let sandbox = Sandbox::privileged("ex-sing").await;
    let run = run(&sandbox, "singularity").await;
    assert_text(output(succeeded(&run), "words"), "5\n");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn kubernetes() {
    let sandbox = Sandbox::new("ex-k8s").await;
    let run = run(&sandbox, "kubernetes").await;
    assert_text(output(succeeded(&run), "total"), "91\n");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn slurm() {
    let sandbox = Sandbox::new("ex-slurm").await;
    let host = Slurm::new(&sandbox).await;
    let here = |manifest: String| manifest.replace("login.example.org", &host.address);
    // As run(&sandbox, "slurm") would, with the address of a host that is there.
    let run = run_changed(&sandbox, "slurm", here).await;
    assert_text(output(succeeded(&run), "total"), "5050\n");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn hybrid() {
    let sandbox = Sandbox::privileged("ex-hybrid").await;
    let run = run(&sandbox, "hybrid").await;
    assert_text(output(succeeded(&run), "total"), "385\n");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn streamflow_file() {
    let sandbox = Sandbox::new("ex-file").await;
    let run = run(&sandbox, "streamflow-file").await;
    assert_text(
        output(succeeded(&run), "place"),
        "second try, below /tmp/scratch\n",
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn cwltool() {
    let sandbox = Sandbox::new("ex-cwltool").await;
    let run = run(&sandbox, "cwltool").await;
    assert_text(
        output(succeeded_with(&run, "cwltool"), "longest"),
        "6 banana\n",
    );
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn retry() {
    let sandbox = Sandbox::new("ex-retry").await;
    let run = run(&sandbox, "retry").await;
    assert_text(
        output(succeeded(&run), "result"),
        "prepared\nworked at try 3\n",
    );
}
