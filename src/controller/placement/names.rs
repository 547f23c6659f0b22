//! Which deployment a step names, and what that name means.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{EXPRESSIONS, invalid};
use crate::api::DvreWorkflowSpec;
use crate::api::targets::{Deployment, DockerTarget, KubernetesTarget, SingularityTarget};
use crate::controller::pod::Trouble;
use crate::cwl::Process;
use crate::render::streamflow::HOST_PREFIX;
use crate::words::list;

/// Deployments that need no entry in `spec.deployments`.
const BUILT_IN: [&str; 4] = ["docker", "kubernetes", "local", "singularity"];

/// Deployments by name, and steps by deployment.
pub struct Names<'a> {
    spec: &'a DvreWorkflowSpec,
    /// Deployment by path, for the paths that `spec.bindings` names.
    bound: BTreeMap<&'a str, &'a str>,
}

/// What a name means: an entry of the spec, or a built-in deployment with its presets.
pub struct Named<'a>(Cow<'a, Deployment>);

impl<'a> Names<'a> {
    /// Checks that every binding leads from a step that there is to a deployment that there is.
    pub fn new(spec: &'a DvreWorkflowSpec, process: &Process) -> Result<Self, Trouble> {
        let names = Self {
            spec,
            bound: spec
                .bindings
                .iter()
                .map(|binding| (trimmed(&binding.step), binding.deployment.as_str()))
                .collect(),
        };
        names.find(&spec.deployment)?;
        let taken = |name: &str| name == EXPRESSIONS || name.starts_with(HOST_PREFIX);
        if let Some(entry) = spec.deployments.iter().find(|entry| taken(&entry.name)) {
            return Err(invalid(format!(
                "spec.deployments: the name {} is the operator's own; choose another",
                entry.name
            )));
        }
        let steps: BTreeSet<&str> = process
            .steps()
            .iter()
            .map(|step| step.path.as_str())
            .chain(process.workflows().iter().map(String::as_str))
            .collect();
        for binding in &spec.bindings {
            let step = trimmed(&binding.step);
            if step != "/" && !steps.contains(step) {
                return Err(invalid(format!(
                    "spec.bindings: the workflow has no step {}; there are {}",
                    binding.step,
                    list(steps.iter().copied())
                )));
            }
            names.find(&binding.deployment)?;
            if let Some(service) = &binding.service {
                return Err(invalid(format!(
                    "spec.bindings: step {} names the service {service}, and deployment {} has none: \
                     services stand in a streamflow.yml of your own (spec.streamflowFrom)",
                    binding.step, binding.deployment
                )));
            }
        }
        Ok(names)
    }

    /// The deployment of a step: that of the longest path that leads to it.
    pub fn of(&self, step: &str) -> &'a str {
        let mut path = step;
        loop {
            if let Some(deployment) = self.bound.get(path) {
                return deployment;
            }
            match path.rfind('/') {
                Some(0) if path != "/" => path = "/",
                Some(end) if end > 0 => path = path.get(..end).unwrap_or("/"),
                _ => return &self.spec.deployment,
            }
        }
    }

    /// What a name means.
    pub fn find(&self, name: &str) -> Result<Named<'a>, Trouble> {
        if let Some(entry) = self
            .spec
            .deployments
            .iter()
            .find(|entry| entry.name == name)
        {
            return Ok(Named(Cow::Borrowed(entry)));
        }
        let mut entry = Deployment {
            name: name.to_owned(),
            ..Deployment::default()
        };
        match name {
            "local" => entry.local = Some(crate::api::targets::LocalTarget {}),
            "docker" => entry.docker = Some(DockerTarget::default()),
            "singularity" => entry.singularity = Some(SingularityTarget::default()),
            "kubernetes" => entry.kubernetes = Some(KubernetesTarget::default()),
            "slurm" => {
                return Err(invalid(
                    "deployment slurm needs settings: an entry of spec.deployments with the name slurm, \
                     and in it slurm.ssh (the login host) and slurm.workdir",
                ));
            }
            _ => {
                let own = self
                    .spec
                    .deployments
                    .iter()
                    .map(|entry| entry.name.as_str());
                let all: BTreeSet<&str> = own.chain(BUILT_IN).collect();
                return Err(invalid(format!(
                    "there is no deployment {name}; there are {}, and slurm with settings of its own in \
                     spec.deployments",
                    list(all)
                )));
            }
        }
        Ok(Named(Cow::Owned(entry)))
    }
}

impl Named<'_> {
    /// The entry, with the settings of one kind.
    pub fn entry(&self) -> &Deployment {
        &self.0
    }

    /// Whether steps run in the runner's container.
    pub fn is_local(&self) -> bool {
        self.0.local.is_some()
    }

    /// The settings of step pods.
    pub fn pods(&self) -> Option<KubernetesTarget> {
        self.0.kubernetes.clone()
    }
}

/// A path as the engine knows it.
fn trimmed(step: &str) -> &str {
    match step.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}
