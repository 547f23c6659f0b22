//! Values with something wrong in one place.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::words::anything;

/// The values of a strategy, with anything in place of one of their parts.
pub fn spoiled(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (values, any::<Index>(), wrong()).prop_map(|(mut value, place, wrong)| {
        let count = parts(&value);
        put(&mut value, place.index(count), &mut Some(wrong));
        value
    })
}

fn wrong() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => anything(),
        1 => (1_usize..100_000).prop_map(|length| Value::from("w".repeat(length))),
        1 => (1_usize..2000).prop_map(|count| Value::from(vec![json!({}); count])),
        1 => (1_usize..120).prop_map(|depth| (0..depth).fold(json!([]), |inner, _| json!([inner]))),
    ]
}

fn parts(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Object(members) => members.values().map(parts).sum(),
        Value::Array(items) => items.iter().map(parts).sum(),
        _ => 0,
    };
    inner + 1
}

/// Puts something in place of the part of a number; returns how many numbers are left.
fn put(value: &mut Value, number: usize, wrong: &mut Option<Value>) -> Option<usize> {
    let Some(mut left) = number.checked_sub(1) else {
        *value = wrong.take().unwrap_or_default();
        return None;
    };
    let inner: Vec<&mut Value> = match value {
        Value::Object(members) => members.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    for part in inner {
        left = put(part, left, wrong)?;
    }
    Some(left)
}
