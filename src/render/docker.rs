//! The Docker daemon of a run: beside its runner, or elsewhere.

use k8s_openapi::api::core::v1::{
    Container, EnvVar, ExecAction, KeyToPath, Probe, SecurityContext, VolumeMount,
};

use super::parts::{Parts, UID, variable};
use super::placement::{Daemon, Docker};
use super::run::Run;
use super::volumes::{self, empty_dir, mount, secret_volume};
use crate::runner::run_file::{DATA_FOLDER, WORK_FOLDER};

/// Folder of the daemon's socket, shared by daemon and runner.
const SOCKET_FOLDER: &str = "/dvre/docker";
/// Folder of the files for TLS.
const TLS_FOLDER: &str = "/dvre/docker-tls";
/// Folder of the client's configuration, with the credentials of registries.
pub const CONFIG_FOLDER: &str = "/dvre/docker-config";
/// Seconds that the daemon may take to come up.
const START_SECONDS: i32 = 120;

/// Adds the daemon, and the way to it.
pub fn add(run: &Run, parts: &mut Parts) {
    let Some(docker) = run.placement.docker() else {
        return;
    };
    match &docker.daemon {
        Daemon::Sidecar => {
            let host = format!("unix://{SOCKET_FOLDER}/docker.sock");
            parts.env.push(variable("DOCKER_HOST", &host));
            let socket = empty_dir("docker-socket", "1Mi", None);
            parts
                .volumes
                .push((socket, vec![mount("docker-socket", SOCKET_FOLDER, false)]));
            let store = empty_dir("docker-store", &run.settings.work_size_limit, None);
            parts.volumes.push((store, vec![]));
            parts.sidecars.push(daemon(run, &host));
        }
        Daemon::External { host, tls_secret } => external(host, tls_secret.as_deref(), parts),
    }
    if docker.pull_secret.is_some() {
        parts.env.push(variable("DOCKER_CONFIG", CONFIG_FOLDER));
    }
    pull_secret(docker.pull_secret.as_deref(), parts);
    let values = run.placement.dockers().flat_map(|docker| &docker.env);
    add_values(values, parts);
}

/// Adds the way to a daemon elsewhere.
pub fn external(host: &str, tls_secret: Option<&str>, parts: &mut Parts) {
    parts.env.push(variable("DOCKER_HOST", host));
    if let Some(secret) = tls_secret {
        parts.env.push(variable("DOCKER_TLS_VERIFY", "1"));
        parts.env.push(variable("DOCKER_CERT_PATH", TLS_FOLDER));
        let volume = secret_volume("docker-tls", secret, None);
        let mounts = vec![mount("docker-tls", TLS_FOLDER, true)];
        parts.volumes.push((volume, mounts));
    }
}

/// Mounts the credentials of registries in the form that Docker's client reads.
pub fn pull_secret(secret: Option<&str>, parts: &mut Parts) {
    let Some(secret) = secret else { return };
    if parts
        .volumes
        .iter()
        .any(|(volume, _)| volume.name == "docker-config")
    {
        return;
    }
    let item = KeyToPath {
        key: ".dockerconfigjson".to_owned(),
        path: "config.json".to_owned(),
        mode: None,
    };
    let volume = secret_volume("docker-config", secret, Some(vec![item]));
    parts
        .volumes
        .push((volume, vec![mount("docker-config", CONFIG_FOLDER, true)]));
}

/// Variables whose value only the cluster knows go through the runner's environment: its client
/// passes them on by name.
fn add_values<'a>(variables: impl Iterator<Item = &'a EnvVar>, parts: &mut Parts) {
    for variable in variables.filter(|variable| variable.value_from.is_some()) {
        if parts.env.iter().all(|known| known.name != variable.name) {
            parts.env.push(variable.clone());
        }
    }
}

fn daemon(run: &Run, host: &str) -> Container {
    let settings = &run.settings.deployments;
    let mut args = vec![
        "dockerd".to_owned(),
        format!("--host={host}"),
        format!("--group={UID}"),
        "--log-level=warn".to_owned(),
    ];
    args.extend(
        settings
            .docker_registry_mirrors
            .iter()
            .map(|mirror| format!("--registry-mirror={mirror}")),
    );
    args.extend(
        settings
            .docker_insecure_registries
            .iter()
            .map(|registry| format!("--insecure-registry={registry}")),
    );
    Container {
        name: "docker".to_owned(),
        image: Some(settings.docker_daemon_image.clone()),
        args: Some(args),
        restart_policy: Some("Always".to_owned()),
        resources: Some(settings.docker_daemon_resources.clone()),
        security_context: Some(SecurityContext {
            privileged: Some(true),
            run_as_non_root: Some(false),
            run_as_user: Some(0),
            run_as_group: Some(0),
            ..SecurityContext::default()
        }),
        startup_probe: Some(Probe {
            exec: Some(ExecAction {
                command: Some(vec![
                    "docker".to_owned(),
                    format!("--host={host}"),
                    "version".to_owned(),
                ]),
            }),
            period_seconds: Some(1),
            timeout_seconds: Some(5),
            failure_threshold: Some(START_SECONDS),
            ..Probe::default()
        }),
        volume_mounts: Some(mounts(run)),
        ..Container::default()
    }
}

/// The daemon sees what the runner's steps read and write under the same paths: cwltool names files
/// to it where they are.
fn mounts(run: &Run) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount("docker-store", "/var/lib/docker", false),
        mount("docker-socket", SOCKET_FOLDER, false),
    ];
    let shared =
        |path: &str| path == WORK_FOLDER || path == "/tmp" || path.starts_with(DATA_FOLDER);
    mounts.extend(
        volumes::volumes(run)
            .into_iter()
            .map(|(_, mount)| mount)
            .filter(|mount| shared(&mount.mount_path)),
    );
    mounts
}

/// Whether a deployment's containers are on the daemon beside the runner.
pub fn is_sidecar(docker: &Docker) -> bool {
    docker.daemon == Daemon::Sidecar
}
