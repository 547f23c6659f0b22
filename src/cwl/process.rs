//! A whole workflow or tool: from the entrypoint down to every process that it runs.

use super::cursor::Cursor;
use super::entry::Graphs;
use super::header::{COMMON_FIELDS, Version, check_fields, version};
use super::inputs::Input;
use super::names::{join, plain, split};
use super::needs::{self, Declared};
use super::order::paths;
use super::problem::{Kind, Problem, list};
use super::requirements;
use super::resolve::{Index, Library, PROCESSES};
use super::tool::{self, Ports};
use super::types::{Type, Types};
use super::workflow::{self, Step};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Deepest nesting of workflows in workflows.
const NESTING: usize = 40;

/// A CWL process that was read and checked, with what is needed to judge one run of it.
#[derive(Debug)]
pub struct Process {
    pub(super) inputs: Vec<Input>,
    pub(super) types: Vec<Type>,
    steps: Vec<needs::Step>,
    workflows: Vec<String>,
}

impl Process {
    /// Checks that the place of each step can honour what the document requires there; `containers`
    /// tells for the path of a step whether it runs in a container of its own.
    ///
    /// Where it does not, a container under `requirements` is refused, because the engine would run
    /// the tool without it and not say so; and so is any `dockerOutputDirectory`, even under
    /// `hints`, because the engine would let the tool write to that folder. See also
    /// [`check_added_requirements`](super::check_added_requirements).
    ///
    /// # Errors
    /// [`Kind::UnsupportedRequirement`] with the place of the first such requirement.
    pub fn check_target(&self, containers: impl Fn(&str) -> bool) -> Result<(), Problem> {
        for step in self.steps.iter().filter(|step| step.command) {
            if containers(&step.path) {
                step.needs.check_container()?;
            } else {
                step.needs.check_no_container()?;
            }
        }
        Ok(())
    }

    /// All steps that run something. A step comes after those whose outputs it uses. There are at
    /// most 10,000.
    #[must_use]
    pub fn steps(&self) -> &[needs::Step] {
        &self.steps
    }

    /// The paths of the workflows in the process, `/` first when it is one itself.
    #[must_use]
    pub fn workflows(&self) -> &[String] {
        &self.workflows
    }
}

/// Reads and checks the process `entrypoint`, `main.cwl` or `main.cwl#id`, among `files`, text by
/// path relative to the workflow folder.
///
/// Without an id, a document with a `$graph` means its `#main`, or its only process. All
/// references must stay within `files`: nothing is fetched, and `..` cannot leave the folder. Files
/// that nothing refers to are not read. For the limits see the constants: 2 MiB of text, 250,000
/// values with YAML aliases expanded, 100 levels of nesting in a file and 120 across imports, 40
/// levels of workflows, 10,000 steps.
///
/// # Errors
/// [`Kind::InvalidWorkflow`] for what no engine could run, [`Kind::UnsupportedRequirement`] for a
/// requirement that no engine here knows; both name the place in the document. The first problem
/// found is told.
pub fn load(files: &BTreeMap<String, String>, entrypoint: &str) -> Result<Process, Problem> {
    let library = Library::read_entry(files, entrypoint)?;
    let index = Index::new(&library);
    let mut loader = Loader::default();
    let entry = entry(&mut loader, &index, entrypoint)?;
    let root = loader.process(&entry, None)?;
    loader.finish(root)
}

/// The process that `entrypoint` means.
///
/// # Errors
/// There is none.
pub(super) fn entry<'a>(
    loader: &mut Loader<'a>,
    index: &'a Index<'a>,
    entrypoint: &str,
) -> Result<Cursor<'a>, Problem> {
    let (path, id) = split(entrypoint);
    let file = join("", path).map_err(|why| Problem::workflow(entrypoint, &why))?;
    let Some((file, _)) = index.library.trees.get_key_value(&file) else {
        return Err(Problem::workflow(&file, "no such file"));
    };
    let id = id.filter(|id| !id.is_empty());
    loader.graphs.entry(index, file, id, entrypoint)
}

/// What one process is to those that use it.
pub(super) struct Node<'a> {
    pub(super) at: Cursor<'a>,
    pub(super) inputs: Ports<'a>,
    pub(super) outputs: Vec<&'a str>,
    /// The steps of a workflow, in an order in which they could run.
    pub(super) steps: Option<Vec<Step<'a>>>,
    /// Whether it runs a command.
    pub(super) command: bool,
    /// Its own requirements and hints.
    pub(super) declared: Declared,
}

#[derive(Default)]
pub(super) struct Loader<'a> {
    pub(super) types: Types,
    pub(super) nodes: Vec<Node<'a>>,
    /// Processes by their value; `None` while one is being read.
    known: HashMap<*const Value, Option<usize>>,
    pub(super) graphs: Graphs<'a>,
    depth: usize,
}

impl<'a> Loader<'a> {
    /// Reads a process, once. `outer` is the version of the one that uses it.
    ///
    /// # Errors
    /// It is no process, not valid, or contains itself.
    pub(super) fn process(
        &mut self,
        at: &Cursor<'a>,
        outer: Option<Version>,
    ) -> Result<usize, Problem> {
        let key = std::ptr::from_ref(at.value);
        match self.known.get(&key) {
            Some(Some(n)) => return Ok(*n),
            Some(None) => return Err(at.problem("this process runs itself")),
            None => {}
        }
        if self.depth >= NESTING {
            return Err(at.problem(&format!("workflows nested deeper than {NESTING} levels")));
        }
        self.known.insert(key, None);
        self.depth += 1;
        let node = self.read(at, outer)?;
        self.depth -= 1;
        let n = self.nodes.len();
        self.nodes.push(node);
        self.known.insert(key, Some(n));
        Ok(n)
    }

    fn read(&mut self, at: &Cursor<'a>, outer: Option<Version>) -> Result<Node<'a>, Problem> {
        if !at.value.is_object() {
            return Err(at.expected("a CWL process"));
        }
        let version = version(at, outer)?;
        let class = at.get("class")?.ok_or_else(|| {
            at.problem(&format!(
                "not CWL: missing `class`, one of {}",
                list(PROCESSES)
            ))
        })?;
        let name = class.text().map(plain).unwrap_or_default();
        let fields: &[&str] = match name {
            "CommandLineTool" => &tool::COMMAND_FIELDS,
            "ExpressionTool" => &["expression"],
            "Workflow" => &["steps"],
            "Operation" => {
                return Err(Problem::new(
                    Kind::UnsupportedRequirement,
                    class.place(),
                    "an Operation says what goes in and out, but not what to run",
                ));
            }
            _ => {
                return Err(class.problem(&format!(
                    "unknown class, expected one of {}",
                    list(PROCESSES)
                )));
            }
        };
        check_fields(at, &[&COMMON_FIELDS, fields])?;
        let mut declared = Self::requirements(at)?;
        if version == Version::V1_0 {
            declared.hints.network.get_or_insert(true);
        }
        let inputs = tool::inputs(at, version, &mut self.types)?;
        let outputs = tool::outputs(at, version, &mut self.types)?;
        let steps = match name {
            "Workflow" => Some(workflow::read(self, at, &inputs, version)?),
            "ExpressionTool" => {
                at.need("expression")?;
                None
            }
            _ => {
                tool::command(at)?;
                None
            }
        };
        Ok(Node {
            at: at.clone(),
            inputs,
            outputs: outputs.names(),
            steps,
            command: name == "CommandLineTool",
            declared,
        })
    }

    /// Reads the requirements of a process or step.
    ///
    /// # Errors
    /// One that no engine knows.
    pub(super) fn requirements(at: &Cursor<'a>) -> Result<Declared, Problem> {
        let namespaces = at.index().root(at.file)?.value.get("$namespaces");
        requirements::read(at, namespaces.and_then(Value::as_object))
    }

    fn finish(self, root: usize) -> Result<Process, Problem> {
        let (steps, workflows) = paths(&self.nodes, root)?;
        let Some(node) = self.nodes.into_iter().nth(root) else {
            return Err(Problem::workflow("", "no process"));
        };
        let inputs = node.inputs.into_inputs();
        Ok(Process {
            inputs,
            types: self.types.into_table(),
            steps,
            workflows,
        })
    }
}
