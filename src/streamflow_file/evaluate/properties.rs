//! What a schema says of names that it does not list.

use serde_json::{Map, Value};

use super::super::evaluated::evaluated;
use super::super::problem::Step;
use super::super::python;
use super::super::rules::Rule;
use super::{Walk, is_valid};

impl<'a> Walk<'a> {
    pub(super) fn additional(
        &mut self,
        keyword: &'a str,
        rule: Rule<'a>,
        schema: &'a Map<String, Value>,
        map: &'a Map<String, Value>,
        instance: &'a Value,
    ) {
        let part = |name| schema.get(name).and_then(Value::as_object);
        let (properties, patterns) = (part("properties"), part("patternProperties"));
        let is_extra = |name: &str| {
            !properties.is_some_and(|properties| properties.contains_key(name))
                && !patterns.is_some_and(|all| all.keys().any(|one| self.rules.fits(one, name)))
        };
        // The keys of a map are sorted here, as Python sorts them.
        let extras: Vec<_> = map.iter().filter(|(name, _)| is_extra(name)).collect();
        match (rule.schema, patterns) {
            (Value::Object(_), _) => {
                for (name, item) in extras {
                    self.inside(rule, None, Step::Key(name), item);
                }
            }
            (Value::Bool(false), Some(patterns)) if !extras.is_empty() => {
                let verb = if extras.len() == 1 { "does" } else { "do" };
                let words = format!(
                    "{} {verb} not match any of the regexes: {}",
                    python::names(extras.iter().map(|(name, _)| name.as_str())),
                    python::names(patterns.keys().map(String::as_str)),
                );
                self.add(keyword, instance, false, words);
            }
            (Value::Bool(false), None) if !extras.is_empty() => {
                let words = unexpected("Additional", extras.iter().map(|(name, _)| name.as_str()));
                self.add(keyword, instance, false, words);
            }
            _ => {}
        }
    }

    pub(super) fn unevaluated(
        &mut self,
        keyword: &'a str,
        rule: Rule<'a>,
        value: &'a Value,
        map: &'a Map<String, Value>,
        instance: &'a Value,
    ) {
        let seen = evaluated(self.rules, rule, map, instance);
        let left: Vec<_> = map
            .iter()
            .filter(|(name, item)| {
                !seen.contains(name.as_str()) && !is_valid(self.rules, rule.part(value), item)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if !left.is_empty() {
            self.add(keyword, instance, false, unexpected("Unevaluated", left));
        }
    }
}

fn unexpected<'a>(sort: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let verb = if names.len() == 1 { "was" } else { "were" };
    format!(
        "{sort} properties are not allowed ({} {verb} unexpected)",
        python::names(names)
    )
}
