//! Values that a schema of the CustomResourceDefinition admits.

use std::sync::LazyLock;

use dvre_operator::api::schema::crd;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;
use serde_json::{Map, Value, json};

use crate::cwl;
use crate::words::{anything, name};

/// How often an optional field is given, of ten times.
const OFTEN: u32 = 2;

static PROPERTIES: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clone()
});

/// A spec, with every optional field at times, and as the rules between its fields want it.
pub fn spec() -> BoxedStrategy<Value> {
    let of_schema = value("spec", &PROPERTIES["spec"]);
    (of_schema, cwl::document(), 0_u32..10)
        .prop_map(|(mut spec, document, choice)| {
            let fields = spec.as_object_mut().unwrap();
            // A document in nine of ten, so that the checks behind it are reached.
            if choice > 0 || !fields.contains_key("cwlFrom") {
                fields.remove("cwlFrom");
                fields.insert("cwl".to_owned(), document);
            } else {
                fields.remove("cwl");
            }
            if choice < 8 || fields.contains_key("deployments") || fields.contains_key("bindings") {
                fields.remove("streamflowFrom");
            }
            lone(
                fields.get_mut("inputsFrom"),
                &["configMapKeyRef", "secretKeyRef"],
            );
            lone(
                fields.get_mut("volumes"),
                &["persistentVolumeClaim", "configMap", "secret"],
            );
            lone(
                fields.get_mut("deployments"),
                &[
                    "local",
                    "docker",
                    "singularity",
                    "kubernetes",
                    "ssh",
                    "slurm",
                ],
            );
            spec
        })
        .boxed()
}

/// A status, of whatever version and moment.
pub fn status() -> BoxedStrategy<Value> {
    value("status", &PROPERTIES["status"])
}

/// What the API server would not admit of a status; None when it would take it.
pub fn refusal(status: &Value) -> Option<String> {
    refused("status", &PROPERTIES["status"], status)
}

/// The first place at which a value is not as a schema wants it, as far as sizes, choices and keys go.
fn refused(place: &str, schema: &Value, value: &Value) -> Option<String> {
    let bound = |key: &str| schema[key].as_f64();
    let beyond = |what: &str, size: usize| {
        // Sizes of what fits into a status are small.
        let size = f64::from(u32::try_from(size).unwrap_or(u32::MAX));
        let (least, most) = (bound(&format!("min{what}")), bound(&format!("max{what}")));
        let beyond =
            least.is_some_and(|least| size < least) || most.is_some_and(|most| size > most);
        beyond.then(|| format!("{place}: {what} is {size}"))
    };
    if let Some(choices) = schema["enum"].as_array() {
        return (!choices.contains(value)).then(|| format!("{place}: {value} is no choice"));
    }
    match value {
        Value::String(text) => beyond("Length", text.chars().count()),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let beyond = bound("minimum").is_some_and(|least| number < least)
                || bound("maximum").is_some_and(|most| number > most);
            beyond.then(|| format!("{place}: {number}"))
        }
        Value::Array(items) => {
            let keys: Vec<String> =
                serde_json::from_value(schema["x-kubernetes-list-map-keys"].clone())
                    .unwrap_or_default();
            let key = |item: &Value| keys.iter().map(|key| item[key].clone()).collect::<Vec<_>>();
            let mut twice = items.iter().enumerate().filter(|(n, item)| {
                !keys.is_empty() && items[..*n].iter().any(|other| key(other) == key(item))
            });
            beyond("Items", items.len())
                .or_else(|| {
                    twice
                        .next()
                        .map(|(n, _)| format!("{place}[{n}]: its key is there twice"))
                })
                .or_else(|| {
                    let mut items = items.iter();
                    items.find_map(|item| refused(place, &schema["items"], item))
                })
        }
        Value::Object(members) => members.iter().find_map(|(key, value)| {
            refused(&format!("{place}.{key}"), &schema["properties"][key], value)
        }),
        Value::Null | Value::Bool(_) => None,
    }
}

/// Leaves each entry of a list the first of some fields, and gives it one when it has none.
fn lone(list: Option<&mut Value>, fields: &[&str]) {
    let entries = list.and_then(Value::as_array_mut);
    for entry in entries
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let first = fields.iter().find(|field| entry.contains_key(**field));
        let first = *first.unwrap_or(&fields[0]);
        entry.retain(|key, _| key == first || !fields.contains(&key.as_str()));
        let minimal = match first {
            "configMapKeyRef" | "secretKeyRef" => json!({"name": "present", "key": "a"}),
            "persistentVolumeClaim" => json!({"claimName": "data"}),
            _ => json!({"name": "present"}),
        };
        entry.entry(first).or_insert(minimal);
    }
}

/// A value of a schema, under the name of its field.
fn value(field: &str, schema: &Value) -> BoxedStrategy<Value> {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return opaque(field);
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return select(vec![
            json!(2),
            json!("1.5"),
            json!(10),
            json!("9.99"),
            json!("100m"),
            json!("128Mi"),
        ])
        .boxed();
    }
    if let Some(choices) = schema["enum"].as_array() {
        return select(choices.clone()).boxed();
    }
    match schema["type"].as_str() {
        Some("object") => object(schema),
        Some("array") => array(field, schema),
        Some("integer") => integer(schema).boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        _ => text(field, schema),
    }
}

fn opaque(field: &str) -> BoxedStrategy<Value> {
    match field {
        "cwl" => cwl::document().boxed(),
        "inputs" => cwl::inputs().boxed(),
        _ => crate::words::object(name(), anything()).boxed(),
    }
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(properties) = schema["properties"].as_object() {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let members: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
            .iter()
            .map(|(key, schema)| {
                let member = (Just(key.clone()), value(key, schema)).prop_map(Some);
                if required.contains(&key.as_str()) {
                    member.boxed()
                } else {
                    prop_oneof![10 - OFTEN => Just(None), OFTEN => member].boxed()
                }
            })
            .collect();
        return members
            .prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>()))
            .boxed();
    }
    let values = value("", &schema["additionalProperties"]);
    let keys = prop_oneof![4 => select(vec!["cpu", "memory", "example.org/team"]).prop_map(str::to_owned), 1 => name()];
    btree_map(keys, values, 0..3)
        .prop_map(|map| json!(map))
        .boxed()
}

fn array(field: &str, schema: &Value) -> BoxedStrategy<Value> {
    let keys: Vec<String> =
        serde_json::from_value(schema["x-kubernetes-list-map-keys"].clone()).unwrap_or_default();
    let most = usize::try_from(schema["maxItems"].as_u64().unwrap_or(4))
        .unwrap()
        .min(4);
    vec(value(field, &schema["items"]), 0..=most)
        .prop_map(move |items: Vec<Value>| {
            let mut unique: Vec<Value> = Vec::new();
            for item in items {
                let same = |other: &Value| {
                    !keys.is_empty() && keys.iter().all(|key| other[key] == item[key])
                };
                if !unique.iter().any(same) {
                    unique.push(item);
                }
            }
            Value::Array(unique)
        })
        .boxed()
}

fn integer(schema: &Value) -> impl Strategy<Value = Value> + use<> {
    let wide = schema["format"] == "int64";
    let (least, most) = if wide {
        (i64::MIN, i64::MAX)
    } else {
        (i32::MIN.into(), i32::MAX.into())
    };
    // The definition writes its bounds as floats.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounds are whole numbers that fit"
    )]
    let bound = |key: &str| schema[key].as_f64().map(|bound| bound as i64);
    let (least, most) = (
        bound("minimum").unwrap_or(least),
        bound("maximum").unwrap_or(most),
    );
    prop_oneof![
        3 => (0_i64..100).prop_map(move |number| number.clamp(least, most)),
        1 => Just(least),
        1 => Just(most),
        1 => least..=most,
    ]
    .prop_map(Value::from)
}

fn text(field: &str, schema: &Value) -> BoxedStrategy<Value> {
    let most = schema["maxLength"].as_u64().unwrap_or(4000);
    let least = schema["minLength"].as_u64().unwrap_or(0);
    if schema["format"] == "date-time" {
        return times().prop_map(Value::from).boxed();
    }
    let free: BoxedStrategy<String> = match field {
        "entrypoint" | "path" => prop_oneof![3 => select(vec!["main.cwl", "a.cwl", "main.cwl#a"]).prop_map(str::to_owned), 1 => name()].boxed(),
        "image" => prop_oneof![3 => Just("debian:trixie-slim".to_owned()), 1 => name()].boxed(),
        "step" => select(vec!["/", "/a", "/b", "/a/b", "/none"]).prop_map(str::to_owned).boxed(),
        _ => name().boxed(),
    };
    let shaped: BoxedStrategy<String> = match schema["pattern"].as_str() {
        Some(pattern) => {
            let plain = pattern.trim_start_matches('^').trim_end_matches('$');
            let open = if pattern.ends_with('$') {
                plain.to_owned()
            } else {
                format!("{plain}[a-z/]{{0,5}}")
            };
            let found = string_regex(&open).unwrap();
            let fits = regex::Regex::new(pattern).unwrap();
            (free, found)
                .prop_map(move |(free, found)| if fits.is_match(&free) { free } else { found })
                .boxed()
        }
        None => free,
    };
    shaped
        .prop_map(move |text| {
            let text: String = text.chars().take(usize::try_from(most).unwrap()).collect();
            let missing = usize::try_from(least)
                .unwrap()
                .saturating_sub(text.chars().count());
            Value::from(text + &"a".repeat(missing))
        })
        .boxed()
}

/// Times that somebody may have written: around now, and at both ends of what can be.
pub fn times() -> impl Strategy<Value = String> {
    let usual = (0_i64..4000).prop_map(|seconds| {
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        (start + jiff::SignedDuration::from_secs(seconds)).to_string()
    });
    prop_oneof![
        8 => usual,
        1 => select(vec!["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-30T22:00:00Z", "2262-04-11T23:47:16Z"]).prop_map(str::to_owned),
    ]
}
