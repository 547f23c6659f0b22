//! A whole workflow or tool: from the entrypoint down to every process that it runs.

use super::cursor::Cursor;
use super::inputs::Input;
use super::names::{fragment, is_extension, join, plain, short, split};
use super::problem::{Kind, Problem, list, show};
use super::requirements::{self, Requirements};
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
    steps: Vec<String>,
    needs_containers: Option<Problem>,
}

impl Process {
    /// Checks that a target can honour what the document requires.
    ///
    /// With `containers` there is nothing that a target could lack. Without, a container under
    /// `requirements` anywhere in the process is refused, because the engine would run the tool
    /// without it and not say so; and so is any `dockerOutputDirectory`, even under `hints`,
    /// because the engine would let the tool write to that folder. See also
    /// [`Process::check_added_requirements`].
    ///
    /// # Errors
    /// [`Kind::UnsupportedRequirement`] with the place of the first such requirement.
    pub fn check_target(&self, containers: bool) -> Result<(), Problem> {
        match &self.needs_containers {
            Some(problem) if !containers => Err(problem.clone()),
            _ => Ok(()),
        }
    }

    /// Checks what an input object adds under `cwl:requirements` as [`Process::check_target`]
    /// checks the document.
    ///
    /// # Errors
    /// As [`Process::check_target`], or [`Kind::InvalidInputs`] when they are malformed.
    pub fn check_added_requirements(
        &self,
        inputs: &serde_json::Map<String, Value>,
        containers: bool,
    ) -> Result<(), Problem> {
        requirements::check_added(inputs, containers)
    }

    /// The paths of all steps that run something, as StreamFlow names them: `/` for a tool, `/a`
    /// for a step of a workflow, `/a/b` for a step of a workflow that is step `a`. A step comes
    /// after those whose outputs it uses. There are at most 10,000.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        self.steps.clone()
    }
}

/// Reads and checks the process `entrypoint`, `main.cwl` or `main.cwl#id`, among `files`, text by
/// path relative to the workflow folder.
///
/// Without an id, a document with a `$graph` means its `#main`, or its only process. All
/// references must stay within `files`: nothing is fetched, and `..` cannot leave the folder. Files
/// that nothing refers to are not read. For the limits see the constants: 8 MiB of text, 250,000
/// values with YAML aliases expanded, 100 levels of nesting in a file and 120 across imports, 40
/// levels of workflows, 10,000 steps.
///
/// # Errors
/// [`Kind::InvalidWorkflow`] for what no engine could run, [`Kind::UnsupportedRequirement`] for a
/// requirement that no engine here knows; both name the place in the document. The first problem
/// found is told.
pub fn load(files: &BTreeMap<String, String>, entrypoint: &str) -> Result<Process, Problem> {
    let (file, id) = split(entrypoint);
    let file = join("", file).map_err(|why| Problem::workflow(entrypoint, &why))?;
    let library = Library::read(files, &file)?;
    let index = Index::new(&library);
    let mut loader = Loader::default();
    let Some((file, _)) = library.trees.get_key_value(&file) else {
        return Err(Problem::workflow(&file, "no such file"));
    };
    let entry = loader.entry(&index, file, id.filter(|id| !id.is_empty()), entrypoint)?;
    let root = loader.process(&entry, None)?;
    loader.finish(root)
}

/// Versions of CWL, as far as they differ here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1_0,
    V1_1,
    V1_2,
}

/// What one process is to those that use it.
pub(super) struct Node<'a> {
    pub(super) inputs: Ports<'a>,
    pub(super) outputs: Vec<&'a str>,
    /// The steps of a workflow, in an order in which they could run.
    pub(super) steps: Option<Vec<Step<'a>>>,
}

#[derive(Default)]
pub(super) struct Loader<'a> {
    pub(super) types: Types,
    pub(super) nodes: Vec<Node<'a>>,
    /// Processes by their value; `None` while one is being read.
    known: HashMap<*const Value, Option<usize>>,
    /// The entries of every `$graph` met, by file.
    graphs: HashMap<&'a str, Vec<(&'a str, Cursor<'a>)>>,
    depth: usize,
    needs_containers: Option<Problem>,
}

impl<'a> Loader<'a> {
    /// The process that a file, or an identifier in it, means. `place` is where that is asked for.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn entry(
        &mut self,
        index: &'a Index<'a>,
        file: &'a str,
        id: Option<&str>,
        place: &str,
    ) -> Result<Cursor<'a>, Problem> {
        let root = index.root(file)?;
        let root = match root.value.get("$import") {
            Some(_) => root.follow()?,
            None => root,
        };
        if root.value.get("$graph").is_none() && !root.value.is_array() {
            let own = root.value.get("id").and_then(Value::as_str).map(fragment);
            return match id {
                None => Ok(root),
                Some(id) if own == Some(id) => Ok(root),
                Some(id) => by_id(&root, file, id).ok_or_else(|| {
                    Problem::workflow(place, &format!("`{}` has no `#{}`", show(file), show(id)))
                }),
            };
        }
        if !self.graphs.contains_key(file) {
            let entries = match root.get("$graph")? {
                Some(graph) => graph.named("id")?,
                None => root.named("id")?,
            };
            self.graphs.insert(file, entries);
        }
        let entries = self.graphs.get(file).map(Vec::as_slice).unwrap_or_default();
        let find = |id: &str| entries.iter().find(|(name, _)| fragment(name) == id);
        let mut runnable = entries.iter().filter(|(_, entry)| is_process(entry));
        let found = match id {
            Some(id) => find(id)
                .map(|(_, entry)| entry.clone())
                .or_else(|| by_id(&root, file, id)),
            None => find("main")
                .or_else(|| runnable.next().filter(|_| runnable.next().is_none()))
                .map(|(_, entry)| entry.clone()),
        };
        found.ok_or_else(|| {
            let wanted = id.map_or_else(
                || "several processes and no `#main`; say which".to_owned(),
                |id| format!("no `#{}`", show(id)),
            );
            let ids = list(
                entries
                    .iter()
                    .map(|(name, _)| format!("#{}", fragment(name))),
            );
            Problem::workflow(
                place,
                &format!("`{}` has {wanted}; there are {ids}", show(file)),
            )
        })
    }

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
        self.requirements(at)?;
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
            inputs,
            outputs: outputs.names(),
            steps,
        })
    }

    /// Reads the requirements of a process or step.
    ///
    /// # Errors
    /// One that no engine knows.
    pub(super) fn requirements(&mut self, at: &Cursor<'a>) -> Result<(), Problem> {
        let namespaces = at.index().root(at.file)?.value.get("$namespaces");
        let namespaces = namespaces.and_then(Value::as_object);
        let Requirements { needs_containers } = requirements::read(at, namespaces)?;
        if self.needs_containers.is_none() {
            self.needs_containers = needs_containers;
        }
        Ok(())
    }

    fn finish(self, root: usize) -> Result<Process, Problem> {
        let steps = workflow::paths(&self.nodes, root)?;
        let Some(node) = self.nodes.into_iter().nth(root) else {
            return Err(Problem::workflow("", "no process"));
        };
        let inputs = node.inputs.into_inputs();
        Ok(Process {
            inputs,
            types: self.types.into_table(),
            steps,
            needs_containers: self.needs_containers,
        })
    }
}

/// Fields that every process may have.
const COMMON_FIELDS: [&str; 10] = [
    "class",
    "cwlVersion",
    "doc",
    "hints",
    "id",
    "inputs",
    "intent",
    "label",
    "outputs",
    "requirements",
];

/// Refuses fields that CWL does not know, which are mostly misspelt.
///
/// # Errors
/// The first such field, with those that there are.
pub(super) fn check_fields(at: &Cursor<'_>, known: &[&[&str]]) -> Result<(), Problem> {
    let known = || known.iter().copied().flatten().copied();
    let unknown = |name: &&String| !is_extension(name) && !known().any(|known| known == *name);
    match at.object()?.keys().find(unknown) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<&str> = known().collect();
            let message = format!(
                "unknown field `{}`, expected one of {}",
                show(name),
                names.join(", ")
            );
            Err(at.problem(&message))
        }
    }
}

fn is_process(at: &Cursor<'_>) -> bool {
    let class = at.value.get("class").and_then(Value::as_str);
    class.is_some_and(|class| PROCESSES.contains(&plain(class)))
}

fn by_id<'a>(root: &Cursor<'a>, file: &'a str, id: &str) -> Option<Cursor<'a>> {
    let found = root.index().process(file, id)?;
    Some(root.at(found.file, found.id, found.value))
}

/// The CWL version of a process: its own, else that of its file, else that of its user.
fn version(at: &Cursor<'_>, outer: Option<Version>) -> Result<Version, Problem> {
    const KNOWN: &str = "supported are v1.0, v1.1 and v1.2";
    let root = at.index().root(at.file)?;
    let declared = match at.get("cwlVersion")? {
        Some(version) => Some(version),
        None => root.get("cwlVersion")?,
    };
    let Some(declared) = declared else {
        // Old packed documents carry it in an element of the graph.
        let element = root
            .value
            .get("$graph")
            .unwrap_or(root.value)
            .as_array()
            .and_then(|entries| {
                entries
                    .iter()
                    .find_map(|entry| entry.get("cwlVersion")?.as_str())
            });
        return match (element.and_then(parse_version), outer) {
            (Some(version), _) | (None, Some(version)) => Ok(version),
            (None, None) => Err(at.problem(&format!("not CWL: missing `cwlVersion`; {KNOWN}"))),
        };
    };
    let text = declared
        .text()
        .ok_or_else(|| declared.expected("a version such as v1.2"))?;
    parse_version(text)
        .ok_or_else(|| declared.problem(&format!("unknown CWL version `{}`; {KNOWN}", show(text))))
}

fn parse_version(text: &str) -> Option<Version> {
    match short(plain(text)) {
        "v1.0" => Some(Version::V1_0),
        "v1.1" => Some(Version::V1_1),
        "v1.2" => Some(Version::V1_2),
        _ => None,
    }
}
