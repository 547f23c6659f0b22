use rstest::rstest;

use crate::streamflow_file::{Document, Schema};

/// A schema of every keyword, pattern and form of reference that StreamFlow's has. What its
/// `jsonschema` 4.26 says of the files below was written down.
const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://x.it/schemas/file.json",
  "type": "object",
  "properties": {
    "version": {"type": "string"},
    "one": {"oneOf": [
      {"type": "string"},
      {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false},
      {"type": "object", "properties": {"b": {"$ref": "#/$defs/few"}}, "required": ["b", "c"]}
    ]},
    "both": {"oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
    "any": {"anyOf": [{"type": ["null", "boolean"]}, {"const": 7}]},
    "deployments": {
      "type": "object",
      "patternProperties": {"^[a-z]+$": {"$ref": "#/$defs/deployment"}},
      "additionalProperties": false
    },
    "free": {"additionalProperties": {"type": "number"}},
    "never": {"type": "float"}
  },
  "required": ["version"],
  "additionalProperties": false,
  "$defs": {
    "few": {"type": "array", "items": {"enum": [1, "two", null]}, "uniqueItems": true},
    "deployment": {
      "properties": {"type": {"enum": ["p", "q"]}},
      "required": ["type", "config"],
      "allOf": [
        {"if": {"properties": {"type": {"const": "p"}}}, "then": {"properties": {"config": {"$ref": "https://x.it/schemas/kinds/p.json"}}}},
        {"if": {"properties": {"type": {"const": "q"}}}, "then": {"properties": {"config": {"$ref": "/schemas/kinds/q.json"}}}}
      ]
    },
    "https://x.it/schemas/kinds/p.json": {
      "$id": "https://x.it/schemas/kinds/p.json",
      "type": "object", "$ref": "base/common.json", "properties": {"image": {"type": "string"}}, "required": ["image"], "unevaluatedProperties": false
    },
    "https://x.it/schemas/kinds/q.json": {
      "$id": "https://x.it/schemas/kinds/q.json",
      "type": "object", "$ref": "base/common.json#/properties/size", "additionalProperties": false
    },
    "https://x.it/schemas/kinds/base/common.json": {
      "$id": "https://x.it/schemas/kinds/base/common.json",
      "type": "object", "properties": {"size": {"type": "integer", "minimum": 1}, "password": {"type": "integer"}}
    }
  }
}"##;

fn schema() -> Schema {
    Schema::new(SCHEMA).unwrap()
}

#[rstest]
#[case("one: {a: x}", &["one: {'a': 'x'} is not valid under any of the given schemas"])]
#[case("one: {b: [1.0, 1, three]}", &["one: {'b': [1.0, 1, 'three']} is not valid under any of the given schemas"])]
#[case("one: 5", &["one: 5 is not valid under any of the given schemas"])]
#[case("both: {x: 1, y: 2}", &["both: {'x': 1, 'y': 2} is valid under each of {'required': ['y']}, {'required': ['x']}"])]
#[case("any: 7.0", &[])]
#[case("any: false", &[])]
#[case("any: 8", &["any: 8 is not valid under any of the given schemas"])]
#[case("deployments: {}", &[])]
#[case("deployments: {a: {type: p, config: {image: 1, size: 0, volume: [], Env: {}}}}", &[
    "deployments.a.config.size: 0 is less than the minimum of 1",
    "deployments.a.config.image: 1 is not of type 'string'",
    "deployments.a.config: Unevaluated properties are not allowed ('Env', 'volume' were unexpected)",
])]
#[case("deployments: {a: {type: q, config: {}}, B: 1, C: 2}", &[
    "deployments: 'B', 'C' do not match any of the regexes: '^[a-z]+$'",
    "deployments.a.config: {} is not of type 'integer'",
])]
#[case("deployments: {a: {type: r, config: 7}}", &["deployments.a.type: 'r' is not one of ['p', 'q']"])]
#[case("deployments: {a: {config: 0}}", &[
    "deployments.a: 'type' is a required property",
    "deployments.a.config: 0 is less than the minimum of 1",
    "deployments.a.config: 0 is not of type 'object'",
    "deployments.a.config: 0 is not of type 'object'",
    "deployments.a.config: 0 is not of type 'object'",
])]
#[case("free: {b: x, a: ~, c: 1.5}", &["free.b: 'x' is not of type 'number'", "free.a: None is not of type 'number'"])]
#[case("more: 1", &["streamflow.yml: Additional properties are not allowed ('more' was unexpected)"])]
#[case("never: 1", &["never: Unknown type 'float' for validator with schema"])]
fn as_python_says_it(#[case] text: &str, #[case] expected: &[&str]) {
    let document = Document::read(&format!("version: v1.0\n{text}\n")).unwrap();
    let wrong = schema().wrong(&document).unwrap();
    let told: Vec<_> = wrong
        .iter()
        .map(|wrong| format!("{}: {}", wrong.place, wrong.message))
        .collect();
    assert_eq!(told, expected);
}

fn refused(text: &str) -> String {
    let document = Document::read(&format!("version: v1.0\n{text}\n")).unwrap();
    schema().check(&document).unwrap_err().to_string()
}

#[rstest]
#[case(
    "one: {b: [three]}",
    "one: {'b': ['three']} is not valid under any of the given schemas (the closest: Additional properties are not allowed ('b' was unexpected))"
)]
#[case(
    "one: {b: [three], c: 1}",
    "one: {'b': ['three'], 'c': 1} is not valid under any of the given schemas \
    (the closest: one.b[0]: 'three' is not one of [1, 'two', None])"
)]
#[case("one: 5", "one: 5 is not valid under any of the given schemas")]
#[case(
    "more: 1\nany: 8",
    "any: 8 is not valid under any of the given schemas (the closest: 7 was expected); \
    streamflow.yml: Additional properties are not allowed ('more' was unexpected)"
)]
fn a_message_that_helps_little_gets_a_hint(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(refused(text), expected);
}

#[test]
fn a_type_that_is_missing_is_not_told_as_every_type_being_wrong() {
    assert_eq!(
        refused("deployments: {a: {config: 0}}"),
        "deployments.a: 'type' is a required property"
    );
}

#[test]
fn messages_are_short_and_keep_their_end() {
    let told = refused(&format!("one: {{b: [{}]}}", "long, ".repeat(2000)));
    assert!(
        told.contains("…") && told.contains("is not valid under any of the given schemas ("),
        "{told}"
    );
    let many = lines(500, |n| format!("  x{}: {{}}\n", "y".repeat(n)));
    let told = refused(&format!("deployments:\n{many}"));
    assert!(told.len() <= 910 && told.ends_with(" more"), "{told}");
}

#[test]
fn passwords_are_not_told() {
    let told = refused(
        "deployments: {a: {type: p, config: {image: {PASSWORD: hunter2}, password: hunter2}}}",
    );
    assert_eq!(
        told,
        "deployments.a.config.password: '[redacted]' is not of type 'integer'; \
         deployments.a.config.image: {'PASSWORD': '[redacted]'} is not of type 'string'"
    );
}

#[rstest]
#[case("", "The `version` clause is mandatory and should be equal to `v1.0`.")]
#[case(
    "version: 1.0",
    "Version 1.0 is unsupported. The `version` clause should be equal to `v1.0`."
)]
#[case(
    "version: ~",
    "Version None is unsupported. The `version` clause should be equal to `v1.0`."
)]
fn the_version_comes_first(#[case] text: &str, #[case] expected: &str) {
    let problem = schema().check(&Document::read(text).unwrap()).unwrap_err();
    assert_eq!(problem.message, expected);
}

#[test]
fn a_schema_that_cannot_be_read_is_told() {
    let problem = Schema::new("{").unwrap_err();
    assert!(
        problem
            .message
            .contains("operator's copy of StreamFlow's schema"),
        "{problem}"
    );
    assert_eq!(schema().unknown().unwrap(), [""; 0]);
}

#[test]
fn a_file_of_nothing_but_mistakes_takes_no_time() {
    let started = std::time::Instant::now();
    let many = lines(20_000, |n| format!("  {}: {{}}\n", letters(n)));
    let told = refused(&format!("deployments:\n{many}"));
    assert!(told.starts_with("deployments."), "{told}");
    let many = lines(20_000, |n| format!("x{n}, "));
    assert!(refused(&format!("one: {{b: [{many}1, 1]}}")).starts_with("one: "));
    assert!(
        started.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

fn letters(n: usize) -> String {
    format!("{n:05}")
        .bytes()
        .map(|digit| char::from(digit + (b'a' - b'0')))
        .collect()
}

fn lines(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().concat()
}
