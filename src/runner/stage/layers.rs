//! The input objects of a run, in the order in which later ones win.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

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
            let object = parse(&text).map_err(|why| Failure::inputs(format!("{name}: {why}")))?;
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

/// Reads an object. An error says where, and never what stands there.
fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let mut yaml: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map(|place| (place.line(), place.column()));
        match place {
            Some((line, column)) => {
                format!("neither YAML nor JSON: line {line}, column {column}")
            }
            None => "neither YAML nor JSON".to_owned(),
        }
    })?;
    yaml.apply_merge()
        .map_err(|_| "a merge key (<<) that merges no mapping".to_owned())?;
    let value = serde_json::to_value(&yaml)
        .map_err(|_| "it has keys that are not strings, which JSON cannot have".to_owned())?;
    match value {
        Value::Object(object) => Ok(object),
        // A file of comments alone.
        Value::Null => Ok(Map::new()),
        Value::Array(_) => Err("an input object is needed, and this is a list".to_owned()),
        _ => Err("an input object is needed, and this is a single value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a: 1\nb: {c: [x]}", r#"{"a":1,"b":{"c":["x"]}}"#)]
    #[case(r#"{"a": 1.5, "b": null}"#, r#"{"a":1.5,"b":null}"#)]
    #[case(
        "base: &b {x: 1}\na: {<<: *b, y: 2}",
        r#"{"a":{"x":1,"y":2},"base":{"x":1}}"#
    )]
    #[case("# nothing\n", "{}")]
    fn reads(#[case] text: &str, #[case] json: &str) {
        assert_eq!(Value::Object(parse(text).unwrap()).to_string(), json);
    }

    #[rstest]
    #[case("- secret", "an input object is needed, and this is a list")]
    #[case("secret", "an input object is needed, and this is a single value")]
    #[case("a: secret\nb: {secret", "neither YAML nor JSON: line 3, column 1")]
    #[case("a: 1\na: secret", "neither YAML nor JSON: line 1, column 1")]
    #[case(
        "a: {[secret]: 1}",
        "it has keys that are not strings, which JSON cannot have"
    )]
    fn says_where_and_not_what(#[case] text: &str, #[case] message: &str) {
        assert_eq!(parse(text).unwrap_err(), message);
    }

    #[rstest]
    #[case("/dvre/run/inputs.json", "inputs")]
    #[case("/dvre/run/inputs-0.yaml", "inputsFrom[0]")]
    #[case("/dvre/secrets/1/inputs", "inputsFrom[1]")]
    fn names_the_layer(#[case] file: &str, #[case] expected: &str) {
        assert_eq!(name(file), expected);
    }
}
