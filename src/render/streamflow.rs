//! `streamflow.yml`: a typed model of the part of StreamFlow 0.2's schema that the operator writes.

use std::fmt::Write;

use serde::Serialize;

use super::Run;
use crate::runner::run_file::WORK_FOLDER;

/// Name of the workflow in the file.
const WORKFLOW: &str = "dvre";
/// Name by which the runner's plugin registers its database and scheduler.
const PLUGIN: &str = "dvre";

#[derive(Serialize)]
struct File<'a> {
    version: &'a str,
    workflows: Workflows<'a>,
    deployments: Named<'a, Deployment<'a>>,
    database: Database<'a>,
    scheduling: Scheduling<'a>,
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
    deployment: Deployment<'a>,
}

#[derive(Serialize)]
struct Binding<'a> {
    step: &'a str,
    target: Target<'a>,
}

#[derive(Serialize)]
struct Target<'a> {
    deployment: &'a str,
}

/// Values by name, in their order.
struct Named<'a, T>(Vec<(&'a str, T)>);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[derive(Serialize)]
struct Deployment<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workdir: Option<String>,
    config: Empty,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Database<'a> {
    r#type: &'a str,
    config: DatabaseConfig,
}

#[derive(Serialize)]
struct DatabaseConfig {
    connection: String,
}

#[derive(Serialize)]
struct Scheduling<'a> {
    scheduler: Scheduler<'a>,
}

#[derive(Serialize)]
struct Scheduler<'a> {
    r#type: &'a str,
    config: Empty,
}

/// The text of the run's `streamflow.yml`.
#[must_use]
pub fn streamflow_yml(run: &Run) -> String {
    let file = File {
        version: "v1.0",
        workflows: Workflows {
            dvre: Workflow {
                r#type: "cwl",
                config: WorkflowConfig {
                    file: format!("{WORK_FOLDER}/workflow/{}", quoted(&run.entrypoint)),
                    settings: format!("{WORK_FOLDER}/inputs.json"),
                    // The runner's container cannot start others: hints of DockerRequirement are
                    // mapped away; a required one was refused before.
                    docker: vec![DockerMapping {
                        step: "/",
                        deployment: Deployment {
                            r#type: "none",
                            workdir: None,
                            config: Empty {},
                        },
                    }],
                },
                bindings: vec![Binding {
                    step: "/",
                    target: Target {
                        deployment: &run.deployment,
                    },
                }],
            },
        },
        deployments: Named(vec![(
            &run.deployment,
            Deployment {
                r#type: "local",
                workdir: Some(format!("{WORK_FOLDER}/scratch")),
                config: Empty {},
            },
        )]),
        database: Database {
            r#type: PLUGIN,
            config: DatabaseConfig {
                connection: format!("{WORK_FOLDER}/{WORKFLOW}.db"),
            },
        },
        scheduling: Scheduling {
            scheduler: Scheduler {
                r#type: PLUGIN,
                config: Empty {},
            },
        },
    };
    // Plain structs with string keys always serialise.
    serde_yaml::to_string(&file).unwrap_or_default()
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
