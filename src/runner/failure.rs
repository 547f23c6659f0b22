//! Why the runner gives up on its own account.

use super::record::Reason;
use crate::cwl::{Kind, Problem};

/// A reason and a message for people, which names no input value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The class.
    pub reason: Reason,
    /// What to know to mend it.
    pub message: String,
}

impl Failure {
    /// A failure of the given class.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// An input that is missing, wrong, or names a file that is not there.
    pub fn inputs(message: impl Into<String>) -> Self {
        Self::new(Reason::InvalidInputs, message)
    }

    /// Outputs that cannot be collected or stored.
    pub fn outputs(message: impl Into<String>) -> Self {
        Self::new(Reason::OutputsFailed, message)
    }

    /// Anything that is not the user's to mend.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::InternalError, message)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let reason = match problem.kind {
            Kind::InvalidWorkflow => Reason::InvalidWorkflow,
            Kind::InvalidInputs => Reason::InvalidInputs,
            Kind::UnsupportedRequirement => Reason::UnsupportedRequirement,
        };
        Self::new(reason, problem.to_string())
    }
}
