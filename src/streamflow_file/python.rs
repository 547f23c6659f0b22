//! Values as Python's `repr` writes them: StreamFlow's messages quote them so.

use std::fmt::Write as _;

use serde_yaml::{Number, Value};

/// Stands for the value of a password and the like.
const REDACTED: &str = "'[redacted]'";

/// A value of the file as Python would write it, but for passwords. `key` is the name it has.
pub(super) fn repr(value: &Value, key: Option<&str>) -> String {
    let mut text = String::new();
    write(&mut text, value, key);
    text
}

/// A text as Python would write it.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\\' => write!(quoted, "\\\\"),
            c if c == quote => write!(quoted, "\\{c}"),
            c if is_printable(c) => write!(quoted, "{c}"),
            c if u32::from(c) < 0x100 => write!(quoted, "\\x{:02x}", u32::from(c)),
            c if u32::from(c) < 0x1_0000 => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "\\U{:08x}", u32::from(c)),
        };
    }
    quoted.push(quote);
    quoted
}

/// Names as Python would write a list of them, without its brackets.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// A value as Python's `str` writes it, which quotes no text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => repr(value, None),
    }
}

fn write(text: &mut String, value: &Value, key: Option<&str>) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(_) | Value::String(_) if key.is_some_and(is_secret) => {
            text.push_str(REDACTED);
        }
        Value::Number(number) => text.push_str(&self::number(number)),
        Value::String(item) => match item.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                text.push_str(&quoted(&format!("{name}=[redacted]")));
            }
            _ => text.push_str(&quoted(item)),
        },
        Value::Sequence(items) => {
            text.push('[');
            for (n, item) in items.iter().enumerate() {
                text.push_str(if n > 0 { ", " } else { "" });
                write(text, item, key);
            }
            text.push(']');
        }
        Value::Mapping(mapping) => {
            text.push('{');
            for (n, (key, value)) in mapping.iter().enumerate() {
                text.push_str(if n > 0 { ", " } else { "" });
                write(text, key, None);
                text.push_str(": ");
                write(text, value, key.as_str());
            }
            text.push('}');
        }
        Value::Tagged(tagged) => write(text, &tagged.value, key),
    }
}

/// Whether a name is that of something that must not be shown.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.ends_with("file")
        && [
            "password",
            "passphrase",
            "passwd",
            "secret",
            "token",
            "credential",
            "apikey",
            "api_key",
        ]
        .iter()
        .any(|word| name.contains(word))
}

fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            // Rust changes to exponents where Python does, and writes them without sign and zero.
            let text = format!("{float:?}");
            match text.split_once('e') {
                Some((digits, exponent)) => match exponent.strip_prefix('-') {
                    Some(exponent) => format!("{digits}e-{exponent:0>2}"),
                    None => format!("{digits}e+{exponent:0>2}"),
                },
                None => text.replace("NaN", "nan"),
            }
        }
        _ => number.to_string(),
    }
}

/// Python's `str.isprintable` for one character, but for the unassigned ones.
fn is_printable(c: char) -> bool {
    let code = u32::from(c);
    let format_or_space = matches!(
        code,
        0xa0 | 0xad
            | 0x600..=0x605
            | 0x61c
            | 0x6dd
            | 0x70f
            | 0x1680
            | 0x180e
            | 0x2000..=0x200f
            | 0x2028..=0x202f
            | 0x205f..=0x206f
            | 0x3000
            | 0xfeff
            | 0xfff9..=0xfffb
            | 0xe0000..=0xe007f
    );
    let private = matches!(code, 0xe000..=0xf8ff | 0xf_0000..);
    !c.is_control() && !format_or_space && !private && code & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Each text is what Python 3.11 prints for the same YAML.
    #[rstest]
    #[case("it's", r#""it's""#)]
    #[case(r#""a\"b'c""#, r#"'a"b\'c'"#)]
    #[case(r#""naïve\n\t\a\\""#, r"'naïve\n\t\x07\\'")]
    #[case(r#""\u2028é😀\x85\xad\uE000""#, r"'\u2028é😀\x85\xad\ue000'")]
    #[case("1e20", "1e+20")]
    #[case("1e16", "1e+16")]
    #[case("1e15", "1000000000000000.0")]
    #[case("0.0001", "0.0001")]
    #[case("0.00001", "1e-05")]
    #[case("1.5e-7", "1.5e-07")]
    #[case("2.5", "2.5")]
    #[case("-3", "-3")]
    #[case("12345678901234567890", "12345678901234567890")]
    #[case(
        "{b: [~, true, False], a: {}, 1: []}",
        "{'b': [None, True, False], 'a': {}, 1: []}"
    )]
    fn as_python_does(#[case] yaml: &str, #[case] expected: &str) {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(repr(&value, None), expected);
    }

    #[rstest]
    #[case(
        "{password: hunter2, PGPASSWORD: [a], passwordFile: /keys/p}",
        "{'password': '[redacted]', 'PGPASSWORD': ['[redacted]'], 'passwordFile': '/keys/p'}"
    )]
    #[case("[A=b, MY_TOKEN=hunter2]", "['A=b', 'MY_TOKEN=[redacted]']")]
    fn passwords_are_not_shown(#[case] yaml: &str, #[case] expected: &str) {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(repr(&value, None), expected);
        assert_eq!(repr(&Value::from("hunter2"), Some("password")), REDACTED);
    }
}
