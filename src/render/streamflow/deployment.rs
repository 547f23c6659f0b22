//! A place of steps as a deployment of `streamflow.yml`, and what a DockerRequirement becomes there.

use k8s_openapi::api::core::v1::EnvVar;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::placement::{Docker, Kind, Singularity, Slurm, Ssh, Target};
use super::super::{Run, docker, step_pods};
use crate::api::targets::SshTarget;
use crate::controller::placement::docker_label;
use crate::render::parts::UID;
use crate::runner::run_file::{
    PODS_FOLDER, RUN_FOLDER, SSH_FOLDER, SSH_KEY, TEMPLATES_FOLDER, WORK_FOLDER,
};
use crate::settings::resources::limit;

/// Folder of the runner's container that apptainer containers see as their working folder.
const SHARED_FOLDER: &str = "/work/singularity";
/// What the names of login hosts begin with.
pub const HOST_PREFIX: &str = "ssh-host-";
/// The only service of a Slurm deployment.
pub const SERVICE: &str = "jobs";
/// Jobs in the queue at one time when nothing else is said.
const CONCURRENT_JOBS: i32 = 50;
/// Seconds between two looks at the queue when nothing else is said.
const POLLING_SECONDS: i32 = 5;
/// Jobs of an ssh host that run at one time; the usual limit of sessions of one connection.
const SSH_SESSIONS: i32 = 10;

/// A deployment in StreamFlow's schema.
#[derive(Serialize)]
pub struct Deployment {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workdir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wraps: Option<String>,
    config: Value,
}

/// What a DockerRequirement becomes.
#[derive(Serialize)]
pub struct Mapping {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapper: Option<bool>,
    config: Value,
}

/// The deployment of a target.
pub fn deployment(run: &Run, number: usize, target: &Target) -> Deployment {
    let plain = |r#type, workdir: &str, config| Deployment {
        r#type,
        workdir: Some(workdir.to_owned()),
        wraps: None,
        config,
    };
    match &target.kind {
        Kind::Local => plain("local", &super::scratch(), json!({})),
        Kind::Docker(docker) => plain("docker", &docker.workdir, docker_config(run, docker)),
        Kind::Singularity(singularity) => plain(
            "singularity",
            &singularity.workdir,
            singularity_config(number, singularity),
        ),
        Kind::Pods(pods) => plain(
            "kubernetes",
            step_pods::FOLDER,
            json!({
                "files": [format!("{WORK_FOLDER}/{PODS_FOLDER}/{}.yaml", pods.number)],
                "inCluster": true,
                "timeout": pods.timeout_seconds,
            }),
        ),
        Kind::Ssh(ssh) => ssh_deployment(run, ssh),
        Kind::Slurm(slurm) => Deployment {
            wraps: slurm.host.map(host_name),
            ..plain("slurm", &slurm.folder, slurm_config(number, slurm))
        },
    }
}

/// The service that a binding to the target names.
pub fn service(run: &Run, target: &Target) -> Option<String> {
    match &target.kind {
        Kind::Pods(pods) => Some(step_pods::container_name(run, pods)),
        Kind::Slurm(_) => Some(SERVICE.to_owned()),
        _ => None,
    }
}

/// What a DockerRequirement becomes on the target.
pub fn mapping(run: &Run, target: &Target) -> Mapping {
    let replaced = |r#type, config| Mapping {
        r#type,
        wrapper: Some(false),
        config,
    };
    match &target.kind {
        Kind::Docker(docker) => replaced("docker", container_config(run, docker)),
        Kind::Singularity(singularity) => {
            let config = json!({ "hostname": singularity.hostname });
            replaced("singularity", config)
        }
        // The image of a step pod is in its manifest; and where there are no containers, a hint is
        // ignored, and a requirement was refused before.
        Kind::Pods(_) | Kind::Local | Kind::Ssh(_) | Kind::Slurm(_) => Mapping {
            r#type: "none",
            wrapper: None,
            config: json!({}),
        },
    }
}

/// Name of the deployment that a host is for those that run through it.
pub fn host_name(number: usize) -> String {
    format!("{HOST_PREFIX}{number}")
}

/// The deployment of a login host.
pub fn host(run: &Run, number: usize) -> Deployment {
    let config = run
        .placement
        .hosts
        .get(number)
        .map(|host| ssh_config(number, host));
    Deployment {
        r#type: "ssh",
        workdir: None,
        wraps: None,
        config: config.unwrap_or_default(),
    }
}

fn ssh_deployment(run: &Run, ssh: &Ssh) -> Deployment {
    Deployment {
        workdir: Some(ssh.folder.clone()),
        ..host(run, ssh.host)
    }
}

fn ssh_config(number: usize, host: &SshTarget) -> Value {
    let port = host.port.unwrap_or(22);
    let name = if host.host.contains(':') {
        format!("[{}]:{port}", host.host)
    } else {
        format!("{}:{port}", host.host)
    };
    json!({
        "connectTimeout": 10,
        "maxConcurrentSessions": SSH_SESSIONS,
        "retries": 3,
        "retryDelay": 2,
        "nodes": [{
            "hostname": name,
            "username": host.user,
            "sshKey": format!("{SSH_FOLDER}/{number}/{SSH_KEY}"),
            "checkHostKey": true,
        }],
    })
}

fn slurm_config(number: usize, slurm: &Slurm) -> Value {
    let settings = &slurm.settings;
    let template = slurm
        .template
        .as_ref()
        .map(|_| format!("{RUN_FOLDER}/{TEMPLATES_FOLDER}/{number}"));
    let service = present([
        ("jobName", Some(json!(slurm.job_name))),
        ("file", template.map(Value::from)),
        ("account", settings.account.clone().map(Value::from)),
        ("qos", settings.qos.clone().map(Value::from)),
        ("partition", settings.partition.clone().map(Value::from)),
        ("time", settings.time.clone().map(Value::from)),
        ("mem", settings.memory.clone().map(Value::from)),
        ("cpusPerTask", settings.cpus.map(Value::from)),
        ("gpus", settings.gpus.clone().map(Value::from)),
    ]);
    json!({
        "maxConcurrentJobs": settings.max_concurrent_jobs.unwrap_or(CONCURRENT_JOBS),
        "pollingInterval": settings.polling_interval_seconds.unwrap_or(POLLING_SECONDS),
        "services": { SERVICE: service },
    })
}

fn docker_config(run: &Run, docker: &Docker) -> Value {
    let mut config = container_config(run, docker);
    if let Some(config) = config.as_object_mut() {
        config.insert("image".to_owned(), json!(docker.image));
        config.insert("workdir".to_owned(), json!(docker.workdir));
        // The daemon makes the working folder as root, and results come back through the daemon.
        config.remove("user");
    }
    config
}

/// What holds for every container of a docker deployment.
fn container_config(run: &Run, docker: &Docker) -> Value {
    let limits = &run.settings.deployments.docker_daemon_resources;
    let env: Vec<String> = docker.env.iter().map(variable).collect();
    let sidecar = docker::is_sidecar(docker);
    let of_sidecar = |value: Option<Value>| value.filter(|_| sidecar);
    present([
        // Whatever the image would start by itself, the engine needs a container that waits for it.
        ("entrypoint", Some(json!("sleep"))),
        ("command", Some(json!(["infinity"]))),
        ("hostname", Some(json!(docker.hostname))),
        ("env", (!env.is_empty()).then(|| json!(env))),
        ("label", Some(json!([docker_label(&run.uid)]))),
        // A step that takes too much memory is to die itself, and not the daemon beside it.
        ("oomScoreAdj", of_sidecar(Some(json!(1000)))),
        (
            "memory",
            of_sidecar(limit(limits, "memory", 1.0).map(Value::from)),
        ),
        (
            "cpuQuota",
            of_sidecar(limit(limits, "cpu", 100_000.0).map(Value::from)),
        ),
        // The runner reads results where the daemon has them, as its own user.
        ("user", of_sidecar(Some(json!(format!("{UID}:{UID}"))))),
    ])
}

fn singularity_config(number: usize, singularity: &Singularity) -> Value {
    json!({
        "image": singularity.image,
        "hostname": singularity.hostname,
        "bind": [format!("{SHARED_FOLDER}/{number}:{}", singularity.workdir)],
    })
}

fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter();
    let fields: Map<String, Value> = fields
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    fields.into()
}

/// A variable as the engine's command line takes it, in double quotes for a shell; by name alone when
/// only the runner's environment has the value.
fn variable(variable: &EnvVar) -> String {
    if variable.value_from.is_some() {
        return variable.name.clone();
    }
    let mut text = format!("{}=", variable.name);
    for c in variable.value.as_deref().unwrap_or_default().chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
