//! Every place where steps can run, with the same work for each: the seed's echo, three steps that hand
//! files on, a scatter of twenty, a tool that fails, and a deletion in the middle.

mod custom;
mod cwltool;
mod daemon;
mod docker;
mod examples;
mod hybrid;
mod kubernetes;
mod singularity;
mod slurm;

use std::fs;
use std::path::Path;

use dvre_operator::api::{DvreWorkflow, Reason};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

use crate::namespace::in_time;
use crate::sandbox::Sandbox;
use crate::verdict::{assert_text, failed, output, steps, succeeded_with};

/// A place, and the engine that works there.
pub struct Place {
    /// Fields of a spec that say where.
    pub spec: Value,
    /// `streamflow` or `cwltool`.
    pub engine: &'static str,
}

/// The same for a single attempt.
pub fn once(mut spec: Value) -> Value {
    spec["retry"] = serde_json::json!({ "policy": "Never" });
    spec
}

impl Place {
    pub fn new(spec: Value) -> Self {
        Self {
            spec,
            engine: "streamflow",
        }
    }

    /// The spec of an example, here.
    pub fn example(&self, name: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let text = fs::read_to_string(folder.join(name).with_extension("yaml"));
        let manifest: Value = serde_yaml::from_str(&text.unwrap()).unwrap();
        self.with(manifest["spec"].clone())
    }

    /// The spec of a run of one shell script, here.
    pub fn shell(&self, script: &str) -> Value {
        let tool = json!({
            "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": ["sh", "-c", script],
            "inputs": {}, "outputs": {},
        });
        self.with(json!({ "cwl": tool }))
    }

    /// A spec with the fields of this place.
    pub fn with(&self, mut spec: Value) -> Value {
        for (field, value) in self.spec.as_object().unwrap() {
            spec[field] = value.clone();
        }
        // Little is requested, so that a small node takes several at one time.
        if spec["runner"]["resources"].is_null() {
            spec["runner"]["resources"] = json!({"requests": {"cpu": "20m", "memory": "128Mi"}});
        }
        spec
    }

    /// The work that has to come out the same everywhere.
    pub async fn works(&self, sandbox: &Sandbox) {
        tokio::join!(
            self.echo(sandbox),
            self.three_steps(sandbox),
            self.scatter(sandbox),
            self.failing(sandbox)
        );
    }

    async fn echo(&self, sandbox: &Sandbox) {
        let mut spec = self.example("hello");
        spec["cwl"]["cwlVersion"] = json!("v1.0");
        let run = sandbox.run_spec("echo", spec).await;
        let status = succeeded_with(&run, self.engine);
        assert_text(output(status, "output"), "Hello StreamFlow!\n");
    }

    async fn three_steps(&self, sandbox: &Sandbox) {
        let run = sandbox.run_spec("three", self.example("three-steps")).await;
        let status = succeeded_with(&run, self.engine);
        assert_text(
            output(status, "counts"),
            "      2 apple\n      1 fig\n      3 pear\n",
        );
        assert_eq!(status.progress.as_deref(), Some("3/3"));
    }

    async fn scatter(&self, sandbox: &Sandbox) {
        let run = sandbox.run_spec("scatter", self.example("scatter")).await;
        let status = succeeded_with(&run, self.engine);
        assert_eq!(steps(status), [("/square", "Succeeded", 20, 20)]);
        let squares = output(status, "squares").as_array().unwrap();
        for (square, number) in squares.iter().zip(1..) {
            assert_text(square, &format!("{}\n", number * number));
        }
    }

    async fn failing(&self, sandbox: &Sandbox) {
        let run = sandbox
            .run_spec("fails", self.shell("echo 'no such gene' >&2; exit 7"))
            .await;
        let status = failed(&run, Reason::StepFailed, &["exit code 7", "no such gene"]);
        assert_eq!(steps(status), [("/", "Failed", 0, 1)]);
        assert_eq!(status.execution_engine.as_deref(), Some(self.engine));
    }

    /// Deletes a run in its middle, and waits until nothing of it is in the cluster.
    pub async fn is_deleted(&self, sandbox: &Sandbox) -> DvreWorkflow {
        sandbox
            .submit_spec("sleeper", self.shell("sleep 600"))
            .await;
        sandbox.in_step("sleeper").await;
        let run = sandbox.api::<DvreWorkflow>().get("sleeper").await.unwrap();
        let runs = sandbox.api::<DvreWorkflow>();
        runs.delete("sleeper", &DeleteParams::default())
            .await
            .unwrap();
        sandbox
            .wait(
                "sleeper",
                "the resource is gone",
                |run: Option<&DvreWorkflow>| run.is_none(),
            )
            .await;
        gone::<Pod>(sandbox, &run).await;
        gone::<Job>(sandbox, &run).await;
        gone::<ConfigMap>(sandbox, &run).await;
        gone::<ServiceAccount>(sandbox, &run).await;
        gone::<RoleBinding>(sandbox, &run).await;
        gone::<NetworkPolicy>(sandbox, &run).await;
        run
    }
}

/// Waits until nothing of a kind is left of a run but a Job that cleaned up, which goes by itself.
async fn gone<K>(sandbox: &Sandbox, run: &DvreWorkflow)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + Debug + DeserializeOwned,
{
    let uid = run.uid().unwrap();
    let selector = format!("dvre.io/workflow-uid={uid},app.kubernetes.io/component!=clean-up");
    let params = ListParams::default().labels(&selector);
    let what = format!("no {} is left", K::kind(&()));
    in_time(&what, async {
        while !sandbox.list::<K>(&params).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    })
    .await;
}
