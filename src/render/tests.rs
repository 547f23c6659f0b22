use serde_json::{Value, json};

use crate::controller::fixtures::{SETTINGS, echo, observed, workflow};
use crate::controller::validate;
use crate::render::{Objects, objects};

fn rendered(spec: Value) -> Objects {
    let workflow = workflow(spec);
    let mut observed = observed(&workflow, 0);
    let files = json!({"metadata": {"name": "files"}, "data": {"main.cwl": echo().to_string(), "inputs": "message: hi\n"}});
    observed.config_maps = [(
        "files".to_owned(),
        Some(serde_json::from_value(files).unwrap()),
    )]
    .into();
    objects(&validate::run(&observed).unwrap())
}

#[test]
fn hello() {
    let objects = rendered(json!({"cwl": echo(), "inputs": {"message": "Hello StreamFlow!"}}));
    insta::assert_yaml_snapshot!("hello_config_map", objects.config_map);
    insta::assert_yaml_snapshot!("hello_job", objects.job);
}

#[test]
fn everything() {
    let objects = rendered(json!({
        "cwlFrom": {"configMap": {"name": "files", "items": [{"key": "main.cwl", "path": "tools/echo.cwl"}]},
                    "entrypoint": "tools/echo.cwl"},
        "inputsFrom": [{"configMapKeyRef": {"name": "files", "key": "inputs"}}, {"secretKeyRef": {"name": "keys", "key": "inputs"}}],
        "volumes": [
            {"name": "reads", "persistentVolumeClaim": {"claimName": "reads", "subPath": "2026"}},
            {"name": "refs", "configMap": {"name": "refs"}},
            {"name": "licence", "secret": {"name": "licence"}}
        ],
        "outputs": {"persistentVolumeClaim": {"claimName": "results", "subPath": "run-1"}},
        "runner": {
            "image": "registry.example.org/runner:1", "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "1"}},
            "serviceAccountName": "lab", "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "priorityClassName": "low", "imagePullSecrets": [{"name": "pull"}], "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            "podLabels": {"team": "lab", "app.kubernetes.io/managed-by": "me"}, "podAnnotations": {"note": "x"}
        }
    }));
    insta::assert_yaml_snapshot!("everything_config_map", objects.config_map);
    insta::assert_yaml_snapshot!("everything_job", objects.job);
}

/// The objects of a spec under an operator that allows everything.
fn allowed(spec: Value) -> Objects {
    let workflow = workflow(spec);
    let mut settings = SETTINGS.clone();
    settings.deployments.allow_privileged = true;
    settings.deployments.steps_role = Some("ClusterRole/dvre-operator-steps".to_owned());
    settings.deployments.docker_registry_mirrors = vec!["https://mirror.example.org".to_owned()];
    let mut observed = observed(&workflow, 0);
    observed.settings = &settings;
    let template = json!({"metadata": {"name": "jobs"}, "data": {"sbatch": "#!/bin/sh\n{{ streamflow_command }}\n"}});
    observed.config_maps = [(
        "jobs".to_owned(),
        Some(serde_json::from_value(template).unwrap()),
    )]
    .into();
    objects(&validate::run(&observed).unwrap())
}

#[test]
fn docker() {
    let objects = allowed(json!({
        "cwl": echo(), "inputs": {"message": "x"}, "deployment": "docker",
        "volumes": [{"name": "reads", "persistentVolumeClaim": {"claimName": "reads"}}],
        "deployments": [{"name": "docker", "docker": {
            "image": "debian:trixie-slim", "pullSecretRef": {"name": "pull"},
            "env": [{"name": "PRICE", "value": "\"$5\""}, {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "t"}}}],
        }}],
        "retry": {"policy": "OnAnyFailure", "limit": 3},
    }));
    insta::assert_snapshot!("docker_streamflow", data(&objects, "streamflow.yml"));
    insta::assert_yaml_snapshot!("docker_job", objects.job);
}

#[test]
fn singularity() {
    let objects = allowed(json!({
        "cwl": echo(), "inputs": {"message": "x"}, "deployment": "singularity",
        "deployments": [{"name": "singularity", "singularity": {
            "cacheClaimName": "images", "env": [{"name": "DVRE_ENV", "value": "singularity"}],
        }}],
    }));
    insta::assert_snapshot!("singularity_streamflow", data(&objects, "streamflow.yml"));
    insta::assert_yaml_snapshot!("singularity_job", objects.job);
}

#[test]
fn kubernetes() {
    let mut tool = echo();
    tool["requirements"] = json!({
        "DockerRequirement": {"dockerPull": "python:3.12"}, "ResourceRequirement": {"coresMin": 2, "ramMax": 4096},
    });
    let objects = allowed(json!({
        "cwl": tool, "inputs": {"message": "x"}, "deployment": "kubernetes",
        "deployments": [{"name": "kubernetes", "kubernetes": {
            "replicas": 2, "nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}],
            "imagePullSecrets": [{"name": "pull"}],
        }}],
    }));
    insta::assert_snapshot!("kubernetes_streamflow", data(&objects, "streamflow.yml"));
    insta::assert_snapshot!("kubernetes_pods", data(&objects, "pods-0.yaml"));
    insta::assert_yaml_snapshot!("kubernetes_access", objects.access);
    insta::assert_yaml_snapshot!("kubernetes_network_policy", objects.network_policy);
    insta::assert_yaml_snapshot!("kubernetes_job", objects.job);
}

#[test]
fn slurm() {
    let objects = allowed(json!({
        "cwl": echo(), "inputs": {"message": "x"}, "deployment": "hpc",
        "deployments": [{"name": "hpc", "slurm": {
            "ssh": {"host": "login.example.org", "port": 2222, "user": "ada", "secretRef": {"name": "hpc-key"}},
            "workdir": "/scratch/ada", "partition": "long", "time": "01:00:00", "memory": "8G", "cpus": 4, "gpus": "a100:1",
            "templateFrom": {"configMapKeyRef": {"name": "jobs", "key": "sbatch"}},
        }}],
    }));
    insta::assert_snapshot!("slurm_streamflow", data(&objects, "streamflow.yml"));
    insta::assert_yaml_snapshot!("slurm_config_map", objects.config_map);
    insta::assert_yaml_snapshot!("slurm_job", objects.job);
}

fn data(objects: &Objects, key: &str) -> String {
    let data = objects.config_map.data.as_ref().unwrap();
    data.get(key).unwrap().clone()
}

#[test]
fn rendering_twice_gives_the_same() {
    let spec = json!({"cwl": echo(), "inputs": {"message": "x"}});
    assert_eq!(rendered(spec.clone()), rendered(spec));
}
