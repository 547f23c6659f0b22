//! What a document says of itself.

use super::{WORKFLOW, files};
use crate::cwl::{About, Source, describe};

const PACKED: &str = r##"{
  "cwlVersion": "v1.2", "$namespaces": {"s": "https://schema.org/"},
  "s:license": "https://spdx.org/licenses/Apache-2.0",
  "s:author": [{"class": "s:Person", "s:identifier": "https://orcid.org/0", "s:name": "Ada"}],
  "$graph": [
    {"id": "echo", "class": "CommandLineTool", "label": "says", "doc": "what it gets",
     "inputs": {"m": "string", "files": {"type": {"type": "array", "items": ["null", "File"]}}}, "outputs": {}},
    {"id": "main", "class": "Workflow", "inputs": {"m": "string[]", "f": "File[]"}, "outputs": [],
     "requirements": {"ScatterFeatureRequirement": {}},
     "steps": {"say": {"run": "#echo", "scatter": "m", "in": {"m": "m", "files": {"source": "f"}}, "out": []}}}
  ]}"##;

#[test]
fn processes_are_described_once_and_links_lead_to_them() {
    let tool = "{cwlVersion: v1.2, class: CommandLineTool, inputs: {message: string}, outputs: {out: stdout}}";
    let files = files(&[("main.cwl", WORKFLOW), ("tools/echo.cwl", tool)]);
    let description = describe(&files, "main.cwl").unwrap();
    let main = &description.processes[description.main];
    assert_eq!(
        (main.id.as_str(), description.version),
        ("main.cwl", "v1.2")
    );
    let names: Vec<_> = main
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.process))
        .collect();
    assert_eq!(names, [("a", 0), ("b", 0)]);
    assert_eq!(description.processes[0].id, "tools/echo.cwl");
    assert_eq!(description.processes[0].outputs[0].types, ["File"]);
    let step = |name: &str| Some(name.to_owned());
    assert_eq!(
        main.outputs[0].sources,
        [Source {
            step: step("b"),
            port: "out".to_owned()
        }]
    );
    let link = &main.steps[1].links[0];
    assert_eq!(
        link.sources,
        [Source {
            step: step("a"),
            port: "out".to_owned()
        }]
    );
    assert!(!link.direct && main.steps[0].links[0].direct);
}

#[test]
fn a_packed_document_with_what_its_authors_say() {
    let description = describe(&files(&[("main.cwl", PACKED)]), "main.cwl").unwrap();
    let about = About {
        license: Some("https://spdx.org/licenses/Apache-2.0".to_owned()),
        authors: vec![(Some("https://orcid.org/0".to_owned()), "Ada".to_owned())],
        ..About::default()
    };
    assert_eq!(description.about, about);
    let tool = &description.processes[0];
    assert_eq!(tool.text.as_deref(), Some("says\nwhat it gets"));
    assert_eq!(
        (tool.inputs[0].types.as_slice(), tool.inputs[0].multiple),
        (&["File"][..], true)
    );
    let step = &description.processes[description.main].steps[0];
    assert!(step.scatter && step.links[0].direct && !step.links[1].direct);
}
