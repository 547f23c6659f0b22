//! Text to values, within bounds.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::problem::{FILE, Problem, Step};
use crate::cwl;

/// The longest text that is read, in bytes.
pub const TEXT_BYTES: usize = 256 << 10;

/// A `streamflow.yml` that was read.
#[derive(Clone)]
pub struct Document {
    text: String,
    value: Value,
}

impl Document {
    /// Reads YAML or JSON. An empty text is an empty object.
    ///
    /// At most 256 KiB are read, and the bounds of CWL documents hold: 250,000 values with YAML
    /// aliases expanded, 100 levels.
    ///
    /// # Errors
    /// The text is neither, repeats a key, is no mapping, or exceeds a bound. The message gives line
    /// and column and quotes nothing.
    pub fn read(text: &str) -> Result<Self, Problem> {
        if text.len() > TEXT_BYTES {
            return Err(Problem::whole(&format!(
                "{} bytes, more than the limit of {TEXT_BYTES}",
                text.len()
            )));
        }
        let object = cwl::read_object(FILE, text).map_err(|found| {
            Problem::whole(&match found.message.split_once("see ") {
                Some((what, at)) => {
                    // The parser does not tell where a key of the outermost mapping is repeated.
                    let line = repeated(text).filter(|_| !at.starts_with("at line"));
                    let at = line.map_or(at.to_owned(), |line| format!("at line {line} column 1"));
                    format!("{}, {at}", what.trim_end_matches(": "))
                }
                None => "expected a mapping with `version` and the rest".to_owned(),
            })
        })?;
        Ok(Self {
            text: text.to_owned(),
            value: Value::Object(object),
        })
    }

    /// What the text says.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The values again, in the order of the text, for messages.
    pub(super) fn ordered(&self) -> Ordered {
        // The text was read before, so the same bounds hold.
        let mut value: serde_yaml::Value = serde_json::from_str(&self.text)
            .or_else(|_| serde_yaml::from_str(&self.text))
            .unwrap_or_default();
        // What cannot be merged is found missing below.
        let _ = value.apply_merge();
        Ordered(value)
    }
}

/// The first line that begins with a key that an earlier line begins with.
fn repeated(text: &str) -> Option<usize> {
    let mut seen = HashSet::new();
    let mut lines = text.lines().enumerate();
    let (line, _) = lines.find(|(_, line)| {
        let key = line.split_once(':').map(|(key, _)| key.trim_end());
        key.is_some_and(|key| !key.starts_with([' ', '#', '-']) && !seen.insert(key))
    })?;
    Some(line + 1)
}

impl fmt::Debug for Document {
    /// Without the text, which may hold passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Document({} bytes)", self.text.len())
    }
}

/// Values whose keys stand in the order of the text.
pub(super) struct Ordered(serde_yaml::Value);

impl Ordered {
    /// The value at a path; `value`, which is the same but for the order, where there is none.
    pub(super) fn at(&self, path: &[Step<'_>], value: &Value) -> serde_yaml::Value {
        let found = path.iter().try_fold(&self.0, |at, step| match step {
            Step::Key(key) => at.get(*key),
            Step::Index(index) => at.get(*index),
        });
        found.map_or_else(
            || serde_yaml::to_value(value).unwrap_or(serde_yaml::Value::Null),
            Clone::clone,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, message: &str) {
        let problem = Document::read(text).unwrap_err();
        assert_eq!(problem.place, FILE);
        assert!(problem.message.contains(message), "{problem}");
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_line_and_column() {
        refused("a: 1\nb: [\n", "neither YAML nor JSON");
        refused("a: 1\nb: }\n", "at line 2 column 4");
        refused("a: 1\nb: 2\na: 3\n", "at line 3 column 1");
        refused("x:\n  a: 1\n  a: 3\n", "at line 2 column 3");
        refused("- a\n", "expected a mapping");
        assert!(
            !Document::read("password: !x hunter2\n")
                .unwrap_err()
                .message
                .contains("hunter2")
        );
    }

    #[test]
    fn what_is_too_large_is_refused_at_once() {
        refused(
            &format!("a: {}", "x".repeat(TEXT_BYTES)),
            "more than the limit of 262144",
        );
        let bomb = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            format!("{text}a{}: &a{} [*a{n}, *a{n}]\n", n + 1, n + 1)
        });
        refused(&bomb, "too large");
        refused(&"[".repeat(5000), "too large");
    }

    #[test]
    fn nothing_is_shown_for_debugging() {
        let document = Document::read("password: hunter2").unwrap();
        assert_eq!(format!("{document:?}"), "Document(17 bytes)");
    }
}
