//! Typed settings of a deployment, with the operator's presets for what they leave out.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;

use super::leftovers::{position, slurm_workdir};
use super::names::Named;
use super::{Request, invalid};
use crate::api::targets::{DockerTarget, SingularityTarget, SlurmTarget};
use crate::controller::pod::Trouble;
use crate::controller::validate;
use crate::names;
use crate::render::placement::{Daemon, Docker, Kind, Placement, Singularity, Slurm, Ssh};

/// Where a host keeps the folders of runs when nothing else is said.
const DEFAULT_FOLDER: &str = "/tmp";
/// Variables that belong to the runner, so that a value from elsewhere cannot take their name.
const RESERVED: [&str; 7] = [
    "HOME",
    "PATH",
    "TMPDIR",
    "USER",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
];

/// The place that a deployment is, except step pods.
pub fn kind(
    request: &Request<'_>,
    placement: &Placement,
    name: &str,
    named: &Named<'_>,
) -> Result<Kind, Trouble> {
    let entry = named.entry();
    if let Some(target) = &entry.docker {
        return docker(request, placement, name, target).map(Kind::Docker);
    }
    if let Some(target) = &entry.singularity {
        return singularity(request, placement, name, target).map(Kind::Singularity);
    }
    if let Some(target) = &entry.ssh {
        return Ok(Kind::Ssh(Ssh {
            host: position(&placement.hosts, target).unwrap_or_default(),
            folder: folder(target.workdir.as_deref(), request.uid),
        }));
    }
    if let Some(target) = &entry.slurm {
        return slurm(request, placement, name, target).map(Kind::Slurm);
    }
    Ok(Kind::Local)
}

/// Containers of a Docker daemon.
pub fn docker(
    request: &Request<'_>,
    placement: &Placement,
    name: &str,
    target: &DockerTarget,
) -> Result<Docker, Trouble> {
    let presets = &request.settings.deployments;
    let daemon = match &target.host {
        Some(host) => Daemon::External {
            host: host.clone(),
            tls_secret: target
                .tls_secret_ref
                .as_ref()
                .map(|secret| secret.name.clone()),
        },
        None if target.tls_secret_ref.is_some() => {
            return Err(invalid(format!(
                "deployment {name}: tlsSecretRef belongs to an external daemon: give its host, too"
            )));
        }
        None => {
            privileged(request, name, "a Docker daemon beside the runner")?;
            Daemon::Sidecar
        }
    };
    let docker = Docker {
        image: image(name, target.image.as_ref().unwrap_or(&presets.docker_image))?,
        hostname: preset(target.hostname.as_ref(), &presets.docker_hostname),
        workdir: preset(target.workdir.as_ref(), &presets.docker_workdir),
        env: env(name, &presets.docker_env, &target.env)?,
        daemon,
        pull_secret: target
            .pull_secret_ref
            .as_ref()
            .map(|secret| secret.name.clone()),
    };
    if let Some(other) = placement.docker()
        && (other.daemon != docker.daemon || other.pull_secret != docker.pull_secret)
    {
        return Err(invalid(format!(
            "deployment {name}: all docker deployments of a run use the same daemon and pull secret"
        )));
    }
    Ok(docker)
}

/// Apptainer containers.
pub fn singularity(
    request: &Request<'_>,
    placement: &Placement,
    name: &str,
    target: &SingularityTarget,
) -> Result<Singularity, Trouble> {
    privileged(request, name, "apptainer in the runner's container")?;
    let presets = &request.settings.deployments;
    let singularity = Singularity {
        image: image(
            name,
            target.image.as_ref().unwrap_or(&presets.singularity_image),
        )?,
        hostname: preset(target.hostname.as_ref(), &presets.singularity_hostname),
        workdir: preset(target.workdir.as_ref(), &presets.singularity_workdir),
        env: env(name, &presets.singularity_env, &target.env)?,
        cache_claim: target.cache_claim_name.clone(),
        pull_secret: target
            .pull_secret_ref
            .as_ref()
            .map(|secret| secret.name.clone()),
    };
    if let Some(other) = placement.singularity()
        && (other.env != singularity.env
            || other.cache_claim != singularity.cache_claim
            || other.pull_secret != singularity.pull_secret)
    {
        return Err(invalid(format!(
            "deployment {name}: all singularity deployments of a run have the same env, cache and pull secret"
        )));
    }
    Ok(singularity)
}

fn privileged(request: &Request<'_>, name: &str, what: &str) -> Result<(), Trouble> {
    if request.settings.deployments.allow_privileged {
        return Ok(());
    }
    let instead = if what.contains("Docker") {
        ", or give the deployment the host of an external daemon"
    } else {
        ""
    };
    Err(invalid(format!(
        "deployment {name} runs {what}, which needs a privileged container, and this operator does not \
         allow that: whoever runs it can set deployments.allowPrivileged=true in its chart \
         (--allow-privileged){instead}"
    )))
}

fn slurm(
    request: &Request<'_>,
    placement: &Placement,
    name: &str,
    target: &SlurmTarget,
) -> Result<Slurm, Trouble> {
    let own_image = request
        .spec
        .runner
        .as_ref()
        .is_some_and(|runner| runner.image.is_some());
    if target.ssh.is_none() && !own_image {
        return Err(invalid(format!(
            "deployment {name}: the operator's runner image has no Slurm commands: give slurm.ssh, the \
             login host, or an image that has them in spec.runner.image"
        )));
    }
    let Some(workdir) = slurm_workdir(target) else {
        return Err(invalid(format!(
            "deployment {name}: give slurm.workdir, a folder that login and compute nodes share"
        )));
    };
    let template = match &target.template_from {
        Some(from) => Some(template(request, name, from)?),
        None => None,
    };
    Ok(Slurm {
        host: target
            .ssh
            .as_ref()
            .and_then(|ssh| position(&placement.hosts, ssh)),
        folder: folder(Some(workdir), request.uid),
        job_name: names::outside(request.uid),
        settings: target.clone(),
        template,
    })
}

fn template(
    request: &Request<'_>,
    name: &str,
    from: &crate::api::targets::TemplateFrom,
) -> Result<String, Trouble> {
    let text = validate::key(request.config_maps, &from.config_map_key_ref)?;
    let compact: String = text.split_whitespace().collect();
    if !compact.contains("{{streamflow_command}}") {
        return Err(invalid(format!(
            "deployment {name}: the job template in key {} of ConfigMap {} lacks \
             {{{{streamflow_command}}}}, the place of the step's command",
            from.config_map_key_ref.key, from.config_map_key_ref.name
        )));
    }
    Ok(text.clone())
}

/// The folder of one run on a host.
pub fn folder(workdir: Option<&str>, uid: &str) -> String {
    let workdir = workdir.unwrap_or(DEFAULT_FOLDER).trim_end_matches('/');
    format!("{workdir}/{}", names::outside(uid))
}

fn preset(own: Option<&String>, preset: &str) -> String {
    own.cloned().unwrap_or_else(|| preset.to_owned())
}

/// An image that is one word: the engine puts it into a command line.
pub fn image(name: &str, image: &str) -> Result<String, Trouble> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:/@-+".contains(c);
    if image.is_empty() || image.starts_with('-') || !image.chars().all(allowed) {
        return Err(invalid(format!(
            "deployment {name}: {image:?} is not the name of an image"
        )));
    }
    Ok(image.to_owned())
}

fn env(
    name: &str,
    presets: &BTreeMap<String, String>,
    own: &[EnvVar],
) -> Result<Vec<EnvVar>, Trouble> {
    let mut merged: BTreeMap<&str, EnvVar> = presets
        .iter()
        .map(|(name, value)| {
            let variable = EnvVar {
                name: name.clone(),
                value: Some(value.clone()),
                value_from: None,
            };
            (name.as_str(), variable)
        })
        .collect();
    for variable in own {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.name.is_empty() || !variable.name.chars().all(valid) {
            return Err(invalid(format!(
                "deployment {name}: env {:?} is not the name of a variable",
                variable.name
            )));
        }
        let taken = RESERVED.contains(&variable.name.as_str())
            || [
                "DVRE_",
                "DOCKER_",
                "APPTAINER",
                "SINGULARITY",
                "KUBERNETES_",
            ]
            .iter()
            .any(|prefix| variable.name.starts_with(prefix));
        if variable.value_from.is_some() && taken {
            return Err(invalid(format!(
                "deployment {name}: env {} cannot have a valueFrom, as the variable of that name is the \
                 runner's own",
                variable.name
            )));
        }
        if variable
            .value
            .as_ref()
            .is_some_and(|value| value.contains(['\n', '\0']))
        {
            return Err(invalid(format!(
                "deployment {name}: the value of env {} has more than one line",
                variable.name
            )));
        }
        merged.insert(&variable.name, variable.clone());
    }
    Ok(merged.into_values().collect())
}
