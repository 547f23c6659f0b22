//! The deployments of a file: whether they hang together, and which of them a run uses.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

use super::bindings::Target;
use super::problem::{Problem, list, show};

/// Where StreamFlow works in what is not local and names no folder.
const REMOTE_SCRATCH: &str = "/tmp/streamflow";

/// A kind of deployment or container.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// In the runner's own container.
    Local,
    /// Containers of a Docker daemon.
    Docker,
    /// Several containers of a Docker daemon.
    DockerCompose,
    /// Jobs of Flux.
    Flux,
    /// Pods of a Helm chart; of any of Helm's versions.
    Helm,
    /// Pods.
    Kubernetes,
    /// Jobs of PBS.
    Pbs,
    /// Containers of apptainer.
    Singularity,
    /// Jobs of Slurm.
    Slurm,
    /// Hosts over ssh.
    Ssh,
    /// A type that only StreamFlow knows, such as a plugin's.
    Other(String),
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "local" => Self::Local,
            "docker" => Self::Docker,
            "docker-compose" => Self::DockerCompose,
            "flux" => Self::Flux,
            "helm" | "helm3" | "helm4" => Self::Helm,
            "kubernetes" => Self::Kubernetes,
            "pbs" => Self::Pbs,
            "singularity" => Self::Singularity,
            "slurm" => Self::Slurm,
            "ssh" => Self::Ssh,
            other => Self::Other(show(other)),
        }
    }
}

impl fmt::Display for Kind {
    /// As StreamFlow names it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Local => "local",
            Self::Docker => "docker",
            Self::DockerCompose => "docker-compose",
            Self::Flux => "flux",
            Self::Helm => "helm",
            Self::Kubernetes => "kubernetes",
            Self::Pbs => "pbs",
            Self::Singularity => "singularity",
            Self::Slurm => "slurm",
            Self::Ssh => "ssh",
            Self::Other(name) => name,
        })
    }
}

/// A deployment that a run uses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InUse {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The deployment whose locations it runs in. Without one, its commands, such as `docker` and
    /// `sbatch`, run in the runner's container.
    pub wraps: Option<String>,
    /// Whether it is there before the run and stays after it.
    pub external: bool,
    /// Whether it asks Kubernetes with the runner's own ServiceAccount (`inCluster: true`).
    pub in_cluster: bool,
}

/// All deployments of a file, by name.
pub(super) struct Deployments(Map<String, Value>);

impl Deployments {
    /// Takes them out of a file. `models` is their name in old files, and means nothing beside
    /// `deployments`.
    pub(super) fn take(file: &mut Map<String, Value>) -> Result<Self, Problem> {
        let models = file.remove("models");
        let mut all = Map::new();
        for (place, section) in [
            ("deployments", file.remove("deployments")),
            ("models", models),
        ] {
            match section {
                Some(Value::Object(section)) if all.is_empty() => all = section,
                None | Some(Value::Null | Value::Object(_)) => {}
                Some(_) => return Err(Problem::new(place, "expected a mapping of deployments")),
            }
        }
        for (name, deployment) in &all {
            if kind_name(deployment).is_none() {
                return Err(Problem::new(
                    &place(name),
                    "expected a mapping with a `type`",
                ));
            }
        }
        Ok(Self(all))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, name: &str, deployment: Value) {
        self.0.insert(name.to_owned(), deployment);
    }

    /// The names there are, for a message.
    pub(super) fn list(&self) -> String {
        list(self.0.keys())
    }

    /// The kind of a deployment.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        kind_name(self.0.get(name)?).map(Kind::of)
    }

    /// The name of the deployment that another one runs in, if any.
    fn wraps(&self, name: &str) -> Option<&str> {
        let wraps = self.0.get(name)?.get("wraps")?;
        wraps.as_str().or_else(|| wraps.get("deployment")?.as_str())
    }

    /// Refuses what names a deployment or policy that is not there, and what wraps itself.
    pub(super) fn check(&self, policies: &BTreeSet<&str>) -> Result<(), Problem> {
        let mut ends = BTreeSet::new();
        for (name, deployment) in &self.0 {
            let policy = deployment.get("scheduling_policy").and_then(Value::as_str);
            if let Some(policy) = policy.filter(|policy| !policies.contains(policy)) {
                let message = format!(
                    "Policy {} is not defined; scheduling.policies has: {}",
                    show(policy),
                    list(policies)
                );
                return Err(Problem::new(&place(name), &message));
            }
            let mut seen = BTreeSet::from([name.as_str()]);
            let mut at = name.as_str();
            while let Some(inner) = self.wraps(at).filter(|_| !ends.contains(at)) {
                if !self.contains(inner) {
                    let message = format!(
                        "there is no deployment {}; there are: {}",
                        show(inner),
                        self.list()
                    );
                    return Err(Problem::new(&format!("{}.wraps", place(at)), &message));
                }
                if !seen.insert(inner) {
                    let message = format!(
                        "The deployment `{}` leads to a circular reference: Recursive deployment definitions are not allowed.",
                        show(inner)
                    );
                    return Err(Problem::new(&format!("{}.wraps", place(at)), &message));
                }
                at = inner;
            }
            // What leads to one of these leads to an end, so nothing is followed twice.
            ends.extend(seen);
        }
        Ok(())
    }

    /// Gives the operator's folder to local deployments without one. Those that run in them inherit
    /// their folder, which is not meant for inside of a container: they keep StreamFlow's own.
    pub(super) fn set_scratch(&mut self, scratch: &str) {
        let has_none = |name: &str| {
            let workdir = self.0.get(name).and_then(|one| one.get("workdir"));
            workdir.is_none_or(Value::is_null)
        };
        let gets_it = |name: &str| self.kind(name) == Some(Kind::Local) && has_none(name);
        let set: Vec<(String, &str)> = self
            .0
            .keys()
            .filter(|name| has_none(name))
            .filter_map(|name| {
                let inner = self.wraps(name).is_some_and(gets_it);
                match (gets_it(name), inner) {
                    (true, _) => Some((name.clone(), scratch)),
                    (false, true) => Some((name.clone(), REMOTE_SCRATCH)),
                    (false, false) => None,
                }
            })
            .collect();
        for (name, workdir) in set {
            if let Some(Value::Object(deployment)) = self.0.get_mut(&name) {
                deployment.insert("workdir".to_owned(), json!(workdir));
            }
        }
    }

    /// The deployments that the targets name, and those that these run in.
    pub(super) fn in_use(&self, targets: &[Target]) -> Vec<InUse> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for target in targets {
            let mut next = Some(target.deployment.as_str());
            while let Some(name) = next.filter(|name| names.insert(name)) {
                next = self.wraps(name);
            }
        }
        names
            .into_iter()
            .filter_map(|name| self.one(name))
            .collect()
    }

    fn one(&self, name: &str) -> Option<InUse> {
        let deployment = self.0.get(name)?;
        let is_true = |value: Option<&Value>| value.and_then(Value::as_bool) == Some(true);
        Some(InUse {
            name: name.to_owned(),
            kind: self.kind(name)?,
            wraps: self.wraps(name).map(ToOwned::to_owned),
            external: is_true(deployment.get("external")),
            in_cluster: is_true(deployment.pointer("/config/inCluster")),
        })
    }
}

impl From<Deployments> for Value {
    fn from(deployments: Deployments) -> Self {
        Value::Object(deployments.0)
    }
}

fn kind_name(deployment: &Value) -> Option<&str> {
    deployment.get("type")?.as_str()
}

fn place(name: &str) -> String {
    format!("deployments.{}", show(name))
}
