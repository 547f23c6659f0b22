//! A Docker daemon elsewhere, over TLS with client certificates.

use dvre_operator::api::{Phase, Reason};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::{AttachParams, DeleteParams};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{Place, once};
use crate::namespace::in_time;
use crate::sandbox::Sandbox;
use crate::verdict::failed;

const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: dockerd},
    spec: {selector: {app: dockerd}, ports: [{port: 2376}]}}";

const DAEMON: &str = "
apiVersion: v1
kind: Pod
metadata: {name: dockerd, labels: {app: dockerd}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 2
  containers:
  - name: dockerd
    image: docker.io/library/docker:28-dind
    args: [dockerd, '--host=unix:///var/run/docker.sock', '--host=tcp://0.0.0.0:2376', --tlsverify, --tlscacert=/tls/ca.pem,
      --tlscert=/tls/cert.pem, --tlskey=/tls/key.pem, --registry-mirror=MIRROR, --insecure-registry=REGISTRY, --log-level=warn]
    securityContext: {privileged: true}
    # Only its start is waited for: a busy machine is no reason to be out of reach.
    readinessProbe: {exec: {command: [docker, version]}, periodSeconds: 1, failureThreshold: 600}
    resources: {requests: {cpu: 50m, memory: 256Mi}}
    volumeMounts: [{name: tls, mountPath: /tls}, {name: store, mountPath: /var/lib/docker}]
  volumes: [{name: tls, secret: {secretName: daemon-tls}}, {name: store, emptyDir: {}}]
";

/// A daemon in the sandbox.
struct Daemon<'a> {
    sandbox: &'a Sandbox,
    address: String,
}

impl<'a> Daemon<'a> {
    async fn new(sandbox: &'a Sandbox) -> Self {
        sandbox.apply(SERVICE).await;
        let service = sandbox.api::<Service>().get("dockerd").await.unwrap();
        let address = service.spec.unwrap().cluster_ip.unwrap();
        let issuer = authority();
        let (daemon, client) = (issued(&issuer, &address), issued(&issuer, "client"));
        for (name, (cert, key)) in [("daemon-tls", daemon), ("client-tls", client)] {
            let data = json!({"ca.pem": issuer.pem(), "cert.pem": cert, "key.pem": key});
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
            sandbox.try_apply(&secret).await.unwrap();
        }
        // As the operator under test has its own daemons pull.
        let registry =
            std::env::var("REGISTRY").unwrap_or_else(|_| "registry-1.docker.io".to_owned());
        let daemon = DAEMON.replace("MIRROR", &format!("http://{registry}"));
        sandbox.apply(&daemon.replace("REGISTRY", &registry)).await;
        let ready = |pod: &Pod| {
            let status = pod.status.as_ref();
            let mut conditions = status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            conditions.any(|c| c.type_ == "Ready" && c.status == "True")
        };
        sandbox
            .labelled("app=dockerd", "the daemon is ready", ready)
            .await;
        Self { sandbox, address }
    }

    fn place(&self, secret: &str) -> Place {
        let host = format!("tcp://{}:2376", self.address);
        let docker =
            json!({"host": host, "tlsSecretRef": {"name": secret}, "image": "busybox:1.37"});
        Place::new(json!({
            "deployment": "docker",
            "deployments": [{"name": "docker", "docker": docker}],
        }))
    }

    /// Waits until the daemon has some containers, or none.
    async fn has_containers(&self, some: bool) {
        in_time("the daemon's containers come and go", async {
            loop {
                let pods = self.sandbox.api::<Pod>();
                let params = AttachParams::default().stderr(false);
                let mut list = pods
                    .exec("dockerd", ["docker", "ps", "-aq"], &params)
                    .await
                    .unwrap();
                let mut text = String::new();
                list.stdout()
                    .unwrap()
                    .read_to_string(&mut text)
                    .await
                    .unwrap();
                if text.trim().is_empty() != some {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
        })
        .await;
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key.
fn issued(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (
        params.signed_by(&key, issuer).unwrap().pem(),
        key.serialize_pem(),
    )
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_daemon_elsewhere_works_and_keeps_nothing() {
    let sandbox = Sandbox::privileged("daemon").await;
    let daemon = Daemon::new(&sandbox).await;
    let place = daemon.place("client-tls");
    place.works(&sandbox).await;
    daemon.has_containers(false).await;
    place.is_deleted(&sandbox).await;
    daemon.has_containers(false).await;
    // Nobody is told: only the clean-up can know of this one.
    sandbox
        .submit_spec("killed", once(place.shell("sleep 600")))
        .await;
    sandbox.in_step("killed").await;
    daemon.has_containers(true).await;
    let pod = sandbox.pod("killed", "the runner's pod", |_| true).await;
    let exec = AttachParams::default().stderr(false).container("runner");
    let pods = sandbox.api::<Pod>();
    let _ = pods
        .exec(&pod.name_any(), ["sh", "-c", "kill -9 -1"], &exec)
        .await;
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    pods.delete(&pod.name_any(), &params).await.unwrap();
    let run = sandbox.finished("killed").await;
    assert_eq!(run.status.unwrap().phase, Some(Phase::Failed));
    daemon.has_containers(false).await;
}

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_daemon_that_cannot_be_reached_is_named() {
    let sandbox = Sandbox::new("no-daemon").await;
    let docker: Value = json!({"host": "tcp://127.0.0.1:2376"});
    let place = Place::new(json!({
        "deployment": "docker",
        "deployments": [{"name": "docker", "docker": docker}],
    }));
    let run = sandbox.run_spec("nobody", place.shell("true")).await;
    failed(&run, Reason::DeploymentFailed, &["127.0.0.1:2376"]);
}
