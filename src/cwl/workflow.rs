//! Steps of a workflow: what they run, and the links between them.

use super::cursor::Cursor;
use super::header::{Version, check_fields};
use super::names::{fragment, short, split};
use super::needs::Declared;
use super::order::in_order;
use super::problem::{Problem, list, show};
use super::process::Loader;
use super::tool::{Port, Ports};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};

const STEP_FIELDS: [&str; 10] = [
    "doc",
    "hints",
    "id",
    "in",
    "label",
    "out",
    "requirements",
    "run",
    "scatter",
    "scatterMethod",
];

/// A step as far as its users need it.
pub(super) struct Step<'a> {
    pub(super) name: &'a str,
    pub(super) node: usize,
    pub(super) at: Cursor<'a>,
    /// The requirements and hints of the step itself.
    pub(super) declared: Declared,
}

/// The names that links in a workflow may lead to.
struct Scope<'s, 'a> {
    workflow: &'s Cursor<'a>,
    id: &'a str,
    inputs: HashSet<&'a str>,
    /// The outputs of each step, with the number of the step.
    steps: HashMap<&'a str, (usize, HashSet<&'a str>)>,
}

/// Reads the steps of a workflow and checks every link.
///
/// # Errors
/// A step, link or process that is not valid.
pub(super) fn read<'a>(
    loader: &mut Loader<'a>,
    at: &Cursor<'a>,
    inputs: &Ports<'a>,
    version: Version,
) -> Result<Vec<Step<'a>>, Problem> {
    let mut scope = Scope {
        workflow: at,
        id: at
            .value
            .get("id")
            .and_then(Value::as_str)
            .map_or("", fragment),
        inputs: inputs.0.iter().map(|port| port.name).collect(),
        steps: HashMap::new(),
    };
    let mut steps = Vec::new();
    for (name, step) in at.need("steps")?.unique("id")? {
        // Both engines refuse a condition in an older document.
        let newer: &[&str] = if version == Version::V1_2 {
            &["when"]
        } else {
            &[]
        };
        check_fields(&step, &[&STEP_FIELDS, newer])?;
        let node = run(loader, &step, version)?;
        let declared = Loader::requirements(&step)?;
        scope
            .steps
            .insert(name, (steps.len(), outputs(loader, &step, node)?));
        steps.push(Step {
            name,
            node,
            at: step,
            declared,
        });
    }
    let mut needs = Vec::with_capacity(steps.len());
    for step in &steps {
        let used = loader
            .nodes
            .get(step.node)
            .map_or(&[][..], |node| &node.inputs.0);
        needs.push(links(&step.at, used, &scope)?);
    }
    for (_, output) in at.need("outputs")?.unique("id")? {
        if let Some(source) = output.get("outputSource")? {
            for source in source.items()? {
                scope.resolve(&source)?;
            }
        }
    }
    in_order(steps, &needs)
}

/// Reads what a step runs.
fn run<'a>(loader: &mut Loader<'a>, step: &Cursor<'a>, version: Version) -> Result<usize, Problem> {
    let run = step.need("run")?;
    let Some(reference) = run.text() else {
        return loader.process(&run, Some(version));
    };
    let (path, id) = split(reference);
    let index = step.index();
    let file = index.library.file(step.file, path).map_err(|why| {
        let known = index.process(step.file, path).is_some();
        let hint = if known {
            format!("; did you mean `#{}`?", show(path))
        } else {
            String::new()
        };
        run.problem(&format!("{why}{hint}"))
    })?;
    let entry = loader
        .graphs
        .entry(index, file, id.filter(|id| !id.is_empty()), run.place())?;
    loader.process(&entry, Some(version))
}

/// The outputs that a step declares, each of which its process must have.
fn outputs<'a>(
    loader: &Loader<'a>,
    step: &Cursor<'a>,
    node: usize,
) -> Result<HashSet<&'a str>, Problem> {
    let given: &[&str] = loader.nodes.get(node).map_or(&[], |node| &node.outputs);
    let given: HashSet<&str> = given.iter().copied().collect();
    let out = step.need("out")?;
    if !out.value.is_array() {
        return Err(out.expected("a list of outputs"));
    }
    let mut declared = HashSet::new();
    for output in out.items()? {
        let id = if let Some(id) = output.text() {
            id
        } else {
            let id = output.need("id")?;
            id.text().ok_or_else(|| id.expected("a name"))?
        };
        let name = short(id);
        if !given.contains(name) {
            let names = list(given.iter().collect::<BTreeSet<_>>());
            return Err(output.problem(&format!(
                "what the step runs has no output `{}`; it has {names}",
                show(name)
            )));
        }
        if !declared.insert(name) {
            return Err(output.problem(&format!("duplicate output `{}`", show(name))));
        }
    }
    Ok(declared)
}

/// Checks the inputs of a step, and tells which steps they come from.
fn links<'a>(
    step: &Cursor<'a>,
    used: &[Port<'a>],
    scope: &Scope<'_, 'a>,
) -> Result<BTreeSet<usize>, Problem> {
    let mut needs = BTreeSet::new();
    let mut filled = HashMap::new();
    let entries = step.need("in")?;
    for (name, input) in entries.unique("id")? {
        let (source, other) = match input.value {
            Value::Object(_) => {
                let other = input.get("default")?.is_some() || input.get("valueFrom")?.is_some();
                (input.get("source")?, other)
            }
            Value::Null => (None, false),
            _ => (Some(input.clone()), false),
        };
        for source in source
            .iter()
            .map(Cursor::items)
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .flatten()
        {
            needs.extend(scope.resolve(source)?);
        }
        filled.insert(name, source.is_some() || other);
    }
    for port in used {
        let optional = port.default.is_some() || port.of.is_optional();
        if !optional && !filled.get(port.name).copied().unwrap_or(false) {
            return Err(entries.problem(&format!(
                "required input `{}` of what the step runs has no source, default or valueFrom",
                show(port.name)
            )));
        }
    }
    if let Some(scatter) = step.get("scatter")? {
        for scattered in scatter.items()? {
            let name = scattered.text().map(short);
            let name = name.ok_or_else(|| scattered.expected("the name of an input"))?;
            if !filled.contains_key(name) && !used.iter().any(|port| port.name == name) {
                let names = list(filled.keys().collect::<BTreeSet<_>>());
                return Err(scattered.problem(&format!(
                    "the step has no input `{}` to scatter over; it has {names}",
                    show(name)
                )));
            }
        }
    }
    Ok(needs)
}

impl<'a> Scope<'_, 'a> {
    /// The step that a link leads to; none when it leads to an input of the workflow.
    fn resolve(&self, source: &Cursor<'a>) -> Result<Option<usize>, Problem> {
        let link = source
            .text()
            .ok_or_else(|| source.expected("the name of a source"))?;
        let whole = fragment(link);
        let path = whole
            .strip_prefix(self.id)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|_| !self.id.is_empty())
            .unwrap_or(whole);
        // A full identifier may carry the identifiers of enclosing processes in front.
        let full = link.contains('#');
        if let Some((front, output)) = path.rsplit_once('/') {
            let name = if full { short(front) } else { front };
            if let Some((n, outputs)) = self.steps.get(name) {
                if outputs.contains(output) {
                    return Ok(Some(*n));
                }
                let outputs = list(outputs.iter().collect::<BTreeSet<_>>());
                return Err(source.problem(&format!(
                    "dangling link: step `{}` has no output `{}` under `out`; it has {outputs}",
                    show(name),
                    show(output)
                )));
            }
        }
        if self.inputs.contains(path) || full && self.inputs.contains(short(path)) {
            return Ok(None);
        }
        let what = if let Some((step, _)) = path.split_once('/') {
            let steps = list(self.steps.keys().collect::<BTreeSet<_>>());
            format!("no step `{}`; there are {steps}", show(step))
        } else {
            let inputs = list(self.inputs.iter().collect::<BTreeSet<_>>());
            format!("no input `{}`; there are {inputs}", show(path))
        };
        let workflow = self.workflow.place();
        Err(source.problem(&format!("dangling link: {workflow} has {what}")))
    }
}
