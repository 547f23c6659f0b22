//! Apptainer in the runner's container.

use k8s_openapi::api::core::v1::SecurityContext;

use super::config_map::REGISTRIES_FILE;
use super::parts::{Parts, variable};
use super::placement::Singularity;
use super::run::Run;
use super::volumes::{claim_volume, config_map_volume, empty_dir, key, mount, secret_volume};
use crate::api::sources::Claim;
use crate::runner::run_file::WORK_FOLDER;

/// Folder of the libraries' configuration of registries.
const REGISTRIES_FOLDER: &str = "/etc/containers";
/// Folder of pulled images that outlive the run.
const CACHE_FOLDER: &str = "/dvre/images";
/// The runner's home, which apptainer writes to.
const HOME_SIZE_LIMIT: &str = "2Gi";

/// Adds what apptainer needs. It works as the runner's own user, with user namespaces; what takes the
/// privilege is that a container may not mount a fresh `/proc` otherwise.
pub fn add(run: &Run, parts: &mut Parts) {
    let Some(singularity) = run.placement.singularity() else {
        return;
    };
    let settings = &run.settings.deployments;
    parts.image = Some(settings.singularity_runner_image.clone());
    parts.security = Some(SecurityContext {
        privileged: Some(true),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    });
    // Values of variables are what they are, and no shell code.
    parts.env.push(variable("APPTAINER_NO_EVAL", "1"));
    environment(singularity, parts);
    if registries(run).is_some() {
        let items = vec![key(REGISTRIES_FILE, REGISTRIES_FILE)];
        let volume = config_map_volume("registries", &run.config_map, items);
        let mounts = vec![mount("registries", REGISTRIES_FOLDER, true)];
        parts.volumes.push((volume, mounts));
    }
    if let Some(claim) = &singularity.cache_claim {
        let claim = Claim {
            claim_name: claim.clone(),
            sub_path: None,
        };
        let (volume, mount) = claim_volume("images", &claim, CACHE_FOLDER, false);
        parts.volumes.push((volume, vec![mount]));
        parts.env.push(variable("APPTAINER_CACHEDIR", CACHE_FOLDER));
    }
    if let Some(secret) = &singularity.pull_secret {
        // Apptainer reads credentials from the user's home only. A home of its own below, or the folder
        // of the mount would be root's.
        let home = format!("{WORK_FOLDER}/home");
        let volume = empty_dir("home", HOME_SIZE_LIMIT, None);
        parts
            .volumes
            .push((volume, vec![mount("home", &home, false)]));
        let items = vec![key(".dockerconfigjson", "config.json")];
        let volume = secret_volume("registry-key", secret, Some(items));
        let mounts = vec![mount("registry-key", &format!("{home}/.docker"), true)];
        parts.volumes.push((volume, mounts));
    }
}

/// StreamFlow drops the environment of such a deployment; apptainer takes it from its own.
fn environment(singularity: &Singularity, parts: &mut Parts) {
    for inside in &singularity.env {
        let mut outside = inside.clone();
        outside.name = format!("APPTAINERENV_{}", inside.name);
        parts.env.push(outside);
    }
}

/// The configuration of registries, where there is a mirror.
pub fn registries(run: &Run) -> Option<String> {
    run.placement.singularity()?;
    let mirror = run
        .settings
        .deployments
        .singularity_registry_mirror
        .as_deref()?;
    let host = mirror
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let insecure = mirror.starts_with("http://");
    Some(format!(
        "[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\n\
         [[registry.mirror]]\nlocation = \"{host}\"\ninsecure = {insecure}\n"
    ))
}
