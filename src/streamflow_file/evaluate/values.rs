//! Types and equality of values, as JSON schemas have them.

use std::collections::HashSet;

use serde_json::Value;

/// Whether a value is of a type; `None` for a type that JSON schemas do not have.
pub(super) fn is_of(name: &str, value: &Value) -> Option<bool> {
    Some(match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value
            .as_number()
            .is_some_and(|number| !number.is_f64() || number.as_f64().is_some_and(is_whole)),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        _ => return None,
    })
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0
}

/// Equality in which 1 and 1.0 are the same.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    canonical(one) == canonical(other)
}

pub(super) fn are_unique(items: &[Value]) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().all(|item| seen.insert(canonical(item)))
}

/// A text that is the same for equal values.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && is_whole(float) => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => {
            let items: Vec<_> = map
                .iter()
                .map(|(key, item)| format!("{key:?}:{}", canonical(item)))
                .collect();
            format!("{{{}}}", items.join(","))
        }
        value => value.to_string(),
    }
}
