//! What logging in to other hosts needs: a key each, and one file with the keys of all hosts.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::cannot;
use crate::runner::failure::Failure;
use crate::runner::layout::Layout;
use crate::runner::record::Reason;
use crate::runner::run_file::{KNOWN_HOSTS, RunFile, SSH_FOLDER, SSH_KEY};

/// Checks every Secret, and collects the keys of hosts in the folder `home`.
pub fn collect(layout: &Layout, run: &RunFile, home: Option<&Path>) -> Result<(), Failure> {
    if run.ssh_hosts == 0 {
        return Ok(());
    }
    let mut hosts = Vec::new();
    for number in 0..run.ssh_hosts {
        read(layout, run, number, SSH_KEY)?;
        hosts.extend(read(layout, run, number, KNOWN_HOSTS)?);
        hosts.push(b'\n');
    }
    let home = home.ok_or_else(|| Failure::internal("HOME is not set, and ssh needs it"))?;
    let folder = layout.at(home).join(".ssh");
    write(&folder, &hosts).map_err(|error| cannot("write the keys of hosts", &error))
}

fn write(folder: &Path, hosts: &[u8]) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join(KNOWN_HOSTS))?
        .write_all(hosts)
}

/// One key of one Secret, which must be there and say something.
fn read(layout: &Layout, run: &RunFile, number: usize, key: &str) -> Result<Vec<u8>, Failure> {
    let folder = format!("{SSH_FOLDER}/{number}");
    let failed = |why: &str| {
        let owner = run.leftovers.iter().find_map(|left| {
            let login = left.ssh.as_ref()?;
            Path::new(&login.key)
                .starts_with(&folder)
                .then_some(&left.deployment)
        });
        let owner = owner.map_or_else(
            || format!("number {number} for ssh"),
            |name| format!("for ssh of deployment {name}"),
        );
        Failure::new(
            Reason::DeploymentFailed,
            format!("the Secret {owner} has {why}"),
        )
    };
    match fs::read(layout.at(&folder).join(key)) {
        Ok(text) if text.trim_ascii().is_empty() => Err(failed(&format!("an empty key `{key}`"))),
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(failed(&format!("no key `{key}`")))
        }
        Err(error) => Err(failed(&format!("an unreadable key `{key}`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rstest::rstest;

    use super::*;
    use crate::runner::testing::{Folder, folder};

    fn world(files: &[(&str, &str)]) -> (Folder, Layout, RunFile) {
        let world = folder("ssh");
        for (path, text) in files {
            world.write(&format!("dvre/ssh/{path}"), text);
        }
        let layout = Layout::new(world.path());
        let run = serde_json::from_value(serde_json::json!({
            "namespace": "default", "name": "hello", "deployment": "hpc", "entrypoint": "main.cwl",
            "sshHosts": 2, "leftovers": [{"deployment": "hpc", "ssh": {"host": "login", "port": 22,
            "user": "u", "key": "/dvre/ssh/1/ssh-privatekey", "knownHosts": "/dvre/ssh/1/known_hosts"}}],
        }));
        (world, layout, run.unwrap())
    }

    const ALL: [(&str, &str); 4] = [
        ("0/ssh-privatekey", "key"),
        ("0/known_hosts", "a ssh-ed25519 A"),
        ("1/ssh-privatekey", "key"),
        ("1/known_hosts", "b ssh-ed25519 B\n"),
    ];

    #[test]
    fn the_keys_of_all_hosts_stand_in_one_private_file() {
        let (world, layout, run) = world(&ALL);
        collect(&layout, &run, Some(Path::new("/work/home"))).unwrap();
        let folder = world.path().join("work/home/.ssh");
        let file = folder.join("known_hosts");
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "a ssh-ed25519 A\nb ssh-ed25519 B\n\n"
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    }

    #[rstest]
    #[case::key(
        "0/ssh-privatekey",
        None,
        "the Secret number 0 for ssh has no key `ssh-privatekey`"
    )]
    #[case::hosts(
        "1/known_hosts",
        None,
        "the Secret for ssh of deployment hpc has no key `known_hosts`"
    )]
    #[case::empty(
        "1/known_hosts",
        Some("\n"),
        "the Secret for ssh of deployment hpc has an empty key `known_hosts`"
    )]
    fn what_is_missing_is_named(
        #[case] path: &str,
        #[case] text: Option<&str>,
        #[case] message: &str,
    ) {
        let mut files: Vec<_> = ALL.into_iter().filter(|(name, _)| *name != path).collect();
        files.extend(text.map(|text| (path, text)));
        let (_world, layout, run) = world(&files);
        let failure = collect(&layout, &run, Some(Path::new("/work/home"))).unwrap_err();
        assert_eq!(failure.reason, Reason::DeploymentFailed);
        assert_eq!(failure.message, message);
    }
}
