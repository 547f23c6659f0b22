//! Specs for the API server: what it must refuse and in which words, and what must not change.

use serde_json::{Value, json};

const ONE_DOCUMENT: &str = "exactly one of cwl and cwlFrom must be given";
const ONE_INPUT: &str = "exactly one of configMapKeyRef and secretKeyRef must be given";
const ONE_VOLUME: &str = "exactly one of persistentVolumeClaim, configMap and secret must be given";
const ONE_TARGET: &str =
    "exactly one of local, docker, singularity, kubernetes, ssh and slurm must be given";
const ONE_FILE: &str = "deployments and bindings stand in the file that streamflowFrom names";

fn list(length: usize, item: impl Fn(usize) -> Value) -> Value {
    (0..length).map(item).collect()
}

fn map(length: usize) -> Value {
    (0..length)
        .map(|n| (format!("key{n}"), json!("value")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn text(length: usize) -> Value {
    "x".repeat(length).into()
}

/// Merge patches of a spec with a small `cwl`, and a part of the refusal; empty for what must pass.
pub fn refusals() -> Vec<(Value, &'static str)> {
    let mut table = unions();
    table.extend(lists());
    table.extend(strings());
    table.extend(numbers());
    table.extend(unknown());
    table
}

fn unions() -> Vec<(Value, &'static str)> {
    let key = json!({ "name": "n", "key": "k" });
    let files = json!({ "configMap": { "name": "n" } });
    let named = |name: &str| json!({ "name": name });
    vec![
        (json!({ "cwl": null }), ONE_DOCUMENT),
        (json!({ "cwlFrom": files }), ONE_DOCUMENT),
        (json!({ "cwl": null, "cwlFrom": files }), ""),
        (json!({ "inputsFrom": [{}] }), ONE_INPUT),
        (
            json!({ "inputsFrom": [{ "configMapKeyRef": key, "secretKeyRef": key }] }),
            ONE_INPUT,
        ),
        (
            json!({ "inputsFrom": [{ "configMapKeyRef": key }, { "secretKeyRef": key }] }),
            "",
        ),
        (json!({ "volumes": [named("v")] }), ONE_VOLUME),
        (
            json!({ "volumes": [{ "name": "v", "configMap": named("c"), "secret": named("s") }] }),
            ONE_VOLUME,
        ),
        (
            json!({ "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "c" } }] }),
            "",
        ),
        (json!({ "deployments": [named("d")] }), ONE_TARGET),
        (
            json!({ "deployments": [{ "name": "d", "local": {}, "docker": {} }] }),
            ONE_TARGET,
        ),
        (json!({ "deployment": "mars" }), ""),
        (
            json!({
                "deployments": [{ "name": "venus", "local": {} }],
                "streamflowFrom": { "configMapKeyRef": { "name": "a", "key": "b" } },
            }),
            ONE_FILE,
        ),
        (
            json!({ "deployment": "mars", "deployments": [{ "name": "mars", "local": {} }] }),
            "",
        ),
        (json!({ "deployment": "slurm" }), ""),
    ]
}

fn lists() -> Vec<(Value, &'static str)> {
    let input = |n: usize| json!({ "secretKeyRef": { "name": format!("n{n}"), "key": "k" } });
    let volume = |n: usize| json!({ "name": format!("v{n}"), "configMap": { "name": "n" } });
    let target = |n: usize| json!({ "name": format!("d{n}"), "local": {} });
    let binding = |n: usize| json!({ "step": format!("/s{n}"), "deployment": "local" });
    let variable = |n: usize| json!({ "name": format!("N{n}"), "value": "v" });
    let item = |n: usize| json!({ "key": format!("k{n}"), "path": format!("p{n}") });
    let files = |n| json!({ "configMap": { "name": "n", "items": list(n, item) } });
    let runner = |field: &str, value: Value| json!({ "runner": { field: value } });
    vec![
        (json!({ "inputsFrom": list(16, input) }), ""),
        (
            json!({ "inputsFrom": list(17, input) }),
            "must have at most 16 items",
        ),
        (json!({ "volumes": list(32, volume) }), ""),
        (
            json!({ "volumes": list(33, volume) }),
            "must have at most 32 items",
        ),
        (
            json!({ "volumes": [volume(1), volume(1)] }),
            "Duplicate value",
        ),
        (json!({ "deployments": list(16, target) }), ""),
        (
            json!({ "deployments": list(17, target) }),
            "must have at most 16 items",
        ),
        (
            json!({ "deployments": [target(1), target(1)] }),
            "Duplicate value",
        ),
        (json!({ "bindings": list(128, binding) }), ""),
        (
            json!({ "bindings": list(129, binding) }),
            "must have at most 128 items",
        ),
        (
            json!({ "bindings": [binding(1), binding(1)] }),
            "Duplicate value",
        ),
        (json!({ "cwl": null, "cwlFrom": files(256) }), ""),
        (
            json!({ "cwl": null, "cwlFrom": files(257) }),
            "must have at most 256 items",
        ),
        (runner("env", list(128, variable)), ""),
        (
            runner("env", list(129, variable)),
            "must have at most 128 items",
        ),
        (
            runner("tolerations", list(33, |_| json!({}))),
            "must have at most 32 items",
        ),
        (
            runner("imagePullSecrets", list(17, |_| json!({ "name": "n" }))),
            "must have at most 16 items",
        ),
        (
            runner("nodeSelector", map(33)),
            "must have at most 32 items",
        ),
        (runner("podLabels", map(33)), "must have at most 32 items"),
        (
            runner("podAnnotations", map(33)),
            "must have at most 32 items",
        ),
    ]
}

fn strings() -> Vec<(Value, &'static str)> {
    let item = |path: &str| json!({ "cwl": null, "cwlFrom": { "configMap": { "name": "n", "items": [{ "key": "k", "path": path }] } } });
    let entrypoint = |name: Value| json!({ "cwl": null, "cwlFrom": { "configMap": { "name": "n" }, "entrypoint": name } });
    let volume =
        |name: &str| json!({ "volumes": [{ "name": name, "configMap": { "name": "n" } }] });
    let folder = |path: &str| json!({ "outputs": { "persistentVolumeClaim": { "claimName": "c", "subPath": path } } });
    let variable = |name: &str| json!({ "runner": { "env": [{ "name": name, "value": "v" }] } });
    let docker = |field: &str, value: &str| json!({ "deployments": [{ "name": "d", "docker": { field: value } }] });
    vec![
        (item("tools/a.cwl"), ""),
        (item("/etc/passwd"), "path must be relative"),
        (item("../a.cwl"), "path must be relative"),
        (item("a/../../b.cwl"), "path must be relative"),
        (entrypoint(json!("")), "should be at least 1 chars long"),
        (entrypoint(text(513)), "may not be more than 512"),
        (volume("Data"), "should match"),
        (volume(&"v".repeat(41)), "may not be more than 40"),
        (folder("runs/1"), ""),
        (folder("/runs"), "subPath must be relative"),
        (folder("runs/../../x"), "subPath must be relative"),
        (variable("HOME"), "env may not set HOME"),
        (variable("DVRE_EVENTS"), "env may not set HOME"),
        (variable("DVRE"), ""),
        (json!({ "deployment": "Mars" }), "should match"),
        (json!({ "deployment": text(64) }), "may not be more than 63"),
        (
            json!({ "bindings": [{ "step": "train", "deployment": "local" }] }),
            "should match",
        ),
        (
            json!({ "runner": { "image": "" } }),
            "should be at least 1 chars long",
        ),
        (json!({ "engine": "Toil" }), "Unsupported value"),
        (
            json!({ "retry": { "policy": "Always" } }),
            "Unsupported value",
        ),
        (
            json!({ "cwl": null, "cwlFrom": { "configMap": { "name": "n", "optional": true } } }),
            "Unsupported value",
        ),
        (
            docker("host", "unix:///var/run/docker.sock"),
            "should match",
        ),
        (docker("workdir", "relative"), "should match"),
    ]
}

fn numbers() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({ "activeDeadlineSeconds": 0 }),
            "greater than or equal to 1",
        ),
        (json!({ "activeDeadlineSeconds": 1 }), ""),
        (
            json!({ "startDeadlineSeconds": 0 }),
            "greater than or equal to 1",
        ),
        (
            json!({ "startDeadlineSeconds": 604_801 }),
            "less than or equal to 604800",
        ),
        (
            json!({ "ttlSecondsAfterFinished": -1 }),
            "greater than or equal to 0",
        ),
        (json!({ "ttlSecondsAfterFinished": 0 }), ""),
        (
            json!({ "retry": { "limit": 21 } }),
            "less than or equal to 20",
        ),
        (
            json!({ "retry": { "limit": -1 } }),
            "greater than or equal to 0",
        ),
        (
            json!({ "startDeadlineSeconds": "soon" }),
            "must be of type integer",
        ),
        (json!({ "suspend": "yes" }), "must be of type boolean"),
        (
            json!({ "cwl": "cwlVersion: v1.2" }),
            "must be of type object",
        ),
        (json!({ "inputs": [] }), "must be of type object"),
    ]
}

fn unknown() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "colour": "blue" }), "unknown field \"spec.colour\""),
        (
            json!({ "runner": { "podPatch": {} } }),
            "unknown field \"spec.runner.podPatch\"",
        ),
        (json!({ "cwl": { "anything": { "goes": [1, null] } } }), ""),
        (
            json!({ "inputs": { "anything": { "goes": [1, null] } } }),
            "",
        ),
    ]
}

/// Every immutable field with two valid values.
pub fn two_values() -> Vec<(&'static str, Value, Value)> {
    let tool = |command: &str| json!({ "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": command, "inputs": {}, "outputs": {} });
    let files = |name: &str| json!({ "configMap": { "name": name }, "entrypoint": "main.cwl" });
    let key = |name: &str| json!({ "name": name, "key": "k" });
    let targets = |folder: &str| json!([{ "name": "mine", "singularity": { "workdir": folder } }]);
    vec![
        ("cwl", tool("true"), tool("false")),
        ("cwlFrom", files("a"), files("b")),
        ("inputs", json!({ "a": 1 }), json!({ "a": 2 })),
        (
            "inputsFrom",
            json!([{ "secretKeyRef": key("a") }]),
            json!([{ "configMapKeyRef": key("a") }]),
        ),
        (
            "volumes",
            json!([{ "name": "a", "secret": { "name": "a" } }]),
            json!([{ "name": "a", "secret": { "name": "b" } }]),
        ),
        ("deployment", json!("docker"), json!("singularity")),
        ("deployments", targets("/a"), targets("/b")),
        (
            "bindings",
            json!([{ "step": "/", "deployment": "local" }]),
            json!([{ "step": "/", "deployment": "slurm" }]),
        ),
        (
            "streamflowFrom",
            json!({ "configMapKeyRef": key("a") }),
            json!({ "configMapKeyRef": key("b") }),
        ),
        ("engine", json!("Cwltool"), json!("StreamFlow")),
        (
            "outputs",
            json!({ "persistentVolumeClaim": { "claimName": "a" } }),
            json!({ "persistentVolumeClaim": { "claimName": "b" } }),
        ),
        ("runner", json!({ "image": "a" }), json!({ "image": "b" })),
        ("activeDeadlineSeconds", json!(1), json!(2)),
        ("startDeadlineSeconds", json!(1), json!(2)),
        ("retry", json!({ "limit": 1 }), json!({ "limit": 2 })),
    ]
}
