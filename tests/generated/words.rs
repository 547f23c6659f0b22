//! Words that mean something somewhere, so that what is made up gets beyond the first check.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "main",
    "message",
    "output",
    "present",
    "absent",
    "local",
    "docker",
    "kubernetes",
    "singularity",
    "slurm",
    "mine",
    "in",
    "out",
    "x/y",
    "#a",
    "#main",
    "a/output",
    "/",
    "/a",
    "/a/b",
    "main.cwl",
    "main.cwl#a",
    "..",
    "../a",
    "",
    " ",
    "self",
    "null",
    "$(inputs.a)",
    "${return 1;}",
];

const STRANGE: &[&str] = &[
    "é",
    "日本",
    "\u{202e}abc",
    "a\0b",
    "\u{feff}",
    "🧬",
    "a\nb",
    "{{x}}",
    "%s%n",
    "'; --",
    "\\",
    "~",
];

/// A name that may refer to something.
pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => select(NAMES).prop_map(str::to_owned),
        2 => select(STRANGE).prop_map(str::to_owned),
        1 => "[a-z][a-z0-9-]{0,20}",
        1 => ".{0,8}",
        1 => (1_usize..4000).prop_map(|length| "n".repeat(length)),
    ]
}

/// A number at or around where something may break.
pub fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-2_i64..100).prop_map(Value::from),
        1 => select(vec![i64::MIN, i64::MAX, i64::from(i32::MAX), i64::from(i32::MAX) + 1, 1 << 53]).prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ]
}

/// Any JSON at all.
pub fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => number(),
        4 => name().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            object(name(), inner),
        ]
    })
}

/// An object of a few members.
pub fn object(
    keys: impl Strategy<Value = String>,
    values: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Value> {
    proptest::collection::vec((keys, values), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

/// Something, or nothing, seldom the first.
pub fn seldom<T: Strategy>(weight: u32, strategy: T) -> impl Strategy<Value = Option<T::Value>>
where
    T::Value: Clone,
{
    prop_oneof![
        10 - weight => Just(None),
        weight => strategy.prop_map(Some),
    ]
}
