use serde_json::{Value, json};

use crate::controller::fixtures::{echo, observed, workflow};
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

#[test]
fn rendering_twice_gives_the_same() {
    let spec = json!({"cwl": echo(), "inputs": {"message": "x"}});
    assert_eq!(rendered(spec.clone()), rendered(spec));
}
