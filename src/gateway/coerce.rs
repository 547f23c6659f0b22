//! Inputs as clients of the original server send them, made fit for CWL: a text where a file is wanted is
//! its path, and an object is its content.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fault::Fault;
use crate::cwl;

/// What a document wants of its inputs: which are files, and whether a list of them.
fn files(cwl: &Map<String, Value>) -> Vec<(String, &'static str, bool)> {
    let text = Value::Object(cwl.clone()).to_string();
    let files = BTreeMap::from([("main.cwl".to_owned(), text)]);
    let Ok(mut described) = cwl::describe(&files, "main.cwl") else {
        // What is wrong with it is told by its workflow.
        return Vec::new();
    };
    if described.main >= described.processes.len() {
        return Vec::new();
    }
    let main = described.processes.swap_remove(described.main);
    let wanted = main.inputs.into_iter().filter_map(|input| {
        let class = match input.types[..] {
            ["File"] => "File",
            ["Dataset"] => "Directory",
            _ => return None,
        };
        Some((input.name, class, input.multiple))
    });
    wanted.collect()
}

/// Makes the inputs of a submission those of a resource.
pub fn inputs(
    cwl: &Map<String, Value>,
    mut sent: Map<String, Value>,
) -> Result<Map<String, Value>, Fault> {
    if sent.is_empty() {
        return Ok(sent);
    }
    for (name, value) in &sent {
        refuse_remote(name, value)?;
    }
    for (name, class, multiple) in files(cwl) {
        let Some(value) = sent.get_mut(&name) else {
            continue;
        };
        match value {
            Value::Array(items) if multiple => {
                for item in items {
                    make_file(&name, class, item);
                }
            }
            value => make_file(&name, class, value),
        }
    }
    Ok(sent)
}

fn make_file(name: &str, class: &str, value: &mut Value) {
    match value {
        Value::String(path) => {
            let field = if path.contains("://") {
                "location"
            } else {
                "path"
            };
            *value = json!({ "class": class, field: path });
        }
        Value::Object(object) if class == "File" && !object.contains_key("class") => {
            *value = literal(&format!("{name}.json"), object);
        }
        _ => {}
    }
}

/// A file whose content stands in the inputs.
#[must_use]
pub fn literal(basename: &str, content: &Map<String, Value>) -> Value {
    let contents = Value::Object(content.clone()).to_string();
    json!({ "class": "File", "basename": basename, "contents": contents })
}

/// Paths of a file system that the cluster does not have.
fn refuse_remote(name: &str, value: &Value) -> Result<(), Fault> {
    match value {
        Value::String(text) if text.starts_with("/ipfs/") || text.starts_with("ipfs://") => {
            Err(Fault::bad(format!(
                "inputs.{name}: nothing here reads IPFS: give an https address of a gateway, or a path \
                 under /data of a volume"
            )))
        }
        Value::Array(items) => items.iter().try_for_each(|item| refuse_remote(name, item)),
        Value::Object(object) => {
            let places = ["path", "location", "secondaryFiles", "listing"];
            let places = places.iter().filter_map(|field| object.get(*field));
            places
                .into_iter()
                .try_for_each(|value| refuse_remote(name, value))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Map<String, Value> {
        let document = json!({
            "cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "cat", "outputs": {},
            "inputs": {
                "data": "File", "more": "File[]", "config": "File?", "folder": "Directory?",
                "text": "string?", "either": ["null", "string", "File"]
            },
        });
        document.as_object().unwrap().clone()
    }

    fn coerced(sent: &Value) -> Value {
        let sent = sent.as_object().unwrap().clone();
        Value::Object(inputs(&document(), sent).unwrap())
    }

    #[test]
    fn texts_and_objects_become_files_where_files_are_wanted() {
        let sent = json!({
            "data": "/data/set/a.csv", "more": ["x.csv", "https://example.org/y.csv"],
            "config": {"budget": 5}, "folder": "/data/set", "text": "/data/set/a.csv", "either": "plain",
        });
        let expected = json!({
            "data": {"class": "File", "path": "/data/set/a.csv"},
            "more": [
                {"class": "File", "path": "x.csv"},
                {"class": "File", "location": "https://example.org/y.csv"},
            ],
            "config": {"class": "File", "basename": "config.json", "contents": "{\"budget\":5}"},
            "folder": {"class": "Directory", "path": "/data/set"},
            "text": "/data/set/a.csv", "either": "plain",
        });
        assert_eq!(coerced(&sent), expected);
    }

    #[test]
    fn what_is_as_cwl_wants_it_stays() {
        let sent = json!({"data": {"class": "File", "path": "a.csv"}, "config": null});
        assert_eq!(coerced(&sent), sent);
    }

    #[test]
    fn ipfs_is_refused_wherever_it_stands() {
        for sent in [
            json!({"data": "/ipfs/Qm/a.npy"}),
            json!({"more": ["ipfs://Qm"]}),
            json!({"data": {"class": "File", "location": "ipfs://Qm/a.npy"}}),
        ] {
            let fault = inputs(&document(), sent.as_object().unwrap().clone()).unwrap_err();
            assert!(fault.message.contains("IPFS"));
        }
    }

    #[test]
    fn inputs_of_a_document_that_is_none_stay_as_they_are() {
        let broken = json!({"text": "x"}).as_object().unwrap().clone();
        let sent = json!({"data": "a"}).as_object().unwrap().clone();
        assert_eq!(inputs(&broken, sent.clone()).unwrap(), sent);
    }
}
