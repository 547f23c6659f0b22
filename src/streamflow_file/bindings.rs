//! Which steps of a workflow are bound to what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::deployments::{Deployments, Kind};
use super::problem::{Problem, list, show};

/// Where the file binds a step, and those within it, or a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// Path of the step, such as `/` or `/train`, or of the port.
    pub step: String,
    /// Whether the path is that of a port, whose data lies in the deployment.
    pub is_port: bool,
    /// Name of the deployment.
    pub deployment: String,
    /// Its kind.
    pub kind: Kind,
}

/// Where the containers run that CWL's DockerRequirement asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Container {
    /// Path of the step.
    pub step: String,
    /// Docker, Singularity or Kubernetes.
    pub kind: Kind,
    /// Whether the container is started in the target of the step, and not in the runner's container
    /// instead of it.
    pub wrapper: bool,
    /// Whether it asks Kubernetes with the runner's own ServiceAccount (`inCluster: true`).
    pub in_cluster: bool,
}

/// The steps of a workflow.
pub(super) struct Steps(BTreeSet<String>);

impl Steps {
    /// Takes the paths of the steps that run something; what contains them is a step as well.
    pub(super) fn new(steps: &[String]) -> Self {
        let mut all = BTreeSet::from(["/".to_owned()]);
        all.extend(
            steps
                .iter()
                .flat_map(|step| above(step))
                .map(ToOwned::to_owned),
        );
        Self(all)
    }

    fn check(&self, path: &str, place: &str) -> Result<String, Problem> {
        if !path.starts_with('/') {
            let message = format!(
                "Binding {} is not well-defined in the StreamFlow file. It must be an absolute POSIX path",
                show(path)
            );
            return Err(Problem::new(place, &message));
        }
        let normal = normal(path);
        if self.0.contains(&normal) {
            return Ok(normal);
        }
        let message = format!(
            "the workflow has no step {}; it has: {}",
            show(path),
            list(&self.0)
        );
        Err(Problem::new(place, &message))
    }
}

/// The bindings of a workflow.
pub(super) fn read(workflow: &Map<String, Value>, place: &str) -> Result<Vec<Value>, Problem> {
    match workflow.get("bindings") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(bindings)) => Ok(bindings.clone()),
        Some(_) => Err(Problem::new(
            &format!("{place}.bindings"),
            "expected a list of bindings",
        )),
    }
}

/// Whether a binding speaks about every step.
pub(super) fn covers_all(bindings: &[Value]) -> bool {
    bindings
        .iter()
        .any(|binding| text(binding, "step").is_some_and(|step| normal(step) == "/"))
}

/// Checks the bindings, and tells their targets. Of two for the same path, StreamFlow takes the
/// later.
pub(super) fn targets(
    bindings: &[Value],
    place: &str,
    steps: &Steps,
    deployments: &Deployments,
    filters: &BTreeSet<&str>,
) -> Result<Vec<Target>, Problem> {
    let mut all: BTreeMap<(String, bool), Vec<Target>> = BTreeMap::new();
    for (n, binding) in bindings.iter().enumerate() {
        let place = format!("{place}.bindings[{n}]");
        let (step, is_port) = match (text(binding, "step"), text(binding, "port")) {
            (Some(step), _) => (steps.check(step, &place)?, false),
            (None, Some(port)) => (normal(port), true),
            (None, None) => {
                return Err(Problem::new(
                    &place,
                    "expected a mapping with `step` or `port`",
                ));
            }
        };
        let target = binding.get("target").unwrap_or(&Value::Null);
        if is_port && target.get("workdir").is_none() {
            let message = "The `workdir` option is mandatory when specifying a `port` target.";
            return Err(Problem::new(&place, message));
        }
        for filter in names(binding.get("filters")) {
            if !filters.contains(filter) {
                let message = format!(
                    "Binding filter {} is not defined; bindingFilters has: {}",
                    show(filter),
                    list(filters)
                );
                return Err(Problem::new(&place, &message));
            }
        }
        let mut made = Vec::new();
        for target in target
            .as_array()
            .map_or(std::slice::from_ref(target), Vec::as_slice)
        {
            let name = text(target, "deployment").or_else(|| text(target, "model"));
            let Some(name) = name else {
                return Err(Problem::new(
                    &format!("{place}.target"),
                    "expected a mapping with `deployment`",
                ));
            };
            let Some(kind) = deployments.kind(name) else {
                let message = format!(
                    "there is no deployment {}; there are: {}",
                    show(name),
                    deployments.list()
                );
                return Err(Problem::new(&format!("{place}.target"), &message));
            };
            made.push(Target {
                step: step.clone(),
                is_port,
                deployment: name.to_owned(),
                kind,
            });
        }
        all.insert((step, is_port), made);
    }
    Ok(all.into_values().flatten().collect())
}

/// The Docker mappings of a workflow, and one for each bound step that none of them speaks about.
/// Beside each mapping stands where its containers run, if it makes any.
pub(super) fn containers(
    workflow: &mut Map<String, Value>,
    place: &str,
    steps: &Steps,
    targets: &[Target],
) -> Result<Vec<(Value, Option<Container>)>, Problem> {
    let place = format!("{place}.config.docker");
    let config = workflow.get_mut("config").and_then(Value::as_object_mut);
    let mappings = match config.and_then(|config| config.remove("docker")) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(mappings)) => mappings,
        Some(_) => return Err(Problem::new(&place, "expected a list of mappings")),
    };
    let mut all = Vec::new();
    let mut mapped = BTreeSet::new();
    for (n, mapping) in mappings.into_iter().enumerate() {
        let place = format!("{place}[{n}]");
        let deployment = mapping.get("deployment").unwrap_or(&Value::Null);
        let (Some(step), Some(_)) = (text(&mapping, "step"), text(deployment, "type")) else {
            let message = "expected a mapping with `step` and `deployment`";
            return Err(Problem::new(&place, message));
        };
        let step = steps.check(step, &place)?;
        let made = container(&step, deployment);
        mapped.insert(step);
        all.push((mapping, made));
    }
    let mut kinds: BTreeMap<&str, BTreeSet<&Kind>> = BTreeMap::new();
    for target in targets.iter().filter(|target| !target.is_port) {
        kinds.entry(&target.step).or_default().insert(&target.kind);
    }
    for (step, kinds) in kinds {
        if above(step).any(|path| mapped.contains(path)) {
            continue;
        }
        let kind = match (kinds.first(), kinds.len()) {
            (Some(Kind::Docker), 1) => "docker",
            (Some(Kind::Singularity), 1) => "singularity",
            _ => "none",
        };
        let deployment = match kind {
            "none" => json!({"type": kind, "config": {}}),
            kind => json!({"type": kind, "wrapper": false, "config": {}}),
        };
        let made = container(step, &deployment);
        all.push((json!({"step": step, "deployment": deployment}), made));
    }
    Ok(all)
}

/// Where a mapping makes containers.
fn container(step: &str, deployment: &Value) -> Option<Container> {
    let kind = match text(deployment, "type")? {
        "none" => return None,
        "default" => Kind::Docker,
        kind => Kind::of(kind),
    };
    let flag = |pointer| deployment.pointer(pointer).and_then(Value::as_bool);
    Some(Container {
        step: step.to_owned(),
        kind,
        wrapper: flag("/wrapper").unwrap_or(true),
        in_cluster: flag("/config/inCluster") == Some(true),
    })
}

/// The path, and those of all steps that contain it.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([path.len()]);
    let inner = ends
        .filter_map(|end| path.get(..end))
        .filter(|path| !path.is_empty());
    std::iter::once("/").chain(inner)
}

/// A path as Python's `PurePosixPath` has it.
fn normal(path: &str) -> String {
    let root = if path.starts_with("//") && !path.starts_with("///") {
        "//"
    } else {
        "/"
    };
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    format!("{root}{}", parts.join("/"))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

fn names(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
