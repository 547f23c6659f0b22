//! Why a document or an input object is refused, and where.

use std::fmt::Write as _;

/// Longest text of a [`Problem`] message, in bytes.
const MESSAGE_BYTES: usize = 900;
/// Longest text of a [`Problem`] place, in bytes.
const PLACE_BYTES: usize = 300;
/// Longest piece of a document quoted in a message, in characters.
const QUOTE_CHARS: usize = 80;

/// The class of a [`Problem`]; its names are those of the status reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The document is not CWL that an engine could run.
    InvalidWorkflow,
    /// The input object does not fit the process.
    InvalidInputs,
    /// The document asks for something that this engine or target cannot give.
    UnsupportedRequirement,
}

/// A refusal that names its place. Displayed as `place: message`.
///
/// It never quotes an input value, which may come from a Secret. The place is at most 300 bytes
/// and the message at most 900, whatever the document holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Problem {
    /// What sort of refusal this is.
    pub kind: Kind,
    /// Where, such as `main.cwl#/steps/train/run` or `inputs.samples[2].location`.
    pub place: String,
    /// What is wrong there and, where known, what would be right.
    pub message: String,
}

impl Problem {
    /// A problem of the given kind, cut to its limits.
    pub(super) fn new(kind: Kind, place: &str, message: &str) -> Self {
        Self {
            kind,
            place: cut(place, PLACE_BYTES),
            message: cut(message, MESSAGE_BYTES),
        }
    }

    /// A document that no engine could run.
    pub(super) fn workflow(place: &str, message: &str) -> Self {
        Self::new(Kind::InvalidWorkflow, place, message)
    }
}

/// Text of the document made fit for a message: no control characters, and short.
pub(super) fn show(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(QUOTE_CHARS)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if text.chars().nth(QUOTE_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A list of names for a message: the first few, then how many more.
pub(super) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 12;
    let mut text = String::new();
    let mut left = 0_usize;
    for (n, name) in names.into_iter().enumerate() {
        if n >= SHOWN {
            left += 1;
            continue;
        }
        if n > 0 {
            text.push_str(", ");
        }
        text.push_str(&show(name.as_ref()));
    }
    if left > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {left} more");
    }
    if text.is_empty() {
        text.push_str("none");
    }
    text
}

/// `text` within `limit` bytes, cut at a character with an ellipsis.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    let mut cut = text.get(..end).unwrap_or_default().to_owned();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_at_a_character() {
        let problem = Problem::workflow(&"é".repeat(4000), &"日".repeat(4000));
        assert!(problem.place.len() <= PLACE_BYTES && problem.place.ends_with('…'));
        assert!(problem.message.len() <= MESSAGE_BYTES && problem.message.ends_with('…'));
    }

    #[test]
    fn names_are_shown_without_control_characters() {
        assert_eq!(show("a\nb\u{1b}c"), "a?b?c");
        assert_eq!(list(["a", "b"]), "a, b");
        assert_eq!(list::<&str>([]), "none");
        assert!(list((0..20).map(|n| n.to_string())).ends_with("11 and 8 more"));
    }
}
