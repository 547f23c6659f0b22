//! Evaluates values against a schema and gives the errors of Python's `jsonschema`: the same ones,
//! at the same places, in the same words.

mod properties;
mod values;

use serde_json::{Map, Value};

use super::problem::Step;
use super::python;
use super::rules::{Rule, Rules};
use values::{are_unique, equal, is_of};

/// Most errors that are looked for in one file.
const ERRORS: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Error<'a> {
    /// Where in the file.
    pub(super) path: Vec<Step<'a>>,
    /// Where in the schema, up to the keyword, as Python tells it.
    pub(super) schema_path: Vec<Step<'a>>,
    pub(super) keyword: &'a str,
    pub(super) instance: &'a Value,
    /// Whether the message begins with the value.
    pub(super) quotes: bool,
    /// The message, or what follows the value in it.
    pub(super) words: String,
    /// For alternatives: what is wrong with each of them.
    pub(super) context: Vec<Vec<Error<'a>>>,
}

/// Everything that is wrong with a value.
pub(super) fn errors<'a>(rules: &'a Rules, rule: Rule<'a>, instance: &'a Value) -> Vec<Error<'a>> {
    let mut walk = Walk {
        rules,
        path: Vec::new(),
        schema_path: Vec::new(),
        errors: Vec::new(),
        limit: ERRORS,
    };
    walk.descend(rule, instance);
    walk.errors
}

/// Whether nothing is wrong with a value.
pub(super) fn is_valid<'a>(rules: &'a Rules, rule: Rule<'a>, instance: &'a Value) -> bool {
    let mut walk = Walk {
        rules,
        path: Vec::new(),
        schema_path: Vec::new(),
        errors: Vec::new(),
        limit: 1,
    };
    walk.descend(rule, instance);
    walk.errors.is_empty()
}

/// A walk through a value and a schema at one time.
struct Walk<'a> {
    rules: &'a Rules,
    path: Vec<Step<'a>>,
    schema_path: Vec<Step<'a>>,
    errors: Vec<Error<'a>>,
    limit: usize,
}

impl<'a> Walk<'a> {
    fn descend(&mut self, rule: Rule<'a>, instance: &'a Value) {
        let schema = match rule.schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => {
                return self.add("", instance, true, " is not allowed".to_owned());
            }
            _ => return,
        };
        for (keyword, value) in schema {
            if self.errors.len() >= self.limit {
                return;
            }
            // Python leaves these out of the places it tells.
            let told = !matches!(keyword.as_str(), "if" | "$ref");
            if told {
                self.schema_path.push(Step::Key(keyword));
            }
            self.keyword(keyword, value, rule, schema, instance);
            if told {
                self.schema_path.pop();
            }
        }
    }

    fn keyword(
        &mut self,
        keyword: &'a str,
        value: &'a Value,
        rule: Rule<'a>,
        schema: &'a Map<String, Value>,
        instance: &'a Value,
    ) {
        match (keyword, value, instance) {
            ("$ref", Value::String(reference), _) => {
                if let Some(rule) = self.rules.resolve(rule.document, reference) {
                    self.descend(rule, instance);
                }
            }
            ("type", ..) => self.of_type(keyword, value, instance),
            ("const", ..) if !equal(value, instance) => {
                let words = format!("{} was expected", repr(value));
                self.add(keyword, instance, false, words);
            }
            ("enum", Value::Array(all), _) if !all.iter().any(|one| equal(one, instance)) => {
                self.add(
                    keyword,
                    instance,
                    true,
                    format!(" is not one of {}", repr(value)),
                );
            }
            ("minimum", Value::Number(least), Value::Number(number))
                if number.as_f64() < least.as_f64() =>
            {
                let words = format!(" is less than the minimum of {}", repr(value));
                self.add(keyword, instance, true, words);
            }
            ("uniqueItems", Value::Bool(true), Value::Array(items)) if !are_unique(items) => {
                self.add(
                    keyword,
                    instance,
                    true,
                    " has non-unique elements".to_owned(),
                );
            }
            ("items", _, Value::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    self.inside(rule.part(value), None, Step::Index(n), item);
                }
            }
            ("properties", Value::Object(parts), Value::Object(map)) => {
                for (name, part) in parts {
                    if let Some(item) = map.get(name) {
                        self.inside(rule.part(part), Some(name), Step::Key(name), item);
                    }
                }
            }
            ("patternProperties", Value::Object(parts), Value::Object(map)) => {
                for (pattern, part) in parts {
                    for (name, item) in map
                        .iter()
                        .filter(|(name, _)| self.rules.fits(pattern, name))
                    {
                        self.inside(rule.part(part), Some(pattern), Step::Key(name), item);
                    }
                }
            }
            ("additionalProperties", _, Value::Object(map)) => {
                self.additional(keyword, rule.part(value), schema, map, instance);
            }
            ("unevaluatedProperties", _, Value::Object(map)) => {
                self.unevaluated(keyword, rule, value, map, instance);
            }
            ("required", Value::Array(names), Value::Object(map)) => {
                for name in names.iter().filter_map(Value::as_str) {
                    if !map.contains_key(name) {
                        let words = format!("{} is a required property", python::quoted(name));
                        self.add(keyword, instance, false, words);
                    }
                }
            }
            ("if", ..) if is_valid(self.rules, rule.part(value), instance) => {
                if let Some(then) = schema.get("then") {
                    self.schema_path.push(Step::Key("then"));
                    self.descend(rule.part(then), instance);
                    self.schema_path.pop();
                }
            }
            ("allOf", Value::Array(parts), _) => {
                for (n, part) in parts.iter().enumerate() {
                    self.alternative(n, rule.part(part), instance);
                }
            }
            ("anyOf" | "oneOf", Value::Array(parts), _) => {
                self.alternatives(keyword, parts, rule, instance);
            }
            _ => {}
        }
    }

    fn of_type(&mut self, keyword: &'a str, types: &'a Value, instance: &'a Value) {
        let names: Vec<&str> = match types {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            name => name.as_str().into_iter().collect(),
        };
        let mut unknown = None;
        let fits = names.iter().any(|name| {
            is_of(name, instance).unwrap_or_else(|| {
                unknown = Some(*name);
                false
            })
        });
        match unknown {
            _ if fits => {}
            // Python gives up here; StreamFlow's schema has one such type.
            Some(name) => {
                let name = python::quoted(name);
                let words = format!("Unknown type {name} for validator with schema");
                self.add(keyword, instance, false, words);
            }
            None => {
                let words = format!(" is not of type {}", python::names(names));
                self.add(keyword, instance, true, words);
            }
        }
    }

    fn alternatives(
        &mut self,
        keyword: &'a str,
        parts: &'a [Value],
        rule: Rule<'a>,
        instance: &'a Value,
    ) {
        let start = self.errors.len();
        let mut context = Vec::with_capacity(parts.len());
        let mut rest = parts.iter().enumerate();
        let first = rest.by_ref().find(|(n, part)| {
            self.alternative(*n, rule.part(part), instance);
            let wrong = self.errors.split_off(start);
            let fits = wrong.is_empty();
            context.push(wrong);
            fits
        });
        let Some((_, first)) = first else {
            self.add(
                keyword,
                instance,
                true,
                " is not valid under any of the given schemas".to_owned(),
            );
            if let Some(error) = self.errors.last_mut() {
                error.context = context;
            }
            return;
        };
        let more: Vec<_> = rest
            .filter(|(_, part)| {
                keyword == "oneOf" && is_valid(self.rules, rule.part(part), instance)
            })
            .map(|(_, part)| part)
            .chain([first])
            .map(repr)
            .collect();
        if more.len() > 1 {
            let words = format!(" is valid under each of {}", more.join(", "));
            self.add(keyword, instance, true, words);
        }
    }

    /// The same value against one of several schemas.
    fn alternative(&mut self, n: usize, rule: Rule<'a>, instance: &'a Value) {
        self.schema_path.push(Step::Index(n));
        self.descend(rule, instance);
        self.schema_path.pop();
    }

    /// A value within the value, against a schema within the schema.
    fn inside(&mut self, rule: Rule<'a>, name: Option<&'a str>, step: Step<'a>, item: &'a Value) {
        self.path.push(step);
        self.schema_path.extend(name.map(Step::Key));
        self.descend(rule, item);
        if name.is_some() {
            self.schema_path.pop();
        }
        self.path.pop();
    }

    fn add(&mut self, keyword: &'a str, instance: &'a Value, quotes: bool, words: String) {
        let schema_path = self
            .schema_path
            .split_last()
            .map_or(&[][..], |(_, path)| path);
        self.errors.push(Error {
            path: self.path.clone(),
            schema_path: schema_path.to_vec(),
            keyword,
            instance,
            quotes,
            words,
            context: Vec::new(),
        });
    }
}

/// A value of the schema as Python would write it.
fn repr(value: &Value) -> String {
    let value = serde_yaml::to_value(value).unwrap_or(serde_yaml::Value::Null);
    python::repr(&value, None)
}
