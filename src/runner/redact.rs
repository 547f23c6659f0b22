//! Keeps values that come from Secrets out of the log and of every record.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

/// Shorter values are left alone: they stand in too many innocent words.
const SHORTEST: usize = 4;
const REPLACEMENT: &[u8] = b"[redacted]";

/// The values to hide, each as text and as it looks in JSON and in a shell's command line.
#[derive(Debug, Default)]
pub struct Redactor {
    /// By first byte, longest first, so that one pass over a text suffices.
    secrets: HashMap<u8, Vec<Vec<u8>>>,
}

impl Redactor {
    /// Hides every scalar of these input objects.
    #[must_use]
    pub fn new<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut redactor = Self::default();
        for object in objects {
            redactor.learn(object);
        }
        for secrets in redactor.secrets.values_mut() {
            secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
            secrets.dedup();
        }
        redactor
    }

    fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.learn_text(text),
            Value::Number(number) => self.add(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(object) => {
                // The class is File or Directory, which is no secret.
                object
                    .iter()
                    .filter(|(key, _)| *key != "class")
                    .for_each(|(_, value)| self.learn(value));
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn learn_text(&mut self, text: &str) {
        self.add(text);
        self.add(text.trim());
        // The log is redacted by the line, so each line of a longer value counts by itself.
        for line in text.lines() {
            self.add(line.trim());
            self.add(&line.trim().replace('\'', "'\"'\"'"));
            let json = Value::from(line.trim()).to_string();
            self.add(json.trim_matches('"'));
            self.add(&ascii(json.trim_matches('"')));
        }
        self.add(Value::from(text).to_string().trim_matches('"'));
    }

    fn add(&mut self, text: &str) {
        if let Some(first) = text.bytes().next().filter(|_| text.len() >= SHORTEST) {
            self.secrets
                .entry(first)
                .or_default()
                .push(text.as_bytes().to_vec());
        }
    }

    /// The bytes without any of the values.
    #[must_use]
    pub fn bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        if self.secrets.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut rest, mut clean, mut found) = (text, Vec::with_capacity(text.len()), false);
        while let Some((&first, after)) = rest.split_first() {
            let longest = self.secrets.get(&first).and_then(|secrets| {
                secrets
                    .iter()
                    .find_map(|secret| rest.strip_prefix(secret.as_slice()))
            });
            if let Some(behind) = longest {
                clean.extend_from_slice(REPLACEMENT);
                (rest, found) = (behind, true);
            } else {
                clean.push(first);
                rest = after;
            }
        }
        if found {
            Cow::Owned(clean)
        } else {
            Cow::Borrowed(text)
        }
    }

    /// The text without any of the values.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Hides the values in every string of `value`.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(object) => object
                .iter_mut()
                .filter(|(key, _)| !matches!(key.as_str(), "class" | "checksum"))
                .for_each(|(_, value)| self.value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// As Python writes JSON by default: everything beyond ASCII as `\uXXXX`.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("token is s3cr3t!", "token is [redacted]")]
    #[case("s3cr3t!s3cr3t!", "[redacted][redacted]")]
    #[case("prefix-longer-s3cr3t!-x", "prefix-[redacted]-x")]
    #[case("it'\"'\"'s here", "[redacted] here")]
    #[case("{\"a\":\"two\\nlines\"}", "{\"a\":\"[redacted]\"}")]
    #[case("  lines of it", "  [redacted] of it")]
    #[case("caf\\u00e9 caf\u{e9}", "[redacted] [redacted]")]
    #[case("the pin 123456", "the pin [redacted]")]
    #[case("abc stays, class File stays", "abc stays, class File stays")]
    fn hides(#[case] text: &str, #[case] clean: &str) {
        let secrets = json!({
            "a": ["s3cr3t!", "longer-s3cr3t!", "it's"], "b": {"c": "two\nlines"}, "d": "caf\u{e9}",
            "n": 123_456, "s": "abc", "f": {"class": "File", "contents": "of a file"}
        });
        assert_eq!(Redactor::new([&secrets]).text(text), clean);
    }

    #[test]
    fn a_value_within_the_replacement_does_not_grow_it() {
        let secrets = json!(["edac", "redact", "dacted"]);
        assert_eq!(
            Redactor::new([&secrets]).text("redact edac"),
            "[redacted] [redacted]"
        );
    }

    #[test]
    fn reaches_into_outputs() {
        let mut outputs = json!({"o": {"class": "File", "contents": "s3cr3t!", "size": 7}});
        Redactor::new([&json!({"x": "s3cr3t!"})]).value(&mut outputs);
        assert_eq!(
            outputs,
            json!({"o": {"class": "File", "contents": "[redacted]", "size": 7}})
        );
    }
}
