//! Keys for the ssh hosts of a run.

use k8s_openapi::api::core::v1::KeyToPath;

use super::parts::{Parts, variable};
use super::run::Run;
use super::volumes::{mount, secret_volume};
use crate::api::targets::SshTarget;
use crate::runner::run_file::{KNOWN_HOSTS, SSH_FOLDER, SSH_KEY};

/// Mounts the key and the host's keys of every host.
pub fn add(run: &Run, parts: &mut Parts) {
    add_hosts(&run.placement.hosts, parts);
}

/// The same for any pod.
pub fn add_hosts(hosts: &[SshTarget], parts: &mut Parts) {
    if hosts.is_empty() {
        return;
    }
    // The ssh client wants to know who asks, and the image's user has no entry everywhere.
    parts.env.push(variable("USER", "dvre"));
    for (number, host) in hosts.iter().enumerate() {
        let name = format!("ssh-{number}");
        let item = |key: &str| KeyToPath {
            key: key.to_owned(),
            path: key.to_owned(),
            mode: None,
        };
        let items = vec![item(SSH_KEY), item(KNOWN_HOSTS)];
        let volume = secret_volume(&name, &host.secret_ref.name, Some(items));
        let mount = mount(&name, &format!("{SSH_FOLDER}/{number}"), true);
        parts.volumes.push((volume, vec![mount]));
    }
}
