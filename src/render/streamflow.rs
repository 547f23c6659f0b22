//! `streamflow.yml`: a typed model of the part of StreamFlow 0.2's schema that the operator writes.

mod deployment;

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Run;
use super::placement::{Kind, Target};
use crate::runner::run_file::WORK_FOLDER;
pub use deployment::HOST_PREFIX;
use deployment::{Deployment, Mapping};

/// Name of the workflow in the file.
pub const WORKFLOW: &str = "dvre";
/// Name by which the runner's plugin registers its database and scheduler.
const PLUGIN: &str = "dvre";
/// Folder of the runner's container in which steps with an image of their own work. The daemon beside
/// the runner sees it under the same path.
const CONTAINERS_FOLDER: &str = "/work/containers";
/// Seconds before a failed step is tried again.
const RETRY_SECONDS: i32 = 5;

#[derive(Serialize)]
struct File<'a> {
    version: &'a str,
    workflows: Workflows<'a>,
    deployments: Named<Deployment>,
    database: Value,
    scheduling: Value,
    #[serde(flatten)]
    shared: Map<String, Value>,
}

#[derive(Serialize)]
struct Workflows<'a> {
    dvre: Workflow<'a>,
}

#[derive(Serialize)]
struct Workflow<'a> {
    r#type: &'a str,
    config: WorkflowConfig<'a>,
    bindings: Vec<Binding<'a>>,
}

#[derive(Serialize)]
struct WorkflowConfig<'a> {
    file: String,
    settings: String,
    docker: Vec<DockerMapping<'a>>,
}

#[derive(Serialize)]
struct DockerMapping<'a> {
    step: &'a str,
    deployment: Mapping,
}

#[derive(Serialize)]
struct Binding<'a> {
    step: &'a str,
    target: BindingTarget<'a>,
}

#[derive(Serialize)]
struct BindingTarget<'a> {
    deployment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workdir: Option<&'a str>,
}

/// Values by name, in their order.
struct Named<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The text of the run's `streamflow.yml`.
#[must_use]
pub fn streamflow_yml(run: &Run) -> String {
    if let Some(text) = &run.placement.custom {
        return text.clone();
    }
    let bound = || {
        let bindings = run.placement.bindings.iter();
        bindings.filter_map(|binding| {
            let target = run.placement.targets.get(binding.bound.target)?;
            Some((binding, target))
        })
    };
    let mut shared = run.placement.shared.clone();
    let mut scheduling = shared.remove("scheduling").unwrap_or_else(|| json!({}));
    if let Some(scheduling) = scheduling.as_object_mut() {
        scheduling.insert("scheduler".to_owned(), scheduler());
    }
    if let Some(attempts) = run.placement.step_attempts {
        let manager = json!({
            "enabled": true,
            "type": "rollback",
            "config": { "max_retries": attempts, "retry_delay": RETRY_SECONDS },
        });
        shared.insert("failureManager".to_owned(), manager);
    }
    let file = File {
        version: "v1.0",
        workflows: Workflows {
            dvre: Workflow {
                r#type: "cwl",
                config: WorkflowConfig {
                    file: workflow_file(&run.entrypoint),
                    settings: inputs_file(),
                    docker: bound()
                        .map(|(binding, target)| DockerMapping {
                            step: &binding.step,
                            deployment: deployment::mapping(run, target),
                        })
                        .collect(),
                },
                bindings: bound()
                    .map(|(binding, target)| Binding {
                        step: &binding.step,
                        target: BindingTarget {
                            deployment: &target.name,
                            service: deployment::service(run, target),
                            workdir: binding.bound.own_container.then_some(CONTAINERS_FOLDER),
                        },
                    })
                    .collect(),
            },
        },
        deployments: Named(deployments(run)),
        database: database(),
        scheduling,
        shared,
    };
    // Plain structs with string keys always serialise.
    serde_yaml::to_string(&file).unwrap_or_default()
}

fn deployments(run: &Run) -> Vec<(String, Deployment)> {
    let placement = &run.placement;
    let wrapped = |number: usize| {
        placement
            .targets
            .iter()
            .any(|target| matches!(&target.kind, Kind::Slurm(slurm) if slurm.host == Some(number)))
    };
    let hosts = (0..placement.hosts.len())
        .filter(|number| wrapped(*number))
        .map(|number| (deployment::host_name(number), deployment::host(run, number)));
    let named = |(number, target): (usize, &Target)| {
        (
            target.name.clone(),
            deployment::deployment(run, number, target),
        )
    };
    hosts
        .chain(placement.targets.iter().enumerate().map(named))
        .collect()
}

/// Where the engine finds the workflow.
#[must_use]
pub fn workflow_file(entrypoint: &str) -> String {
    format!("{WORK_FOLDER}/workflow/{}", quoted(entrypoint))
}

/// Where the engine finds the inputs.
#[must_use]
pub fn inputs_file() -> String {
    format!("{WORK_FOLDER}/inputs.json")
}

/// Where steps in the runner's container work.
#[must_use]
pub fn scratch() -> String {
    format!("{WORK_FOLDER}/scratch")
}

/// The database that reports the progress of the run.
#[must_use]
pub fn database() -> Value {
    json!({ "type": PLUGIN, "config": { "connection": format!("{WORK_FOLDER}/{WORKFLOW}.db") } })
}

/// The scheduler that reports the progress of the run.
#[must_use]
pub fn scheduler() -> Value {
    json!({ "type": PLUGIN, "config": {} })
}

/// The entry point as StreamFlow reads it: it takes the path for a part of a URL and unquotes it.
fn quoted(entrypoint: &str) -> String {
    let (path, id) = match entrypoint.split_once('#') {
        Some((path, id)) => (path, format!("#{id}")),
        None => (entrypoint, String::new()),
    };
    let mut quoted = String::with_capacity(entrypoint.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-') {
            quoted.push(char::from(byte));
        } else {
            // Writing to a String never fails.
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted + &id
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_survives_being_unquoted() {
        assert_eq!(quoted("tools/a.cwl"), "tools/a.cwl");
        assert_eq!(quoted("my tool+1%.cwl#main"), "my%20tool%2B1%25.cwl#main");
    }
}
