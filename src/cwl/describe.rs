//! What a document says to a reader of its provenance: its processes, their parameters, steps and
//! the links between them, and what its authors say of it.

use super::cursor::Cursor;
use super::header::version;
use super::names::{fragment, short};
use super::problem::Problem;
use super::process::{Loader, Node, entry};
use super::resolve::{Index, Library};
use super::tool::{self, Ports};
use super::types::{Type, Types};
use super::workflow::Step;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Deepest nesting of types that is looked into.
const TYPE_DEPTH: usize = 8;

/// A document, described.
#[derive(Debug)]
pub struct Description {
    /// Its version, such as `v1.2`.
    pub version: &'static str,
    /// The file of the process that is run.
    pub file: String,
    /// The process that is run, by its number.
    pub main: usize,
    /// Every process that may run, each once.
    pub processes: Vec<ProcessDescription>,
    /// What its authors say of it.
    pub about: About,
}

/// One process.
#[derive(Debug, Default)]
pub struct ProcessDescription {
    /// Where it stands: its file, and after `#` its place in that, which no other process has.
    pub id: String,
    /// The last part of its identifier, else the name of its file.
    pub name: String,
    /// Whether it is a workflow.
    pub workflow: bool,
    /// Its label and documentation.
    pub text: Option<String>,
    /// Its inputs.
    pub inputs: Vec<Parameter>,
    /// Its outputs.
    pub outputs: Vec<Parameter>,
    /// Its steps, each after those whose outputs it uses.
    pub steps: Vec<StepDescription>,
}

/// An input or output.
#[derive(Debug, Default)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its label and documentation.
    pub text: Option<String>,
    /// An address that names its format.
    pub format: Option<String>,
    /// The types of its values, in the words of schema.org and Bioschemas, at least one.
    pub types: Vec<&'static str>,
    /// Whether it takes a list of such values.
    pub multiple: bool,
    /// Whether it may be left out.
    pub optional: bool,
    /// Of an output of a workflow: where its values come from.
    pub sources: Vec<Source>,
}

/// A step of a workflow.
#[derive(Debug)]
pub struct StepDescription {
    /// Its name.
    pub name: String,
    /// Its label and documentation.
    pub text: Option<String>,
    /// What it runs, by its number.
    pub process: usize,
    /// Whether it runs many jobs.
    pub scatter: bool,
    /// Its inputs that come from elsewhere.
    pub links: Vec<Link>,
}

/// An input of a step that comes from elsewhere.
#[derive(Debug)]
pub struct Link {
    /// Its name.
    pub input: String,
    /// Where it comes from.
    pub sources: Vec<Source>,
    /// Whether it arrives as it is: no expression, no scatter, no merging.
    pub direct: bool,
}

/// Where a value comes from.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The step of the same workflow; none for an input of the workflow.
    pub step: Option<String>,
    /// The output of the step, or the input of the workflow.
    pub port: String,
}

/// What the authors of a document say of it by schema.org's words, whatever prefix they use.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct About {
    /// An address or the name of its licence.
    pub license: Option<String>,
    /// Its authors: an address that identifies one, if there is any, and the name.
    pub authors: Vec<(Option<String>, String)>,
    /// Its own version.
    pub version: Option<String>,
    /// Where it comes from.
    pub repository: Option<String>,
}

/// Describes the process `entrypoint` among `files`, as [`load`](super::load) reads it.
///
/// # Errors
/// As [`load`](super::load).
pub fn describe(
    files: &BTreeMap<String, String>,
    entrypoint: &str,
) -> Result<Description, Problem> {
    let library = Library::read_entry(files, entrypoint)?;
    let index = Index::new(&library);
    let mut loader = Loader::default();
    let at = entry(&mut loader, &index, entrypoint)?;
    let main = loader.process(&at, None)?;
    let mut types = std::mem::take(&mut loader.types);
    let mut taken = BTreeMap::new();
    let mut processes = Vec::with_capacity(loader.nodes.len());
    for node in &loader.nodes {
        let mut described = process(node, &mut types)?;
        let count = taken.entry(described.id.clone()).or_insert(0_usize);
        *count += 1;
        if *count > 1 {
            described.id = format!("{}~{count}", described.id);
        }
        processes.push(described);
    }
    Ok(Description {
        version: version(&at, None)?.name(),
        file: at.file.to_owned(),
        main,
        processes,
        about: about(&at)?,
    })
}

fn process(node: &Node<'_>, types: &mut Types) -> Result<ProcessDescription, Problem> {
    let at = &node.at;
    let version = version(at, Some(super::header::Version::V1_2))?;
    let place = at.place();
    let file = at.file.rsplit('/').next().unwrap_or_default();
    let outputs = tool::outputs(at, version, types)?;
    let mut described = ProcessDescription {
        id: place.replacen("#/", "#", 1).replacen("#$graph/", "#", 1),
        name: place
            .split_once('#')
            .map_or(file, |(_, id)| short(id))
            .to_owned(),
        workflow: node.steps.is_some(),
        text: text(at),
        inputs: parameters(&node.inputs, types),
        outputs: parameters(&outputs, types),
        steps: Vec::new(),
    };
    let Some(steps) = &node.steps else {
        return Ok(described);
    };
    let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
    for (parameter, port) in described.outputs.iter_mut().zip(&outputs.0) {
        if let Some(source) = port.at.get("outputSource")? {
            parameter.sources = sources(&source, &names)?;
        }
    }
    described.steps = steps
        .iter()
        .map(|step| self::step(step, &names))
        .collect::<Result<_, _>>()?;
    Ok(described)
}

fn step(step: &Step<'_>, names: &[&str]) -> Result<StepDescription, Problem> {
    let scattered: Vec<&str> = match step.at.get("scatter")? {
        Some(scatter) => scatter.items()?.iter().filter_map(Cursor::text).collect(),
        None => Vec::new(),
    };
    let mut links = Vec::new();
    for (name, input) in step.at.need("in")?.unique("id")? {
        let (source, computed) = match input.value {
            Value::Object(_) => (input.get("source")?, input.get("valueFrom")?.is_some()),
            Value::Null => (None, false),
            _ => (Some(input.clone()), false),
        };
        let Some(source) = source else { continue };
        let sources = sources(&source, names)?;
        let scatter = scattered.iter().any(|scattered| short(scattered) == name);
        links.push(Link {
            input: name.to_owned(),
            direct: !computed && !scatter && sources.len() == 1,
            sources,
        });
    }
    Ok(StepDescription {
        name: step.name.to_owned(),
        text: text(&step.at),
        process: step.node,
        scatter: !scattered.is_empty(),
        links,
    })
}

fn sources(at: &Cursor<'_>, steps: &[&str]) -> Result<Vec<Source>, Problem> {
    let source = |link: &str| {
        let whole = fragment(link);
        let step = whole
            .rsplit_once('/')
            .map(|(front, _)| short(front))
            .filter(|front| steps.contains(front));
        Source {
            step: step.map(ToOwned::to_owned),
            port: short(whole).to_owned(),
        }
    };
    Ok(at
        .items()?
        .iter()
        .filter_map(Cursor::text)
        .map(source)
        .collect())
}

fn parameters(ports: &Ports<'_>, types: &Types) -> Vec<Parameter> {
    let parameter = |port: &tool::Port<'_>| {
        let format = port.at.value.get("format").and_then(Value::as_str);
        let mut parameter = Parameter {
            name: port.name.to_owned(),
            text: text(&port.at),
            format: format.filter(|text| !text.contains("$(")).map(Into::into),
            optional: port.of.is_optional() || port.default.is_some(),
            ..Parameter::default()
        };
        kinds(&port.of, types, TYPE_DEPTH, &mut parameter);
        if parameter.types.is_empty() {
            parameter.types.push("DataType");
        }
        parameter
    };
    ports.0.iter().map(parameter).collect()
}

/// How the working group of Workflow Run RO-Crate maps the types of CWL.
fn kinds(of: &Type, types: &Types, depth: usize, parameter: &mut Parameter) {
    let kind = match of {
        Type::Null => return,
        Type::Boolean => "Boolean",
        Type::Int | Type::Long => "Integer",
        Type::Float | Type::Double => "Float",
        Type::String | Type::Enum(_) => "Text",
        Type::File => "File",
        Type::Directory => "Dataset",
        Type::Record(_) => "PropertyValue",
        Type::Array(items) if depth > 0 => {
            parameter.multiple = true;
            return kinds(items, types, depth - 1, parameter);
        }
        Type::Union(alternatives) if depth > 0 => {
            return alternatives
                .iter()
                .for_each(|one| kinds(one, types, depth - 1, parameter));
        }
        Type::Named(number) if depth > 0 => {
            if let Some(of) = types.get(*number) {
                kinds(of, types, depth - 1, parameter);
            }
            return;
        }
        Type::Any | Type::Array(_) | Type::Union(_) | Type::Named(_) => "DataType",
    };
    if !parameter.types.contains(&kind) {
        parameter.types.push(kind);
    }
}

/// Label and documentation, a paragraph each.
fn text(at: &Cursor<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for key in ["label", "doc"] {
        match at.value.get(key) {
            Some(Value::String(text)) => parts.push(text.trim().to_owned()),
            Some(Value::Array(lines)) => {
                parts.extend(lines.iter().filter_map(Value::as_str).map(Into::into));
            }
            _ => {}
        }
    }
    let text = parts.join("\n");
    (!text.is_empty()).then_some(text)
}

fn about(at: &Cursor<'_>) -> Result<About, Problem> {
    let root = at.index().root(at.file)?;
    let namespaces = root.value.get("$namespaces").and_then(Value::as_object);
    let prefixes: Vec<String> = namespaces
        .into_iter()
        .flatten()
        .filter(|(_, address)| address.as_str().is_some_and(is_schema_org))
        .map(|(prefix, _)| format!("{prefix}:"))
        .collect();
    let plain = |key: &str| {
        let rest = prefixes.iter().find_map(|prefix| key.strip_prefix(prefix));
        let full = || {
            ["https://schema.org/", "http://schema.org/"]
                .iter()
                .find_map(|one| key.strip_prefix(one))
        };
        rest.or_else(full).map(ToOwned::to_owned)
    };
    let words = |value: &Value| -> Map<String, Value> {
        let fields = value.as_object().into_iter().flatten();
        fields
            .filter_map(|(key, value)| Some((plain(key)?, value.clone())))
            .collect()
    };
    // Those of the process itself say more than those of its file.
    let mut said = words(root.value);
    said.extend(words(at.value));
    let one = |key: &str| said.get(key).and_then(first).map(ToOwned::to_owned);
    let people = ["author", "creator"]
        .iter()
        .filter_map(|key| said.get(*key));
    let people = people.flat_map(|people| {
        people
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![people.clone()])
    });
    let author = |person: Value| {
        if let Some(name) = person.as_str() {
            return Some((is_address(name).then(|| name.to_owned()), name.to_owned()));
        }
        let words = words(&person);
        let id = words
            .get("identifier")
            .or_else(|| person.get("id"))
            .and_then(first);
        let id = id.filter(|id| is_address(id)).map(ToOwned::to_owned);
        let name = words.get("name").and_then(first).map(ToOwned::to_owned);
        Some((id.clone(), name.or(id)?))
    };
    Ok(About {
        license: one("license"),
        authors: people.filter_map(author).collect(),
        version: one("softwareVersion").or_else(|| one("version")),
        repository: one("codeRepository").filter(|text| is_address(text)),
    })
}

fn first(value: &Value) -> Option<&str> {
    match value {
        Value::Array(values) => values.first()?.as_str(),
        value => value.as_str(),
    }
}

fn is_schema_org(address: &str) -> bool {
    matches!(
        address.trim_end_matches('/'),
        "https://schema.org" | "http://schema.org"
    )
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}
