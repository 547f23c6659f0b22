//! What single steps need of the place where they run: container, resources, network.

use super::cursor::Cursor;
use super::problem::{Kind, Problem};
use serde_json::Value;
use std::sync::Arc;

/// A step that runs something, and what it needs there.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its path as StreamFlow names it: `/` for a tool, `/a/b` for a step of a nested workflow.
    pub path: String,
    /// Whether it runs a command. An expression runs in the engine, wherever its step is bound to.
    pub command: bool,
    /// What holds for it of all that stands in the document.
    pub needs: Needs,
}

/// The requirements and hints that hold for one step. For each of them CWL lets the innermost
/// requirement win, and the innermost hint where nothing is required.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// DockerRequirement.
    pub container: Option<Arc<Container>>,
    /// ResourceRequirement.
    pub resources: Option<Arc<Resources>>,
    /// `cwltool:CUDARequirement`.
    pub gpus: Option<Arc<Gpus>>,
    /// NetworkAccess. In CWL v1.0, which has no such requirement, tools have the network.
    pub network: Option<bool>,
}

/// A DockerRequirement.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Where it stands.
    pub place: String,
    /// Whether it stands under `requirements`.
    pub required: bool,
    /// `dockerPull`, else `dockerImageId`. Without either, the image would have to be built.
    pub image: Option<String>,
    /// `dockerOutputDirectory`.
    pub output_directory: Option<String>,
}

/// A number, or an expression that only the engine can evaluate, once for each job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A number.
    Number(f64),
    /// An expression.
    Computed,
}

/// A ResourceRequirement. Sizes are in MiB.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// Where it stands.
    pub place: String,
    /// `coresMin` and `coresMax`.
    pub cores: (Option<Amount>, Option<Amount>),
    /// `ramMin` and `ramMax`.
    pub memory: (Option<Amount>, Option<Amount>),
    /// `tmpdirMin` and `tmpdirMax`.
    pub tmpdir: (Option<Amount>, Option<Amount>),
    /// `outdirMin` and `outdirMax`.
    pub outdir: (Option<Amount>, Option<Amount>),
}

/// A `cwltool:CUDARequirement`, of which only the number of devices says how much is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpus {
    /// Where it stands.
    pub place: String,
    /// `cudaDeviceCountMin`, at least one.
    pub count: Amount,
}

impl Resources {
    /// Whether some amount is an expression.
    #[must_use]
    pub fn computed(&self) -> bool {
        let pairs = [self.cores, self.memory, self.tmpdir, self.outdir];
        pairs
            .iter()
            .any(|(least, most)| [least, most].contains(&&Some(Amount::Computed)))
    }
}

/// What stands at one place: under `requirements`, and under `hints`.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    pub(super) requirements: Needs,
    pub(super) hints: Needs,
}

impl Declared {
    /// What holds inside when `inner` stands there.
    pub(super) fn with(&self, inner: &Self) -> Self {
        Self {
            requirements: inner.requirements.clone().or(&self.requirements),
            hints: inner.hints.clone().or(&self.hints),
        }
    }

    /// What holds in the end.
    pub(super) fn effective(&self) -> Needs {
        self.requirements.clone().or(&self.hints)
    }
}

impl Needs {
    fn or(self, other: &Self) -> Self {
        Self {
            container: self.container.or_else(|| other.container.clone()),
            resources: self.resources.or_else(|| other.resources.clone()),
            gpus: self.gpus.or_else(|| other.gpus.clone()),
            network: self.network.or(other.network),
        }
    }

    /// Takes over one requirement or hint of a known class. The first of a class counts, as in the
    /// engine.
    pub(super) fn take(&mut self, class: &str, at: &Cursor<'_>, required: bool) {
        match class {
            "DockerRequirement" => {
                self.container
                    .get_or_insert_with(|| container(at, required).into());
            }
            "ResourceRequirement" => {
                self.resources.get_or_insert_with(|| resources(at).into());
            }
            "CUDARequirement" => {
                self.gpus.get_or_insert_with(|| gpus(at).into());
            }
            "NetworkAccess" => {
                // An expression may say yes.
                let access = at.value.get("networkAccess");
                let denied = access.is_none_or(|access| *access == Value::Bool(false));
                self.network.get_or_insert(!denied);
            }
            _ => {}
        }
    }

    /// Checks that a place without containers can do.
    pub(super) fn check_no_container(&self) -> Result<(), Problem> {
        match self.container.as_deref() {
            Some(container) if container.required => Err(required_container(
                &container.place,
                container.output_directory.is_some(),
            )),
            Some(container) if container.output_directory.is_some() => Err(output_directory(
                &format!("{}/dockerOutputDirectory", container.place),
            )),
            _ => Ok(()),
        }
    }

    /// Checks that a place with containers can do.
    pub(super) fn check_container(&self) -> Result<(), Problem> {
        match self.container.as_deref() {
            Some(container) if container.image.is_none() => Err(Problem::new(
                Kind::UnsupportedRequirement,
                &container.place,
                "this DockerRequirement has neither `dockerPull` nor `dockerImageId`, and images are \
                 not built or loaded here: push the image to a registry and name it",
            )),
            _ => Ok(()),
        }
    }
}

fn container(at: &Cursor<'_>, required: bool) -> Container {
    let text = |key: &str| {
        let text = at.value.get(key)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    Container {
        place: at.place().to_owned(),
        required,
        image: text("dockerPull").or_else(|| text("dockerImageId")),
        output_directory: text("dockerOutputDirectory"),
    }
}

fn resources(at: &Cursor<'_>) -> Resources {
    let pair = |name: &str| {
        let amount = |end: &str| amount(at.value.get(format!("{name}{end}"))?);
        (amount("Min"), amount("Max"))
    };
    Resources {
        place: at.place().to_owned(),
        cores: pair("cores"),
        memory: pair("ram"),
        tmpdir: pair("tmpdir"),
        outdir: pair("outdir"),
    }
}

fn gpus(at: &Cursor<'_>) -> Gpus {
    let count = at.value.get("cudaDeviceCountMin").and_then(amount);
    Gpus {
        place: at.place().to_owned(),
        count: count.unwrap_or(Amount::Number(1.0)),
    }
}

fn amount(value: &Value) -> Option<Amount> {
    match value {
        Value::Number(number) => number.as_f64().map(Amount::Number),
        Value::String(_) => Some(Amount::Computed),
        _ => None,
    }
}

/// The refusal of a container under `requirements` where there are none.
pub(super) fn required_container(place: &str, directory: bool) -> Problem {
    let directory = if directory {
        ", without its `dockerOutputDirectory`"
    } else {
        ""
    };
    Problem::new(
        Kind::UnsupportedRequirement,
        place,
        &format!(
            "DockerRequirement stands under `requirements`, and this deployment runs no \
             containers. Under `hints`{directory} it would be ignored here; or choose a deployment \
             that runs containers"
        ),
    )
}

fn output_directory(place: &str) -> Problem {
    Problem::new(
        Kind::UnsupportedRequirement,
        place,
        "this deployment runs no containers, and without one the tool would write to this folder \
         outside its working folder; remove it or choose a deployment that runs containers",
    )
}
