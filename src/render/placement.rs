//! Where the steps of a run go, checked: every name resolved, every preset filled in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use k8s_openapi::api::core::v1::{EnvVar, LocalObjectReference, ResourceRequirements, Toleration};

use crate::api::targets::{SlurmTarget, SshTarget};
use crate::runner::run_file::{Cwltool, EngineChoice, Leftover};

/// Where the steps of a run go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    /// The places in use.
    pub targets: Vec<Target>,
    /// Where steps are bound to. The first is `/`, and a longer path wins over a shorter one.
    pub bindings: Vec<Binding>,
    /// ssh hosts in use, each with a Secret of its own.
    pub hosts: Vec<SshTarget>,
    /// A `streamflow.yml` of the user's or the operator's own, overlaid, instead of one that follows
    /// from the rest.
    pub custom: Option<String>,
    /// Sections of a `streamflow.yml` that hold for every run: policies, filters and managers.
    pub shared: Map<String, Value>,
    /// Whether the runner gets a token for the API server.
    pub token: bool,
    /// How often a failed step is tried in all, where a failure is to be retried.
    pub step_attempts: Option<i32>,
    /// The engine that the resource asks for.
    pub engine: EngineChoice,
    /// How cwltool could do the work.
    pub cwltool: Cwltool,
    /// What the run may leave outside of its pod.
    pub leftovers: Vec<Leftover>,
}

/// Where a step, and the steps below it, run.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Its path.
    pub step: String,
    /// How.
    pub bound: Bound,
}

/// The place of a step.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Bound {
    /// Its number in [`Placement::targets`].
    pub target: usize,
    /// Whether the step brings an image of its own: the place then starts another container for it.
    pub own_container: bool,
}

/// A place where steps run: a deployment in StreamFlow's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name in `streamflow.yml`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a place is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The runner's container.
    Local,
    /// Containers of a Docker daemon.
    Docker(Docker),
    /// Apptainer containers in the runner's own.
    Singularity(Singularity),
    /// Pods of one sort.
    Pods(Pods),
    /// A host over ssh.
    Ssh(Ssh),
    /// A Slurm cluster.
    Slurm(Slurm),
}

/// Containers of a Docker daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Docker {
    /// Image of steps that name none.
    pub image: String,
    /// Host name inside.
    pub hostname: String,
    /// Working folder inside.
    pub workdir: String,
    /// Environment inside.
    pub env: Vec<EnvVar>,
    /// The daemon.
    pub daemon: Daemon,
    /// Secret with which images are pulled.
    pub pull_secret: Option<String>,
}

/// A Docker daemon.
#[derive(Clone, Debug, PartialEq)]
pub enum Daemon {
    /// Beside the runner, in its pod.
    Sidecar,
    /// Elsewhere.
    External {
        /// `tcp://HOST:PORT`.
        host: String,
        /// Secret with `ca.pem`, `cert.pem` and `key.pem`.
        tls_secret: Option<String>,
    },
}

/// Apptainer containers.
#[derive(Clone, Debug, PartialEq)]
pub struct Singularity {
    /// Image of steps that name none.
    pub image: String,
    /// Host name inside.
    pub hostname: String,
    /// Working folder inside.
    pub workdir: String,
    /// Environment inside.
    pub env: Vec<EnvVar>,
    /// Claim that keeps pulled images.
    pub cache_claim: Option<String>,
    /// Secret with which images are pulled.
    pub pull_secret: Option<String>,
}

/// Pods for steps that need the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Pods {
    /// Number of the sort within the run.
    pub number: usize,
    /// The first step that runs there.
    pub step: String,
    /// Image.
    pub image: String,
    /// Requests and limits.
    pub resources: ResourceRequirements,
    /// Whether they may use the network.
    pub network: bool,
    /// How many of them.
    pub replicas: i32,
    /// Seconds until they must be ready.
    pub timeout_seconds: i64,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that they tolerate.
    pub tolerations: Vec<Toleration>,
    /// Secrets with which the image is pulled.
    pub pull_secrets: Vec<LocalObjectReference>,
    /// Their ServiceAccount.
    pub service_account: Option<String>,
}

/// A host over ssh.
#[derive(Clone, Debug, PartialEq)]
pub struct Ssh {
    /// Number of the host in [`Placement::hosts`].
    pub host: usize,
    /// A folder there of this run alone.
    pub folder: String,
}

/// A Slurm cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Slurm {
    /// Number of the login host in [`Placement::hosts`]; none for commands of the runner's image.
    pub host: Option<usize>,
    /// A folder of this run alone, on login and compute nodes.
    pub folder: String,
    /// Name of all its jobs.
    pub job_name: String,
    /// Settings of the jobs.
    pub settings: SlurmTarget,
    /// Text of the job template.
    pub template: Option<String>,
}

impl Kind {
    /// Whether a step may bring an image of its own there.
    #[must_use]
    pub fn has_containers(&self) -> bool {
        matches!(self, Self::Docker(_) | Self::Singularity(_) | Self::Pods(_))
    }
}

impl Placement {
    /// All Docker deployments.
    pub fn dockers(&self) -> impl Iterator<Item = &Docker> {
        self.targets.iter().filter_map(|target| match &target.kind {
            Kind::Docker(docker) => Some(docker),
            _ => None,
        })
    }

    /// The Docker deployment that says which daemon the run uses: all of them use one.
    #[must_use]
    pub fn docker(&self) -> Option<&Docker> {
        self.dockers().next()
    }

    /// The apptainer deployment that says how the runner is rendered.
    #[must_use]
    pub fn singularity(&self) -> Option<&Singularity> {
        self.targets.iter().find_map(|target| match &target.kind {
            Kind::Singularity(singularity) => Some(singularity),
            _ => None,
        })
    }

    /// The sorts of step pods.
    pub fn pods(&self) -> impl Iterator<Item = &Pods> {
        self.targets.iter().filter_map(|target| match &target.kind {
            Kind::Pods(pods) => Some(pods),
            _ => None,
        })
    }

    /// Slurm clusters with a job template, with the number of each.
    pub fn templates(&self) -> impl Iterator<Item = (usize, &str)> {
        let slurm = self.targets.iter().enumerate();
        slurm.filter_map(|(number, target)| match &target.kind {
            Kind::Slurm(slurm) => Some((number, slurm.template.as_deref()?)),
            _ => None,
        })
    }
}
