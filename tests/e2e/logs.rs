//! Logs that can be read when Job and pod are gone.

use dvre_operator::api::Reason;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;

use crate::sandbox::Sandbox;
use crate::shell;
use crate::verdict::failed;

#[tokio::test]
#[ignore = "needs a cluster with the operator: make e2e"]
async fn a_claim_keeps_the_logs_of_a_failed_run() {
    let sandbox = Sandbox::new("logs").await;
    sandbox
        .apply(
            "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: results}, \
             spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}",
        )
        .await;
    let spec = shell("seq 20000 >&2; echo no such gene >&2; exit 7")
        + "outputs: {persistentVolumeClaim: {claimName: results, subPath: run}}\n";
    let run = sandbox.run("logs", &spec).await;
    let place = "more in .dvre/logs-1/steps/stderr-0.log, beside the outputs";
    let status = failed(
        &run,
        Reason::StepFailed,
        &["step / failed with exit code 7", "no such gene", place],
    );
    let words = status.steps[0].message.as_deref().unwrap_or_default();
    assert!(words.ends_with("\n20000\nno such gene"), "{words}");

    let image = sandbox.runner_image("logs").await;
    let pod = sandbox.pod("logs", "the runner's pod", |_| true).await;
    let jobs = sandbox.api::<Job>();
    jobs.delete("logs-1", &DeleteParams::background())
        .await
        .unwrap();
    sandbox
        .wait(&pod.name_any(), "the pod is gone", |pod: Option<&Pod>| {
            pod.is_none()
        })
        .await;

    let script = "cd run/.dvre/logs-1 && wc -l < steps/stderr-0.log && tail -n 1 steps/stderr-0.log \
                  && grep -c 'EXECUTING step /' engine.log && grep -c @dvre engine.log; \
                  grep -o '\"reason\":\"[A-Za-z]*\"' outcome.json; cmp outcome.json ../outcome.json && echo same";
    let found = sandbox.on_claim("results", &image, script).await;
    let lines: Vec<&str> = found.lines().collect();
    let expected = [
        "20001",
        "no such gene",
        "1",
        "0",
        "\"reason\":\"StepFailed\"",
        "same",
    ];
    assert_eq!(lines, expected);
}
