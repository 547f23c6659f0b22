//! The input objects of a run, in the order in which later ones win.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::cwl;
use crate::runner::failure::Failure;
use crate::runner::layout::Layout;
use crate::runner::redact::Redactor;

const SECRETS: &str = "/dvre/secrets/";

/// The input objects as read.
#[derive(Debug)]
pub struct Layers {
    objects: Vec<(bool, Map<String, Value>)>,
}

impl Layers {
    /// Reads every file; each must hold an object, as YAML or JSON.
    pub fn read(layout: &Layout, files: &[String]) -> Result<Self, Failure> {
        let read = |file: &String| {
            let name = name(file);
            let text = fs::read_to_string(layout.at(file)).map_err(|error| {
                Failure::inputs(format!("{name}: the input object cannot be read: {error}"))
            })?;
            let object = cwl::read_object(&name, &text)?;
            Ok((file.starts_with(SECRETS), object))
        };
        Ok(Self {
            objects: files.iter().map(read).collect::<Result<_, Failure>>()?,
        })
    }

    /// What hides every value that comes from a Secret.
    pub fn redactor(&self) -> Redactor {
        let secret = self.objects.iter().filter(|(secret, _)| *secret);
        let values: Vec<Value> = secret.map(|(_, object)| object.clone().into()).collect();
        Redactor::new(&values)
    }

    /// The inputs whose value comes from a Secret.
    pub fn secret(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (secret, object) in &self.objects {
            for name in object.keys() {
                if *secret {
                    names.insert(name.clone());
                } else {
                    names.remove(name);
                }
            }
        }
        names
    }

    /// One object: for each input the value of the last layer that has it.
    pub fn merge(self) -> Map<String, Value> {
        self.objects
            .into_iter()
            .flat_map(|(_, object)| object)
            .collect()
    }
}

/// The layer as the resource's author knows it.
fn name(file: &str) -> String {
    let index = match file.strip_prefix(SECRETS) {
        Some(rest) => rest.split('/').next(),
        None => Path::new(file)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.strip_prefix("inputs-")),
    };
    index.map_or_else(
        || "inputs".to_owned(),
        |index| format!("inputsFrom[{index}]"),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::runner::testing::folder;

    #[test]
    fn later_layers_win_for_each_input() {
        let world = folder("layers");
        world.write("dvre/run/inputs-0.yaml", "a: {x: 1}\nb: 2");
        world.write("dvre/secrets/1/inputs", r#"{"a": {"y": 1}}"#);
        let files = [
            "/dvre/run/inputs-0.yaml".to_owned(),
            "/dvre/secrets/1/inputs".to_owned(),
        ];
        let layers = Layers::read(&Layout::new(world.path()), &files).unwrap();
        assert_eq!(
            Value::Object(layers.merge()).to_string(),
            r#"{"a":{"y":1},"b":2}"#
        );
    }

    #[rstest]
    #[case("- hunter2")]
    #[case("a: hunter2\nb: {hunter2")]
    fn a_wrong_layer_is_named_and_not_quoted(#[case] text: &str) {
        let world = folder("layers");
        world.write("dvre/secrets/1/inputs", text);
        let files = ["/dvre/secrets/1/inputs".to_owned()];
        let failure = Layers::read(&Layout::new(world.path()), &files).unwrap_err();
        assert!(failure.message.starts_with("inputsFrom[1]: "), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }

    #[rstest]
    #[case("/dvre/run/inputs.json", "inputs")]
    #[case("/dvre/run/inputs-0.yaml", "inputsFrom[0]")]
    #[case("/dvre/secrets/1/inputs", "inputsFrom[1]")]
    fn names_the_layer(#[case] file: &str, #[case] expected: &str) {
        assert_eq!(name(file), expected);
    }
}
