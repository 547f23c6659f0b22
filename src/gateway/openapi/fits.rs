//! Whether a value is what a schema says, with the words of JSON Schema that the document uses.

use serde_json::Value;

use super::document;

/// What does not fit. Unlike a validator it also complains about fields that the schema does not name.
pub fn complaints(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(choices) = schema["anyOf"].as_array() {
        let each = choices.iter().map(|choice| complaints(choice, value, at));
        return each.min_by_key(Vec::len).unwrap_or_default();
    }
    let parts = parts(schema);
    let mut found = Vec::new();
    for part in &parts {
        if !is_of_type(part, value) {
            found.push(format!("{at}: {value} is not {}", part["type"]));
        }
        let allowed = part["enum"].as_array();
        if allowed.is_some_and(|allowed| !allowed.contains(value))
            || part.get("const").is_some_and(|only| only != value)
        {
            found.push(format!("{at}: {value} is none of those that may be"));
        }
        for name in part["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap()).is_none() {
                found.push(format!("{at}: {name} is missing"));
            }
        }
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let at = format!("{at}.{name}");
                let named = parts.iter().find_map(|part| part["properties"].get(name));
                let others = || {
                    parts
                        .iter()
                        .find_map(|part| part.get("additionalProperties"))
                };
                match named.or_else(others) {
                    Some(Value::Bool(true)) => {}
                    Some(schema) => found.extend(complaints(schema, field, &at)),
                    None => found.push(format!("{at}: not in the document")),
                }
            }
        }
        Value::Array(items) => {
            let schema = parts.iter().find_map(|part| part.get("items"));
            for (place, item) in items.iter().enumerate() {
                let at = format!("{at}[{place}]");
                match schema {
                    Some(Value::Bool(true)) => {}
                    Some(schema) => found.extend(complaints(schema, item, &at)),
                    None => found.push(format!("{at}: not in the document")),
                }
            }
        }
        _ => {}
    }
    found
}

/// What a reference of the document refers to.
pub fn referred(reference: &str) -> Option<&'static Value> {
    document().pointer(reference.strip_prefix('#')?)
}

/// A schema and all that it is made of.
fn parts(schema: &Value) -> Vec<&Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return parts(referred(reference).unwrap());
    }
    let more = schema["allOf"].as_array().into_iter().flatten();
    std::iter::once(schema)
        .chain(more.flat_map(parts))
        .collect()
}

fn is_of_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    match &schema["type"] {
        Value::Null => true,
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    }
}
