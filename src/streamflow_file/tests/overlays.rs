use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use super::{overlaid, overlaid_on, values};
use crate::streamflow_file::{Kind, Overlaid};

/// A file with two deployments, a local and a slurm one, and the rest of a workflow's definition.
fn with(workflow: &str) -> String {
    format!(
        "version: v1.0\ndeployments:\n  here: {{type: local, config: {{}}}}\n  hpc: {{type: slurm, config: {{}}}}\n  \
         box: {{type: docker, config: {{image: x}}}}\n  sif: {{type: singularity, config: {{image: x}}}}\n\
         workflows:\n  any-name: {{type: cwl, {workflow}}}\n"
    )
}

fn targets(overlaid: &Overlaid) -> Vec<(&str, &str)> {
    overlaid
        .targets
        .iter()
        .map(|target| (target.step.as_str(), target.deployment.as_str()))
        .collect()
}

#[test]
fn a_hybrid_file() {
    let overlaid = overlaid(include_str!("../../../tests/streamflow_file/hybrid.yml")).unwrap();
    insta::assert_snapshot!("hybrid", overlaid.text);
    insta::assert_debug_snapshot!(
        "hybrid_facts",
        Overlaid {
            text: String::new(),
            ..overlaid
        }
    );
}

#[test]
fn what_the_operator_owns_is_never_the_users() {
    let text = with(
        "config: {file: evil.cwl, settings: evil.yml}, bindings: [{step: /, target: {deployment: here}}]",
    ) + "database: {type: sqlite, config: {connection: /etc/evil}}\n\
           scheduling: {scheduler: {type: default, config: {retry_delay: 9}}, policies: {p: {type: data_locality, config: {}}}}\n";
    let file = values(&overlaid(&text).unwrap());
    assert_eq!(
        file["workflows"]["dvre"]["config"]["file"],
        "/work/workflow/main.cwl"
    );
    assert_eq!(
        file["workflows"]["dvre"]["config"]["settings"],
        "/work/inputs.json"
    );
    assert_eq!(
        file["database"],
        json!({"type": "dvre", "config": {"connection": "/work/dvre.db"}})
    );
    assert_eq!(
        file["scheduling"]["scheduler"],
        json!({"type": "dvre", "config": {}})
    );
    assert_eq!(file["scheduling"]["policies"]["p"]["type"], "data_locality");
    assert!(!file.to_string().contains("evil"));
}

#[rstest]
#[case::none(
    "version: v1.0\ndeployments: {local: {type: local, config: {}}}",
    "local"
)]
#[case::only_managers(
    "version: v1.0\nfailureManager: {enabled: true, type: rollback, config: {}}",
    "local"
)]
#[case::empty("version: v1.0", "local")]
#[case::no_bindings(
    "version: v1.0\nworkflows: {x: {type: cwl, config: {file: a}}}\ndeployments: {lab: {type: ssh, config: {nodes: []}}}",
    "lab"
)]
#[case::old_names(
    "version: v1.0\nmodels: {lab: {type: ssh, config: {nodes: []}}}",
    "lab"
)]
fn what_nothing_is_said_of_runs_where_the_resource_says(
    #[case] text: &str,
    #[case] deployment: &str,
) {
    let overlaid = overlaid_on(deployment, None, text).unwrap();
    assert_eq!(targets(&overlaid), [("/", deployment)]);
    let file = values(&overlaid);
    assert_eq!(
        file["workflows"]["dvre"]["bindings"],
        json!([{"step": "/", "target": {"deployment": deployment}}])
    );
    assert!(file["deployments"][deployment].is_object() && file.get("models").is_none());
}

#[test]
fn a_partly_bound_workflow_runs_the_rest_locally_as_streamflow_does() {
    let overlaid = overlaid(&with(
        "config: {file: a}, bindings: [{step: /train, target: {deployment: hpc}}]",
    ))
    .unwrap();
    assert_eq!(targets(&overlaid), [("/", "local"), ("/train", "hpc")]);
    assert_eq!(
        values(&overlaid)["deployments"]["local"],
        json!({"type": "local", "workdir": "/work/scratch", "config": {}})
    );
}

#[test]
fn a_default_file_need_not_know_the_deployment() {
    let text = "version: v1.0\ndeployments: {hpc: {type: slurm, config: {}}}";
    let docker = json!({"type": "docker", "config": {"image": "python:3.9-slim"}});
    let overlaid = overlaid_on("docker", Some(&docker), text).unwrap();
    assert_eq!(values(&overlaid)["deployments"]["docker"], docker);
    assert_eq!(overlaid.kinds, BTreeSet::from([Kind::Docker]));
    let own = json!({"type": "local", "config": {}});
    let overlaid = overlaid_on("hpc", Some(&own), text).unwrap();
    assert_eq!(
        overlaid.kinds,
        BTreeSet::from([Kind::Slurm]),
        "what the file has goes first"
    );
}

#[rstest]
#[case::local("here", json!({"type": "none", "config": {}}), &[Kind::Local])]
#[case::slurm("hpc", json!({"type": "none", "config": {}}), &[Kind::Slurm])]
#[case::docker("box", json!({"type": "docker", "wrapper": false, "config": {}}), &[Kind::Docker])]
#[case::singularity("sif", json!({"type": "singularity", "wrapper": false, "config": {}}), &[Kind::Singularity])]
fn steps_without_a_mapping_get_that_of_their_target(
    #[case] target: &str,
    #[case] mapping: Value,
    #[case] kinds: &[Kind],
) {
    let text = with(&format!(
        "config: {{file: a}}, bindings: [{{step: /, target: {{deployment: {target}}}}}]"
    ));
    let overlaid = overlaid(&text).unwrap();
    assert_eq!(
        values(&overlaid)["workflows"]["dvre"]["config"]["docker"],
        json!([{"step": "/", "deployment": mapping}])
    );
    assert!(overlaid.kinds.iter().eq(kinds));
}

#[test]
fn each_binding_has_its_own_mapping() {
    // Without it, the mapping of `/` would take the cluster's steps to the runner's Docker daemon.
    let text = with(
        "config: {file: a, docker: [{step: /train, deployment: {type: docker, config: {}}}]}, bindings: [\
         {step: /, target: {deployment: box}}, {step: /report, target: [{deployment: box}, {deployment: hpc}]}, \
         {step: /train/fit, target: {deployment: hpc}}]",
    );
    let overlaid = overlaid(&text).unwrap();
    assert_eq!(
        values(&overlaid)["workflows"]["dvre"]["config"]["docker"],
        json!([
            {"step": "/train", "deployment": {"type": "docker", "config": {}}},
            {"step": "/", "deployment": {"type": "docker", "wrapper": false, "config": {}}},
            {"step": "/report", "deployment": {"type": "none", "config": {}}},
        ])
    );
    let made: Vec<_> = overlaid
        .containers
        .iter()
        .map(|made| (made.step.as_str(), made.wrapper))
        .collect();
    assert_eq!(made, [("/train", true), ("/", false)]);
}

#[test]
fn paths_are_those_of_python() {
    let text = with(
        "config: {file: a}, bindings: [{step: ///., target: {deployment: here}}, \
         {step: /train//fit/, target: {deployment: here}}, {step: /train/./fit, target: {deployment: hpc}}]",
    );
    let overlaid = overlaid(&text).unwrap();
    assert_eq!(
        targets(&overlaid),
        [("/", "here"), ("/train/fit", "hpc")],
        "the later one wins"
    );
}

#[test]
fn a_deployment_that_is_wrapped_is_in_use() {
    let text = "version: v1.0\nworkflows: {dvre: {type: cwl, config: {file: a}, bindings: [{step: /, target: {deployment: c}}]}, other: {type: cwl, config: {file: b}}}\n\
        deployments:\n  a: {type: kubernetes, external: true, config: {files: [], inCluster: true}}\n  b: {type: helm3, wraps: {deployment: a}, config: {}}\n  \
        c: {type: flux, wraps: b, config: {}}\n  d: {type: docker, config: {}}\n";
    let overlaid = overlaid(text).unwrap();
    let in_use: Vec<_> = overlaid
        .deployments
        .iter()
        .map(|one| {
            (
                one.name.as_str(),
                one.kind.to_string(),
                one.wraps.as_deref(),
                one.external,
                one.in_cluster,
            )
        })
        .collect();
    assert_eq!(
        in_use,
        [
            ("a", "kubernetes".to_owned(), None, true, true),
            ("b", "helm".to_owned(), Some("a"), false, false),
            ("c", "flux".to_owned(), Some("b"), false, false),
        ]
    );
    assert_eq!(
        overlaid.kinds,
        BTreeSet::from([Kind::Flux, Kind::Helm, Kind::Kubernetes])
    );
}

#[test]
fn the_scratch_folder_stays_out_of_containers() {
    let text = "version: v1.0\ndeployments:\n  local: {type: local, config: {}}\n  mine: {type: local, workdir: /data, config: {}}\n  \
        a: {type: docker, wraps: local, config: {}}\n  b: {type: docker, wraps: mine, config: {}}\n  c: {type: docker, wraps: local, workdir: /c, config: {}}\n";
    let file = values(&overlaid(text).unwrap());
    let workdir = |name: &str| file["deployments"][name]["workdir"].clone();
    assert_eq!(
        ["local", "mine", "a", "b", "c"].map(workdir),
        [
            json!("/work/scratch"),
            json!("/data"),
            json!("/tmp/streamflow"),
            json!(null),
            json!("/c")
        ]
    );
}
