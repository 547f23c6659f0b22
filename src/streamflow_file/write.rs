//! Values as YAML that every reader understands alike.
//!
//! `yaml_serde` leaves text such as `2001-01-01`, `1_000` and `=` without quotes; StreamFlow's
//! reader takes these for a date, a number and an error.

use std::fmt::Write as _;

use serde_json::Value;

/// Writes a value as a YAML document, its keys in their order.
pub(super) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut text, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut text, value, 0),
        value => {
            scalar(&mut text, value);
            text.push('\n');
        }
    }
    text
}

/// Writes the entries of a mapping or list that has some. The first goes where the text ends, the
/// others on lines of their own.
fn block(text: &mut String, value: &Value, indent: usize) {
    let mut first = true;
    let mut start = |text: &mut String| {
        if !std::mem::take(&mut first) {
            text.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                start(text);
                string(text, key);
                text.push(':');
                if is_block(item) {
                    text.push('\n');
                    text.extend(std::iter::repeat_n(' ', indent + 2));
                    block(text, item, indent + 2);
                } else {
                    text.push(' ');
                    line(text, item);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                start(text);
                text.push_str("- ");
                if is_block(item) {
                    block(text, item, indent + 2);
                } else {
                    line(text, item);
                }
            }
        }
        value => line(text, value),
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn line(text: &mut String, value: &Value) {
    scalar(text, value);
    text.push('\n');
}

fn scalar(text: &mut String, value: &Value) {
    match value {
        Value::String(value) => string(text, value),
        // JSON's null, booleans, numbers and empty collections are YAML's.
        value => text.push_str(&value.to_string()),
    }
}

fn string(text: &mut String, value: &str) {
    if is_plain(value) {
        text.push_str(value);
        return;
    }
    text.push('"');
    for c in value.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '"' | '\\' => write!(text, "\\{c}"),
            '\n' => write!(text, "\\n"),
            '\t' => write!(text, "\\t"),
            '\r' => write!(text, "\\r"),
            c if is_readable(c) => write!(text, "{c}"),
            c if u32::from(c) < 0x1_0000 => write!(text, "\\u{:04x}", u32::from(c)),
            c => write!(text, "\\U{:08x}", u32::from(c)),
        };
    }
    text.push('"');
}

/// Whether YAML allows a character in a text as it is, and no reader takes it for the end of a line.
fn is_readable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Whether a text needs no quotes: it looks like a name or a path, and like nothing else.
fn is_plain(value: &str) -> bool {
    let is_word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-');
    let starts = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let taken = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    starts
        && value.bytes().all(is_word)
        && !taken.iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn blocks_nest_and_text_is_quoted_where_it_must() {
        let value = json!({
            "a": {"b": [{"c": 1, "d": [[], {}, [1.5, "x y"]]}, null, "no"], "2001-01-01": "/work/a.cwl"},
            "e": {}, "f": ["1_000", "=", "", "v1.0", "a\n\u{7f}\u{2028}\"\\"]
        });
        let expected = r#"a:
  "2001-01-01": /work/a.cwl
  b:
    - c: 1
      d:
        - []
        - {}
        - - 1.5
          - "x y"
    - null
    - "no"
e: {}
f:
  - "1_000"
  - "="
  - ""
  - v1.0
  - "a\n\u007f\u2028\"\\"
"#;
        assert_eq!(yaml(&value), expected);
        assert_eq!(yaml(&json!("x")), "x\n");
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e300..1e300).prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "[a-z0-9_.:+-]{0,6}".prop_map(Value::from),
            proptest::char::any().prop_map(|c| Value::from(c.to_string())),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in value()) {
            let text = yaml(&value);
            let read: Value = serde_yaml::from_str(&text).unwrap();
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
