//! A real Slurm, on a host over ssh.

use std::process::Command;

use dvre_operator::api::{DvreWorkflow, Phase, Reason};
use dvre_operator::names;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{AttachParams, DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{Place, once};
use crate::namespace::in_time;
use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, succeeded};

const HOST: &str = include_str!("../../../hack/slurm/host.yaml");

/// A Slurm host in the sandbox, and how runs get to it.
pub struct Slurm<'a> {
    sandbox: &'a Sandbox,
    pod: String,
    pub address: String,
}

impl<'a> Slurm<'a> {
    pub async fn new(sandbox: &'a Sandbox) -> Self {
        let keys = tempfile();
        let (host, user) = (key(&keys, "host"), key(&keys, "user"));
        let munge: String = (0..4).map(|_| uuid(&keys)).collect();
        let known_hosts = format!("* {}", host.1);
        let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        let host_secret =
            json!({"ssh-privatekey": host.0, "authorized_keys": user.1, "munge.key": munge});
        let user_secret = json!({"ssh-privatekey": user.0, "known_hosts": known_hosts});
        let wrong = json!({"ssh-privatekey": user.0, "known_hosts": format!("* {}", user.1)});
        for (name, data) in [
            ("slurm-host", host_secret),
            ("hpc-key", user_secret),
            ("wrong-key", wrong),
        ] {
            sandbox.try_apply(&secret(name, data)).await.unwrap();
        }
        std::fs::remove_dir_all(keys).unwrap();
        sandbox.apply(HOST).await;
        let ready = |pod: Option<&Pod>| {
            let status = pod.and_then(|pod| pod.status.as_ref());
            let mut conditions = status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            conditions.any(|c| c.type_ == "Ready" && c.status == "True")
        };
        let pod = sandbox
            .labelled("app=slurm", "the Slurm host is ready", |pod| {
                ready(Some(pod))
            })
            .await;
        let address = pod.status.clone().unwrap().pod_ip.unwrap();
        let pod = pod.name_any();
        Self {
            sandbox,
            pod,
            address,
        }
    }

    /// Settings of a deployment that is this cluster, with more over them.
    fn place(&self, more: &Value) -> Place {
        let mut slurm = json!({
            "ssh": {"host": self.address, "port": 2222, "user": "dvre", "secretRef": {"name": "hpc-key"}},
            "workdir": "/scratch", "partition": "main", "memory": "50M", "pollingIntervalSeconds": 1,
        });
        for (field, value) in more.as_object().unwrap() {
            slurm[field] = value.clone();
        }
        Place::new(json!({
            "deployment": "hpc",
            "deployments": [{"name": "hpc", "slurm": slurm}],
        }))
    }

    /// What a command prints on the host.
    async fn run(&self, script: &str) -> String {
        let pods = self.sandbox.api::<Pod>();
        let params = AttachParams::default().stderr(false);
        let mut process = pods
            .exec(&self.pod, ["sh", "-c", script], &params)
            .await
            .unwrap();
        let mut text = String::new();
        process
            .stdout()
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        text
    }

    /// Waits until a command prints what is wanted.
    async fn until(&self, what: &str, script: &str, wanted: impl Fn(&str) -> bool) {
        in_time(what, async {
            while !wanted(&self.run(script).await) {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
        })
        .await;
    }

    /// Waits until nothing of any run is left.
    async fn is_clean(&self) {
        let script = "squeue -h; ls /scratch";
        self.until("neither jobs nor folders are left", script, str::is_empty)
            .await;
    }
}

fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("dvre-e2e-{}", std::process::id()));
    let folder = folder.join(format!("{:?}", std::thread::current().id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A private key and its public one.
fn key(folder: &std::path::Path, name: &str) -> (String, String) {
    let file = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(&file)
        .status();
    assert!(made.expect("ssh-keygen must be there").success());
    let read = |path| std::fs::read_to_string(path).unwrap();
    (read(file.clone()), read(file.with_extension("pub")))
}

/// Text that nobody guesses: a fresh public key.
fn uuid(folder: &std::path::Path) -> String {
    let number = std::fs::read_dir(folder).unwrap().count();
    key(folder, &format!("random-{number}")).1
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn slurm_works() {
    let sandbox = Sandbox::new("slurm").await;
    let slurm = Slurm::new(&sandbox).await;
    slurm.place(&json!({})).works(&sandbox).await;
    slurm.is_clean().await;
    let run = sandbox.api::<DvreWorkflow>().get("echo").await.unwrap();
    assert_eq!(run.finalizers(), [""; 0]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn jobs_are_made_from_a_template_of_ones_own() {
    let sandbox = Sandbox::new("slurm-template").await;
    let slurm = Slurm::new(&sandbox).await;
    let template = "#!/bin/sh\nexport SITE=ours\n{{ streamflow_command }}\n";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "jobs"}, "data": {"sbatch": template}});
    sandbox.try_apply(&map).await.unwrap();
    let from = json!({"configMapKeyRef": {"name": "jobs", "key": "sbatch"}});
    let place = slurm.place(&json!({"templateFrom": from, "cpus": 2, "time": "00:05:00"}));
    let mut spec = place.shell("echo $SITE $SLURM_CPUS_PER_TASK $SLURM_JOB_PARTITION");
    spec["cwl"]["outputs"] = json!({"seen": "stdout"});
    let run = sandbox.run_spec("template", spec).await;
    assert_text(output(succeeded(&run), "seen"), "ours 2 main\n");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn slurm_is_deleted() {
    let sandbox = Sandbox::new("slurm-del").await;
    let slurm = Slurm::new(&sandbox).await;
    slurm.place(&json!({})).is_deleted(&sandbox).await;
    slurm.is_clean().await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_runner_that_is_killed_leaves_no_slurm_job() {
    let sandbox = Sandbox::new("slurm-kill").await;
    let slurm = Slurm::new(&sandbox).await;
    sandbox
        .submit_spec("killed", once(slurm.place(&json!({})).shell("sleep 600")))
        .await;
    slurm
        .until("the job runs", "squeue -h -t R", |text| !text.is_empty())
        .await;
    let pod = sandbox.pod("killed", "the runner's pod", |_| true).await;
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    // Nobody is told: neither the runner nor its engine can do anything.
    let kill = "kill -KILL $(pgrep -f dvre-runner | head -n 1) 2>/dev/null; kill -9 -1";
    let exec = AttachParams::default().stderr(false).container("runner");
    let pods = sandbox.api::<Pod>();
    let _ = pods.exec(&pod.name_any(), ["sh", "-c", kill], &exec).await;
    pods.delete(&pod.name_any(), &params).await.unwrap();
    let run = sandbox.finished("killed").await;
    assert_eq!(run.status.as_ref().unwrap().phase, Some(Phase::Failed));
    slurm.is_clean().await;
    assert_eq!(run.finalizers(), [""; 0]);
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_slurm_job_that_ended_otherwise_is_a_failure_with_that_reason() {
    let sandbox = Sandbox::new("slurm-ends").await;
    let slurm = Slurm::new(&sandbox).await;
    // Without outputs, StreamFlow alone would call each of these a success.
    let eater = "python3 -c 'x = bytearray(300 << 20); import time; time.sleep(60)'";
    let (place, short) = (
        slurm.place(&json!({})),
        slurm.place(&json!({"time": "00:01:00"})),
    );
    let cancelled = async {
        sandbox
            .submit_spec("cancelled", place.shell("sleep 601"))
            .await;
        let job = "squeue -h -t R -o '%A %o' --name $(squeue -h -o %j | sort -u | head -n 1)";
        slurm
            .until("the job runs", job, |text| !text.is_empty())
            .await;
        let run = sandbox
            .api::<DvreWorkflow>()
            .get("cancelled")
            .await
            .unwrap();
        let name = names::outside(&run.uid().unwrap());
        slurm
            .until(
                "this job runs",
                &format!("squeue -h -t R -n {name}"),
                |text| !text.is_empty(),
            )
            .await;
        slurm.run(&format!("scancel -n {name}")).await;
        sandbox.finished("cancelled").await
    };
    let (cancelled, late, hungry) = tokio::join!(
        cancelled,
        sandbox.run_spec("late", short.shell("sleep 602")),
        sandbox.run_spec("hungry", place.shell(eater)),
    );
    failed(&cancelled, Reason::StepFailed, &["cancelled"]);
    failed(&late, Reason::StepFailed, &["time limit"]);
    let hungry = hungry.status.unwrap();
    assert!(
        matches!(
            hungry.reason,
            Some(Reason::OutOfMemory | Reason::StepFailed)
        ),
        "{hungry:?}"
    );
    let message = hungry.message.unwrap_or_default();
    assert!(
        message.contains("memory") || message.contains("signal 9"),
        "{message}"
    );
    slurm.is_clean().await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn hosts_that_are_not_who_they_say_get_no_command() {
    let sandbox = Sandbox::new("slurm-key").await;
    let slurm = Slurm::new(&sandbox).await;
    let ssh = |secret: &str| json!({"ssh": {"host": slurm.address, "port": 2222, "user": "dvre", "secretRef": {"name": secret}}});
    let run = sandbox
        .run_spec("wrong", slurm.place(&ssh("wrong-key")).shell("true"))
        .await;
    failed(&run, Reason::DeploymentFailed, &["known_hosts"]);
    let seen = slurm.run("sacct -c -n -P -o JobName 2>/dev/null").await;
    assert_eq!(seen.trim(), "");
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn files_move_between_the_runner_slurm_and_plain_ssh() {
    let sandbox = Sandbox::new("slurm-hybrid").await;
    let slurm = Slurm::new(&sandbox).await;
    let mut place = slurm.place(&json!({}));
    let ssh = json!({"host": slurm.address, "port": 2222, "user": "dvre", "secretRef": {"name": "hpc-key"}, "workdir": "/scratch"});
    place.spec["deployment"] = json!("local");
    place.spec["deployments"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "front", "ssh": ssh}));
    place.spec["bindings"] =
        json!([{"step": "/sort", "deployment": "hpc"}, {"step": "/count", "deployment": "front"}]);
    let run = sandbox
        .run_spec("hybrid", place.example("three-steps"))
        .await;
    assert_text(
        output(succeeded(&run), "counts"),
        "      2 apple\n      1 fig\n      3 pear\n",
    );
    slurm.is_clean().await;
    let jobs = sandbox
        .list::<Pod>(&ListParams::default().labels("app.kubernetes.io/component=clean-up"))
        .await;
    assert!(jobs.is_empty(), "the runner cleans up by itself");
}
