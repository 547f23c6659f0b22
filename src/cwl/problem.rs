//! Why a document or an input object is refused, and where.

pub(super) use crate::words::{cut, list, show};

/// Longest text of a [`Problem`] message, in bytes.
const MESSAGE_BYTES: usize = 900;
/// Longest text of a [`Problem`] place, in bytes.
const PLACE_BYTES: usize = 300;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_at_a_character() {
        let problem = Problem::workflow(&"é".repeat(4000), &"日".repeat(4000));
        assert!(problem.place.len() <= PLACE_BYTES && problem.place.ends_with('…'));
        assert!(problem.message.len() <= MESSAGE_BYTES && problem.message.ends_with('…'));
    }
}
