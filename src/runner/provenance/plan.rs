//! What was to be done: the workflow, its steps, what they run, and the parameters between them.

use serde_json::json;

use super::CWL;
use super::files::Files;
use super::graph::{Graph, below};
use crate::cwl::{Description, Parameter, ProcessDescription, Source};

/// The workflow as entities, and the way from the engine's step paths to them. A tool that is run by
/// itself is a workflow of one step, `/`.
pub struct Plan {
    /// The workflow that is run: the main entity.
    pub main: String,
    description: Description,
    /// The `@id` of each process.
    ids: Vec<String>,
    /// The `@id` of the tool, where it is run by itself.
    tool: Option<String>,
}

/// A step, by its path.
pub struct Planned<'a> {
    /// The workflow that it is a step of.
    pub workflow: String,
    /// Itself.
    pub step: String,
    /// What it runs.
    pub process: String,
    /// The inputs of the main workflow that reach it as they are, each with the input they are there.
    pub inputs: Vec<(&'a str, &'a str)>,
}

impl Plan {
    /// Adds everything that the document says.
    pub fn new(graph: &mut Graph, files: &Files, description: Description) -> Self {
        let main = files.workflow(&description.file);
        let ids = description.processes.iter().enumerate();
        let ids: Vec<String> = ids
            .map(|(number, process)| match process.id.split_once('#') {
                _ if number == description.main && process.workflow => main.clone(),
                Some((file, place)) => below(&files.workflow(file), place),
                None if number == description.main => below(&main, "tool"),
                None => files.workflow(&process.id),
            })
            .collect();
        let alone = description.processes.get(description.main);
        let alone = alone.filter(|process| !process.workflow);
        let tool = alone.and_then(|_| ids.get(description.main).cloned());
        let plan = Self {
            main,
            description,
            ids,
            tool,
        };
        let version = plan.description.version;
        let address = format!("https://w3id.org/cwl/{version}/");
        graph.set(CWL, "version", json!(version));
        graph.set(CWL, "identifier", json!({ "@id": address }));
        for (process, id) in plan.description.processes.iter().zip(&plan.ids) {
            plan.process(graph, files, process, id);
        }
        if let (Some(tool), Some(process)) = (
            &plan.tool,
            plan.description.processes.get(plan.description.main),
        ) {
            plan.wrap(graph, process, tool);
        }
        plan
    }

    fn process(&self, graph: &mut Graph, files: &Files, process: &ProcessDescription, id: &str) {
        let file = id.split_once('#').map_or(id, |(file, _)| file);
        let version = files.version(file);
        if process.workflow {
            let types = ["SoftwareSourceCode", "ComputationalWorkflow", "HowTo"];
            graph.put(
                id,
                &types,
                json!({"name": process.name, "version": version, "url": {"@id": file}}),
            );
            // A file of its own is there already, as a file.
            if !id.contains('#') {
                let types = [
                    "File",
                    "SoftwareSourceCode",
                    "ComputationalWorkflow",
                    "HowTo",
                ];
                graph.set(id, "@type", json!(types));
            }
        } else {
            graph.put(
                id,
                &["SoftwareApplication"],
                json!({"name": process.name, "url": {"@id": file}}),
            );
            if !id.contains('#') {
                graph.set(id, "@type", json!(["File", "SoftwareApplication"]));
            }
            graph.set(id, "softwareVersion", json!(version));
        }
        if id != file || process.text.is_some() {
            let text = process.text.as_deref().unwrap_or("A part of the document");
            graph.set(id, "description", json!(text));
        }
        parameters(graph, process, id);
        for (position, step) in process.steps.iter().enumerate() {
            let (Some(tool), Some(runs)) = (
                self.ids.get(step.process),
                self.description.processes.get(step.process),
            ) else {
                continue;
            };
            let node = below(id, &format!("step/{}", step.name));
            graph.put(
                &node,
                &["HowToStep"],
                json!({"name": step.name, "description": step.text, "position": position.to_string(),
                    "workExample": {"@id": tool}}),
            );
            graph.link(id, "step", &node);
            for link in &step.links {
                // An input that only an expression of the step sees is no parameter of what it runs.
                if runs.inputs.iter().any(|input| input.name == link.input) {
                    let target = below(tool, &format!("in/{}", link.input));
                    for source in &link.sources {
                        self.connect(graph, process, id, source, &target, &node);
                    }
                }
            }
        }
        for output in &process.outputs {
            let target = below(id, &format!("out/{}", output.name));
            for source in &output.sources {
                self.connect(graph, process, id, source, &target, id);
            }
        }
    }

    fn connect(
        &self,
        graph: &mut Graph,
        workflow: &ProcessDescription,
        id: &str,
        source: &Source,
        target: &str,
        receiver: &str,
    ) {
        let from = match &source.step {
            None => below(id, &format!("in/{}", source.port)),
            Some(name) => {
                let step = workflow.steps.iter().find(|step| step.name == *name);
                let Some(tool) = step.and_then(|step| self.ids.get(step.process)) else {
                    return;
                };
                below(tool, &format!("out/{}", source.port))
            }
        };
        connection(graph, &from, target, receiver);
    }

    /// The workflow that a tool alone is.
    fn wrap(&self, graph: &mut Graph, process: &ProcessDescription, tool: &str) {
        let types = [
            "File",
            "SoftwareSourceCode",
            "ComputationalWorkflow",
            "HowTo",
        ];
        graph.set(&self.main, "@type", json!(types));
        parameters(graph, process, &self.main);
        let step = below(&self.main, "step");
        graph.put(
            &step,
            &["HowToStep"],
            json!({"name": "/", "position": "0", "workExample": {"@id": tool}}),
        );
        graph.link(&self.main, "step", &step);
        for (side, list, receiver) in [
            ("in", &process.inputs, &step),
            ("out", &process.outputs, &self.main),
        ] {
            for parameter in list {
                let place = format!("{side}/{}", parameter.name);
                let (outer, inner) = (below(&self.main, &place), below(tool, &place));
                let (from, to) = if side == "in" {
                    (outer, inner)
                } else {
                    (inner, outer)
                };
                connection(graph, &from, &to, receiver);
            }
        }
    }

    /// The step of a path: `/` for a tool, `/a/b` for a step of a nested workflow.
    pub fn find(&self, path: &str) -> Option<Planned<'_>> {
        let mut process = self.description.processes.get(self.description.main)?;
        if let Some(tool) = &self.tool {
            let inputs = process.inputs.iter();
            return (path == "/").then(|| Planned {
                workflow: self.main.clone(),
                step: below(&self.main, "step"),
                process: tool.clone(),
                inputs: inputs
                    .map(|input| (input.name.as_str(), input.name.as_str()))
                    .collect(),
            });
        }
        let (mut workflow, mut found, mut depth) = (self.main.as_str(), None, 0);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let step = process.steps.iter().find(|step| step.name == name)?;
            let id = self.ids.get(step.process)?;
            process = self.description.processes.get(step.process)?;
            depth += 1;
            let outer = step.links.iter().filter(|link| depth == 1 && link.direct);
            let inputs = outer.filter_map(|link| match link.sources.as_slice() {
                [Source { step: None, port }] => Some((port.as_str(), link.input.as_str())),
                _ => None,
            });
            found = Some(Planned {
                workflow: workflow.to_owned(),
                step: below(workflow, &format!("step/{name}")),
                process: id.clone(),
                inputs: inputs.collect(),
            });
            workflow = id;
        }
        found
    }

    /// The inputs and outputs of the main workflow.
    pub fn parameters(&self) -> (&[Parameter], &[Parameter]) {
        let main = self.description.processes.get(self.description.main);
        main.map_or((&[], &[]), |main| (&main.inputs, &main.outputs))
    }

    /// The step, and its output, that alone makes an output of the main workflow, in one job.
    pub fn maker(&self, output: &str) -> Option<(String, &str)> {
        let main = self.description.processes.get(self.description.main)?;
        let output = main.outputs.iter().find(|known| known.name == output)?;
        if self.tool.is_some() {
            return Some(("/".to_owned(), &output.name));
        }
        let [
            Source {
                step: Some(name),
                port,
            },
        ] = output.sources.as_slice()
        else {
            return None;
        };
        let step = main.steps.iter().find(|step| step.name == *name)?;
        (!step.scatter).then(|| (format!("/{name}"), port.as_str()))
    }

    /// What its authors say of the document.
    pub fn about(&self) -> &crate::cwl::About {
        &self.description.about
    }
}

fn connection(graph: &mut Graph, from: &str, to: &str, receiver: &str) {
    let id = format!("#connection/{}", graph.len());
    graph.put(
        &id,
        &["ParameterConnection"],
        json!({"sourceParameter": {"@id": from}, "targetParameter": {"@id": to}}),
    );
    graph.link(receiver, "connection", &id);
}

fn parameters(graph: &mut Graph, process: &ProcessDescription, id: &str) {
    for (side, key, list) in [
        ("in", "input", &process.inputs),
        ("out", "output", &process.outputs),
    ] {
        for parameter in list {
            let node = below(id, &format!("{side}/{}", parameter.name));
            let types = match parameter.types.as_slice() {
                [one] => json!(one),
                several => json!(several),
            };
            graph.put(
                &node,
                &["FormalParameter"],
                json!({
                    "name": parameter.name, "description": parameter.text, "additionalType": types,
                    "encodingFormat": parameter.format,
                    "multipleValues": parameter.multiple.then_some("True"),
                    "valueRequired": if parameter.optional { "False" } else { "True" },
                }),
            );
            graph.link(id, key, &node);
        }
    }
}
