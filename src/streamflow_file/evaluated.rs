//! Which names of a mapping a schema speaks about, as Python's `jsonschema` sees it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::evaluate::is_valid;
use super::rules::{Rule, Rules};

/// The names in `map`, which is `instance`, that a schema evaluates: what `unevaluatedProperties`
/// does not ask about.
pub(super) fn evaluated<'a>(
    rules: &'a Rules,
    rule: Rule<'a>,
    map: &'a Map<String, Value>,
    instance: &'a Value,
) -> HashSet<&'a str> {
    let mut seen = HashSet::new();
    collect(rules, rule, map, instance, &mut seen);
    seen
}

fn collect<'a>(
    rules: &'a Rules,
    rule: Rule<'a>,
    map: &'a Map<String, Value>,
    instance: &'a Value,
    seen: &mut HashSet<&'a str>,
) {
    let Value::Object(schema) = rule.schema else {
        return;
    };
    let valid = |part| is_valid(rules, rule.part(part), instance);
    for (keyword, value) in schema {
        match (keyword.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                if let Some(rule) = rules.resolve(rule.document, reference) {
                    collect(rules, rule, map, instance, seen);
                }
            }
            ("properties", Value::Object(parts)) => {
                seen.extend(
                    map.keys()
                        .filter(|name| parts.contains_key(*name))
                        .map(String::as_str),
                );
            }
            // With `additionalProperties`, Python counts also what `properties` speaks about.
            ("additionalProperties" | "unevaluatedProperties", _) => {
                let fits = |item| is_valid(rules, rule.part(value), item);
                seen.extend(
                    map.iter()
                        .filter(|(_, item)| fits(item))
                        .map(|(name, _)| name.as_str()),
                );
            }
            ("patternProperties", Value::Object(parts)) => {
                let fits = |name: &&String| parts.keys().any(|pattern| rules.fits(pattern, name));
                seen.extend(map.keys().filter(fits).map(String::as_str));
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                for part in parts.iter().filter(|part| valid(part)) {
                    collect(rules, rule.part(part), map, instance, seen);
                }
            }
            ("if", _) if valid(value) => {
                collect(rules, rule.part(value), map, instance, seen);
                if let Some(then) = schema.get("then") {
                    collect(rules, rule.part(then), map, instance, seen);
                }
            }
            _ => {}
        }
    }
}
