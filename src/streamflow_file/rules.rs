//! A JSON schema made ready: its patterns are compiled and its references can be followed.

use std::collections::{BTreeSet, HashMap};

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that are evaluated.
const EVALUATED: &[&str] = &[
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "if",
    "items",
    "minimum",
    "oneOf",
    "patternProperties",
    "properties",
    "required",
    "then",
    "type",
    "unevaluatedProperties",
    "uniqueItems",
];
/// Keywords that demand nothing.
const NOTES: &[&str] = &[
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "title",
    // StreamFlow keeps a schema under this name among its definitions.
    "docker",
];
/// Deepest nesting of a schema that is looked at.
const DEPTH: usize = 64;

/// A schema and the document in which its references are looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'a> {
    pub(super) schema: &'a Value,
    pub(super) document: &'a Value,
}

impl<'a> Rule<'a> {
    /// A part of this rule.
    pub(super) fn part(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }
}

/// A schema that can be evaluated.
#[derive(Debug)]
pub(super) struct Rules {
    root: Value,
    patterns: HashMap<String, Regex>,
    unknown: BTreeSet<String>,
}

impl Rules {
    /// Reads a schema.
    ///
    /// # Errors
    /// It is not JSON.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut survey = Survey::default();
        survey.schema(&root, &root, 0);
        let mut unknown = survey.unknown;
        let rules = Self {
            root: Value::Null,
            patterns: survey.patterns,
            unknown: BTreeSet::new(),
        };
        unknown.extend(
            survey
                .references
                .into_iter()
                .filter(|(document, reference)| resolve(&root, document, reference).is_none())
                .map(|(_, reference)| format!("$ref {reference}")),
        );
        Ok(Self {
            root,
            unknown,
            ..rules
        })
    }

    /// What the schema demands that cannot be evaluated: keywords, patterns and references.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    /// The rule for a whole file.
    pub(super) fn root(&self) -> Rule<'_> {
        Rule {
            schema: &self.root,
            document: &self.root,
        }
    }

    /// The rule that a reference within `document` means.
    pub(super) fn resolve<'a>(&'a self, document: &'a Value, reference: &str) -> Option<Rule<'a>> {
        resolve(&self.root, document, reference)
    }

    /// Whether a name fits a pattern. A pattern that cannot be compiled fits everything.
    pub(super) fn fits(&self, pattern: &str, name: &str) -> bool {
        self.patterns
            .get(pattern)
            .is_none_or(|pattern| pattern.is_match(name))
    }
}

/// Follows a reference. StreamFlow keeps every document that can be named among the definitions of
/// the root, by its whole address.
fn resolve<'a>(root: &'a Value, document: &'a Value, reference: &str) -> Option<Rule<'a>> {
    let (address, pointer) = reference.split_once('#').unwrap_or((reference, ""));
    let document = if address.is_empty() {
        document
    } else {
        let address = absolute(id(document), address);
        if id(root) == address {
            root
        } else {
            root.get("$defs")?.get(&address)?
        }
    };
    Some(Rule {
        schema: document.pointer(pointer)?,
        document,
    })
}

fn id(document: &Value) -> &str {
    document
        .get("$id")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// An address relative to that of a document.
fn absolute(base: &str, address: &str) -> String {
    if address.contains("://") {
        return address.to_owned();
    }
    let host = base
        .find("://")
        .and_then(|at| base.get(at + 3..)?.find('/').map(|slash| at + 3 + slash))
        .unwrap_or(base.len());
    let kept = if address.starts_with('/') {
        host
    } else {
        base.rfind('/').map_or(0, |slash| slash + 1)
    };
    format!("{}{address}", base.get(..kept).unwrap_or_default())
}

/// What is found in a schema on a walk through it.
#[derive(Default)]
struct Survey<'a> {
    patterns: HashMap<String, Regex>,
    references: Vec<(&'a Value, &'a str)>,
    unknown: BTreeSet<String>,
}

impl<'a> Survey<'a> {
    fn schema(&mut self, schema: &'a Value, document: &'a Value, depth: usize) {
        let Value::Object(schema_object) = schema else {
            return;
        };
        if depth > DEPTH {
            self.unknown.insert("too much nesting".to_owned());
            return;
        }
        let document = if schema_object.contains_key("$id") {
            schema
        } else {
            document
        };
        for (keyword, value) in schema_object {
            if !EVALUATED.contains(&keyword.as_str()) && !NOTES.contains(&keyword.as_str()) {
                self.unknown.insert(keyword.clone());
            }
            match (keyword.as_str(), value) {
                ("$ref", Value::String(reference)) => self.references.push((document, reference)),
                ("patternProperties", Value::Object(parts)) => {
                    self.patterns(parts);
                    self.schemas(parts.values(), document, depth);
                }
                ("properties" | "$defs", Value::Object(parts)) => {
                    self.schemas(parts.values(), document, depth);
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                    self.schemas(parts, document, depth);
                }
                (
                    "items"
                    | "if"
                    | "then"
                    | "additionalProperties"
                    | "unevaluatedProperties"
                    | "docker",
                    part,
                ) => self.schema(part, document, depth + 1),
                _ => {}
            }
        }
    }

    fn schemas(
        &mut self,
        parts: impl IntoIterator<Item = &'a Value>,
        document: &'a Value,
        depth: usize,
    ) {
        for part in parts {
            self.schema(part, document, depth + 1);
        }
    }

    fn patterns(&mut self, parts: &Map<String, Value>) {
        for pattern in parts.keys() {
            match Regex::new(pattern) {
                Ok(regex) => {
                    self.patterns.insert(pattern.clone(), regex);
                }
                Err(_) => {
                    self.unknown.insert(format!("pattern {pattern}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("base/docker.json", "https://x.it/a/b/base/docker.json")]
    #[case("/a/docker.json", "https://x.it/a/docker.json")]
    #[case("https://y.it/z.json", "https://y.it/z.json")]
    fn addresses_are_relative_to_the_document(#[case] address: &str, #[case] expected: &str) {
        assert_eq!(absolute("https://x.it/a/b/c.json", address), expected);
    }

    #[test]
    fn what_cannot_be_evaluated_is_told() {
        let schema = r##"{"properties": {"a": {"$ref": "#/$defs/none", "maxLength": 3}},
            "patternProperties": {"(?<!a)b": {"type": "string"}}}"##;
        let rules = Rules::new(schema).unwrap();
        let unknown: Vec<_> = rules.unknown().collect();
        assert_eq!(
            unknown,
            ["$ref #/$defs/none", "maxLength", "pattern (?<!a)b"]
        );
    }
}
