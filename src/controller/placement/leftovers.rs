//! What a run may leave outside of its pod when it is killed.

use super::typed::folder;
use crate::api::DvreWorkflowSpec;
use crate::api::targets::{Deployment, SlurmTarget, SshTarget};
use crate::names;
use crate::runner::run_file::{KNOWN_HOSTS, Leftover, Login, SSH_FOLDER, SSH_KEY};

/// What a run of this spec may leave behind. It follows from the spec alone, so that it can be told
/// when nothing else is there any more. Entries that no step uses leave nothing, and looking for that
/// costs little.
#[must_use]
pub fn leftovers(spec: &DvreWorkflowSpec, uid: &str) -> Vec<Leftover> {
    let hosts = hosts(spec);
    let login = |target: &SshTarget| {
        let number = position(&hosts, target)?;
        Some(login(number, target))
    };
    used(spec)
        .filter_map(|entry| {
            let mut left = Leftover {
                deployment: entry.name.clone(),
                ..Leftover::default()
            };
            if let Some(docker) = &entry.docker {
                docker.host.as_ref()?;
                left.docker_label = Some(docker_label(uid));
            } else if let Some(ssh) = &entry.ssh {
                left.folder = Some(folder(ssh.workdir.as_deref(), uid));
                left.ssh = login(ssh);
            } else if let Some(slurm) = &entry.slurm {
                left.folder = Some(folder(slurm_workdir(slurm), uid));
                left.slurm_job = Some(names::outside(uid));
                left.ssh = slurm.ssh.as_ref().and_then(login);
            } else {
                return None;
            }
            Some(left)
        })
        .collect()
}

/// The ssh hosts of a spec, each once, in the order of its deployments.
#[must_use]
pub fn hosts(spec: &DvreWorkflowSpec) -> Vec<SshTarget> {
    let mut hosts: Vec<SshTarget> = Vec::new();
    for entry in used(spec) {
        let ssh = entry.ssh.as_ref();
        if let Some(ssh) = ssh.or_else(|| entry.slurm.as_ref()?.ssh.as_ref())
            && position(&hosts, ssh).is_none()
        {
            hosts.push(ssh.clone());
        }
    }
    hosts
}

/// The number of a host among others.
#[must_use]
pub fn position(hosts: &[SshTarget], target: &SshTarget) -> Option<usize> {
    hosts.iter().position(|known| {
        (&known.host, known.port, &known.user, &known.secret_ref)
            == (&target.host, target.port, &target.user, &target.secret_ref)
    })
}

/// The folder that login and compute nodes share.
pub fn slurm_workdir(slurm: &SlurmTarget) -> Option<&str> {
    let own = slurm.ssh.as_ref().and_then(|ssh| ssh.workdir.as_deref());
    slurm.workdir.as_deref().or(own)
}

fn used(spec: &DvreWorkflowSpec) -> impl Iterator<Item = &Deployment> {
    spec.deployments.iter().filter(|entry| {
        entry.name == spec.deployment
            || spec
                .bindings
                .iter()
                .any(|binding| binding.deployment == entry.name)
    })
}

/// The label of the run's containers on an external Docker daemon.
#[must_use]
pub fn docker_label(uid: &str) -> String {
    format!("dvre.io/run={}", names::outside(uid))
}

/// How to log in to a host whose Secret is mounted.
fn login(number: usize, target: &SshTarget) -> Login {
    let folder = format!("{SSH_FOLDER}/{number}");
    Login {
        host: target.host.clone(),
        port: target
            .port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(22),
        user: target.user.clone(),
        key: format!("{folder}/{SSH_KEY}"),
        known_hosts: format!("{folder}/{KNOWN_HOSTS}"),
    }
}
