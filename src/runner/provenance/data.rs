//! What went in and came out: values as properties, files as data with size and checksum.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Inputs;
use super::files::Files;
use super::graph::{Graph, escape, media_type};
use crate::runner::layout::Layout;
use crate::runner::outputs::checksum;
use crate::runner::record::cut;
use crate::runner::stage::{decode, without_query};

/// The most files that are named one by one.
const MOST_FILES: usize = 10_000;
/// The most bytes of one value.
const VALUE_LIMIT: usize = 16 << 10;
/// The most bytes of input files that are read for their checksums: a run is not to last much longer
/// for them.
const CHECKSUM_LIMIT: u64 = 256 << 20;

/// Adds the values of a run.
pub struct Data<'a> {
    pub graph: &'a mut Graph,
    pub files: &'a Files<'a>,
    pub layout: &'a Layout,
    /// What is left of [`CHECKSUM_LIMIT`].
    checksums: u64,
    left: usize,
}

impl<'a> Data<'a> {
    /// `checksums` says whether there is time for those of inputs.
    pub fn new(
        graph: &'a mut Graph,
        files: &'a Files<'a>,
        layout: &'a Layout,
        checksums: bool,
    ) -> Self {
        let checksums = if checksums { CHECKSUM_LIMIT } else { 0 };
        Self {
            graph,
            files,
            layout,
            checksums,
            left: MOST_FILES,
        }
    }

    /// The entities of one input, as the engine got it and as it was given.
    pub fn input(&mut self, name: &str, inputs: &Inputs) -> Vec<String> {
        let id = format!("#input/{}", escape(name));
        if inputs.secret.contains(name) {
            let fields =
                json!({"name": name, "value": "[redacted]", "description": "From a Secret"});
            return vec![self.graph.put(&id, &["PropertyValue"], fields)];
        }
        let Some(value) = inputs.resolved.get(name) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        self.find_inputs(value, inputs.given.get(name).unwrap_or(value), &mut found);
        self.property(&id, name, value, found)
    }

    /// The entities of one output.
    pub fn output(&mut self, name: &str, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.find_outputs(value, &mut found);
        self.property(&format!("#output/{}", escape(name)), name, value, found)
    }

    /// The files of a value, else the value itself.
    fn property(&mut self, id: &str, name: &str, value: &Value, files: Vec<String>) -> Vec<String> {
        if !files.is_empty() {
            return files;
        }
        let value = match value {
            Value::Null => return Vec::new(),
            Value::Array(items)
                if items
                    .iter()
                    .all(|item| !item.is_array() && !item.is_object()) =>
            {
                let text = value.to_string();
                if text.len() > VALUE_LIMIT || items.len() < 2 {
                    items
                        .first()
                        .filter(|_| items.len() == 1)
                        .map_or_else(|| json!(short(&text)), scalar)
                } else {
                    items.iter().map(scalar).collect()
                }
            }
            value => scalar(value),
        };
        vec![self.graph.put(
            id,
            &["PropertyValue"],
            json!({"name": name, "value": value}),
        )]
    }

    fn find_inputs(&mut self, value: &Value, given: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.find_inputs(item, given.get(index).unwrap_or(item), found);
                }
            }
            Value::Object(object) => {
                let directory = object
                    .get("class")
                    .is_some_and(|class| class == "Directory");
                let file = object.get("class").is_some_and(|class| class == "File");
                if (file || directory)
                    && let Some(id) = self.input_file(object, given, directory)
                {
                    found.push(id);
                }
                for (key, value) in object {
                    let nested = key == "secondaryFiles" || !(file || directory);
                    if nested && (value.is_array() || value.is_object()) {
                        self.find_inputs(value, given.get(key).unwrap_or(value), found);
                    }
                }
            }
            _ => {}
        }
    }

    fn input_file(
        &mut self,
        object: &Map<String, Value>,
        given: &Value,
        directory: bool,
    ) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        let path = object
            .get("location")?
            .as_str()?
            .strip_prefix("file://")
            .map(decode)?;
        let path = Path::new(&path);
        let address = ["location", "path"]
            .iter()
            .find_map(|key| given.get(key)?.as_str());
        let (id, part) = if let Some(url) = address.filter(|text| text.starts_with("https://")) {
            // What follows `?` may be a signature.
            (without_query(url), true)
        } else if let Ok(inside) = path.strip_prefix(self.layout.workflow()) {
            let id = self.files.workflow(&inside.to_string_lossy());
            // A folder of the workflow's is in the crate by its files.
            (id, !directory)
        } else {
            let inside = path.strip_prefix(self.layout.at("/")).unwrap_or(path);
            (
                format!("file:///{}", escape(&inside.to_string_lossy())),
                true,
            )
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if directory {
            let id = format!("{}/", id.trim_end_matches('/'));
            self.graph.put(&id, &["Dataset"], json!({"name": name}));
            self.graph.link(super::ROOT, "hasPart", &id);
            return Some(id);
        }
        let size = fs::metadata(path).ok()?.len();
        self.graph.put(
            &id,
            &["File"],
            json!({"name": name, "encodingFormat": media_type(&name)}),
        );
        self.graph.set(&id, "contentSize", json!(size.to_string()));
        if id.starts_with("https://") {
            self.graph.set(&id, "contentUrl", json!(id));
            self.graph.set(
                &id,
                "sdDatePublished",
                json!(super::graph::time(crate::runner::tally::now())),
            );
        }
        if let Some(volume) = id.strip_prefix("file:///data/") {
            let volume = volume.split('/').next().unwrap_or_default();
            let text =
                format!("On the volume {volume} of the resource, which is not in this crate");
            self.graph.set(&id, "description", json!(text));
        }
        if size <= self.checksums
            && let Ok(checksum) = checksum(path)
        {
            self.checksums -= size;
            self.sha1(&id, &checksum);
        }
        if part {
            self.graph.link(super::ROOT, "hasPart", &id);
        }
        Some(id)
    }

    fn find_outputs(&mut self, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.find_outputs(item, found)),
            Value::Object(object) => match object.get("class").and_then(Value::as_str) {
                Some("File") => {
                    found.extend(self.output_file(object));
                    if let Some(more) = object.get("secondaryFiles") {
                        self.find_outputs(more, found);
                    }
                }
                Some("Directory") => found.extend(self.output_folder(object)),
                _ => object
                    .values()
                    .for_each(|value| self.find_outputs(value, found)),
            },
            _ => {}
        }
    }

    fn output_file(&mut self, object: &Map<String, Value>) -> Option<String> {
        let path = object.get("location")?.as_str()?;
        self.left = self.left.checked_sub(1)?;
        let size = object.get("size").map(ToString::to_string);
        let id = escape(path);
        self.graph.put(
            &id,
            &["File"],
            json!({"name": object.get("basename").and_then(Value::as_str).unwrap_or(path),
                "encodingFormat": media_type(path), "contentSize": size}),
        );
        if let Some(checksum) = object.get("checksum").and_then(Value::as_str) {
            self.sha1(&id, checksum);
        }
        self.graph.link(super::ROOT, "hasPart", &id);
        Some(id)
    }

    fn output_folder(&mut self, object: &Map<String, Value>) -> Option<String> {
        let path = object.get("location")?.as_str()?;
        self.left = self.left.checked_sub(1)?;
        let id = format!("{}/", escape(path).trim_end_matches('/'));
        let name = object
            .get("basename")
            .and_then(Value::as_str)
            .unwrap_or(path);
        self.graph.put(&id, &["Dataset"], json!({"name": name}));
        self.graph.link(super::ROOT, "hasPart", &id);
        let mut parts = Vec::new();
        if let Some(listing) = object.get("listing") {
            self.find_outputs(listing, &mut parts);
        }
        for part in parts {
            self.graph.link(&id, "hasPart", &part);
        }
        Some(id)
    }

    fn sha1(&mut self, id: &str, checksum: &str) {
        if let Some(sum) = checksum.strip_prefix("sha1$") {
            self.graph.set(id, "sha1", json!(sum));
        }
    }
}

fn scalar(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(short(text)),
        Value::Bool(true) => json!("True"),
        Value::Bool(false) => json!("False"),
        value => json!(short(&value.to_string())),
    }
}

fn short(text: &str) -> String {
    let kept = cut(text, VALUE_LIMIT);
    if kept.len() < text.len() {
        format!("{kept}…")
    } else {
        text.to_owned()
    }
}

/// The names of the inputs that a reader may see.
pub fn names(inputs: &Inputs) -> BTreeSet<&str> {
    let resolved = inputs.resolved.keys();
    resolved.chain(&inputs.secret).map(String::as_str).collect()
}
