//! The resource as its author wrote it, put together from what the run's ConfigMap holds.

use std::collections::BTreeMap;
use std::{fs, io};

use serde_json::Value;

use crate::cwl;
use crate::runner::layout::Layout;
use crate::runner::run_file::{Provenance, RunFile};

/// The resource as YAML. Document and inputs stand in the ConfigMap as the run's own files, and only
/// there; values of Secrets stand in neither.
pub fn yaml(
    provenance: &Provenance,
    run: &RunFile,
    layout: &Layout,
    workflow: &BTreeMap<String, String>,
) -> io::Result<String> {
    let mut resource = provenance.resource.clone();
    if let Some(Value::Object(spec)) = resource.get_mut("spec") {
        if !spec.contains_key("cwlFrom")
            && let Some(document) = workflow.get(&run.entrypoint).and_then(|text| object(text))
        {
            spec.insert("cwl".to_owned(), document);
        }
        let own = run
            .inputs
            .last()
            .and_then(|file| fs::read_to_string(layout.at(file)).ok());
        if let Some(inputs) = own.as_deref().and_then(object)
            && inputs.as_object().is_some_and(|inputs| !inputs.is_empty())
        {
            spec.insert("inputs".to_owned(), inputs);
        }
    }
    serde_yaml::to_string(&resource).map_err(io::Error::other)
}

fn object(text: &str) -> Option<Value> {
    cwl::read_object("", text).ok().map(Value::Object)
}
