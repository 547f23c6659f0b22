//! The user's file with what the operator must own.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::bindings::{self, Container, Steps, Target};
use super::deployments::{Deployments, InUse, Kind};
use super::problem::{Problem, list, show};
use super::write::yaml;

/// Name of the workflow in the overlaid file, and of the one that is taken among several.
const WORKFLOW: &str = "dvre";

/// What the operator owns, and what it knows of the run.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// Path of the workflow's file in the runner, as StreamFlow reads it.
    pub workflow_file: &'a str,
    /// Path of the input object in the runner.
    pub settings_file: &'a str,
    /// Working folder of local deployments that name none.
    pub scratch: &'a str,
    /// The whole `database` section.
    pub database: &'a Value,
    /// The whole `scheduling.scheduler` section.
    pub scheduler: &'a Value,
    /// Where everything runs that no binding of the file speaks about: `spec.deployment`.
    pub deployment: &'a str,
    /// What stands for that deployment where the file does not have it. `None` refuses such a file,
    /// which is right for a file of the user's own; an operator's default file may well not know of
    /// every deployment.
    pub fallback: Option<&'a Value>,
    /// Paths of the workflow's steps, as `cwl::Process::steps` gives them.
    pub steps: &'a [String],
}

/// A `streamflow.yml` that can run, and what it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlaid {
    /// Its text: YAML, the same for the same values.
    pub text: String,
    /// Where the file binds steps and ports to, the most general path first.
    pub targets: Vec<Target>,
    /// Deployments that the targets name or wrap, by name.
    pub deployments: Vec<InUse>,
    /// Where containers of DockerRequirement run, by step.
    pub containers: Vec<Container>,
    /// Kinds of all these deployments and containers.
    pub kinds: BTreeSet<Kind>,
}

/// Overlays a file.
///
/// Kept are the deployments, the bindings and the Docker mappings of its one workflow, the binding
/// filters, the scheduling policies, and the managers of failures, checkpoints, data and deployments.
/// Set are the workflow's file and settings, the database, the scheduler, and the working folder of
/// local deployments without one. Steps that no Docker mapping of the file speaks about get one for
/// each binding: `docker` or `singularity` where they run in such containers anyway, else `none`.
///
/// The file is expected to fit StreamFlow's schema; what does not is refused or kept as it is.
///
/// # Errors
/// What StreamFlow would stumble over, or understand differently from what is written: names of
/// deployments, steps, policies and filters that do not exist, deployments that wrap themselves,
/// several workflows.
pub fn overlay(user: &Value, own: &Own<'_>) -> Result<Overlaid, Problem> {
    let Value::Object(user) = user else {
        return Err(Problem::whole(
            "expected a mapping with `version` and the rest",
        ));
    };
    let mut file = user.clone();
    let mut deployments = Deployments::take(&mut file)?;
    let (name, mut workflow) = workflow(&file)?;
    let place = format!("workflows.{}", show(&name));
    let steps = Steps::new(own.steps);

    let mut bound = bindings::read(&workflow, &place)?;
    if !bindings::covers_all(&bound) {
        let default = default_target(&mut deployments, own, !bound.is_empty())?;
        bound.insert(0, json!({"step": "/", "target": {"deployment": default}}));
    }
    let targets = bindings::targets(&bound, &place, &steps, &deployments, &filters(&file))?;
    let containers = bindings::containers(&mut workflow, &place, &steps, &targets)?;
    deployments.check(&policies(&file))?;
    deployments.set_scratch(own.scratch);
    let in_use = deployments.in_use(&targets);

    let docker = containers
        .iter()
        .map(|(mapping, _)| mapping.clone())
        .collect();
    let config = json!({
        "file": own.workflow_file,
        "settings": own.settings_file,
        "docker": Value::Array(docker),
    });
    let workflow = json!({"type": "cwl", "config": config, "bindings": bound});
    file.insert("workflows".to_owned(), json!({ WORKFLOW: workflow }));
    file.insert("deployments".to_owned(), deployments.into());
    file.insert("database".to_owned(), own.database.clone());
    let scheduling = file.entry("scheduling").or_insert_with(|| json!({}));
    match scheduling {
        Value::Object(scheduling) => {
            scheduling.insert("scheduler".to_owned(), own.scheduler.clone());
        }
        other => *other = json!({"scheduler": own.scheduler}),
    }
    file.entry("version").or_insert_with(|| json!("v1.0"));

    let containers: Vec<Container> = containers
        .into_iter()
        .filter_map(|(_, made)| made)
        .collect();
    let kinds = in_use.iter().map(|one| &one.kind);
    let kinds = kinds.chain(containers.iter().map(|one| &one.kind));
    Ok(Overlaid {
        kinds: kinds.cloned().collect(),
        text: yaml(&Value::Object(file)),
        targets,
        deployments: in_use,
        containers,
    })
}

/// The workflow to take and its name; an empty one where the file has none.
fn workflow(file: &Map<String, Value>) -> Result<(String, Map<String, Value>), Problem> {
    let empty = Map::new();
    let workflows = match file.get("workflows") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(workflows)) => workflows,
        Some(_) => return Err(Problem::new("workflows", "expected a mapping of workflows")),
    };
    let is_cwl = |value: &&Value| value.get("type").and_then(Value::as_str) == Some("cwl");
    let mut cwl = workflows.iter().filter(|(_, value)| is_cwl(value));
    let chosen = match (
        workflows
            .get_key_value(WORKFLOW)
            .filter(|(_, value)| is_cwl(value)),
        cwl.next(),
        cwl.next(),
    ) {
        (Some(named), ..) => Some(named),
        (None, Some(_), Some(_)) => {
            let names = list(workflows.keys());
            let message = format!(
                "there are several workflows, and none is named {WORKFLOW}: {names}; keep one"
            );
            return Err(Problem::new("workflows", &message));
        }
        (None, only, _) => only,
    };
    Ok(match chosen {
        Some((name, Value::Object(workflow))) => (name.clone(), workflow.clone()),
        _ => (WORKFLOW.to_owned(), Map::new()),
    })
}

/// The deployment that `/` is bound to where the file does not say it.
fn default_target(
    deployments: &mut Deployments,
    own: &Own<'_>,
    has_bindings: bool,
) -> Result<String, Problem> {
    let name = own.deployment.to_owned();
    if deployments.contains(&name) {
        return Ok(name);
    }
    // StreamFlow itself runs locally what no binding speaks about. In a file with deployments that
    // nothing uses, that is hardly what was meant.
    let local = (name == "local" && (has_bindings || deployments.is_empty()))
        .then(|| json!({"type": "local", "config": {}}));
    if let Some(deployment) = own.fallback.cloned().or(local) {
        deployments.insert(&name, deployment);
        return Ok(name);
    }
    Err(Problem::new(
        "deployments",
        &format!(
            "nothing is bound to `/`, and there is no deployment {}, which spec.deployment names; there are: {}",
            show(&name),
            deployments.list()
        ),
    ))
}

fn filters(file: &Map<String, Value>) -> BTreeSet<&str> {
    names(file.get("bindingFilters"))
}

fn policies(file: &Map<String, Value>) -> BTreeSet<&str> {
    names(
        file.get("scheduling")
            .and_then(|scheduling| scheduling.get("policies")),
    )
}

fn names(section: Option<&Value>) -> BTreeSet<&str> {
    let section = section.and_then(Value::as_object);
    section
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect()
}
