//! Why a `streamflow.yml` is refused, and where.

use std::fmt::Write as _;

pub(super) use crate::words::{cut, list, show};

/// What the whole file is called.
pub(super) const FILE: &str = "streamflow.yml";
/// Longest text of a [`Problem`] message, in bytes.
pub(super) const MESSAGE_BYTES: usize = 900;
/// Longest text of a [`Problem`] place, in bytes.
const PLACE_BYTES: usize = 300;

/// A refusal that names its place. Displayed as `place: message`.
///
/// It quotes values of the file only where StreamFlow's own message does, and then not those of
/// passwords and the like. The place is at most 300 bytes and the message at most 900.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Problem {
    /// Where in the file, such as `deployments.hpc.wraps`, or `streamflow.yml` for the whole.
    pub place: String,
    /// What is wrong there and, where known, what would be right.
    pub message: String,
}

impl Problem {
    /// A problem, cut to its limits.
    pub(super) fn new(place: &str, message: &str) -> Self {
        Self {
            place: cut(place, PLACE_BYTES),
            message: cut(message, MESSAGE_BYTES),
        }
    }

    /// A problem of the file as a whole.
    pub(super) fn whole(message: &str) -> Self {
        Self::new(FILE, message)
    }
}

/// One part of a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// A place as text, such as `workflows.main.bindings[1].target`.
pub(super) fn place(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a String cannot fail.
        let _ = match step {
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Key(key) if text.is_empty() => write!(text, "{}", show(key)),
            Step::Key(key) => write!(text, ".{}", show(key)),
        };
    }
    if text.is_empty() {
        FILE.to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_like_the_file() {
        let path = [
            Step::Key("workflows"),
            Step::Key("a\nb"),
            Step::Index(1),
            Step::Key("x"),
        ];
        assert_eq!(place(&path), "workflows.a?b[1].x");
        assert_eq!(place(&[]), FILE);
    }

    #[test]
    fn everything_is_bounded_at_a_character() {
        let problem = Problem::new(&"é".repeat(4000), &"日".repeat(4000));
        assert!(problem.place.len() <= PLACE_BYTES && problem.place.ends_with('…'));
        assert!(problem.message.len() <= MESSAGE_BYTES && problem.message.ends_with('…'));
    }
}
