//! What can be wrong with a definition, and what can stop the interpreter itself.
//!
//! A state that fails is no [`Error`]: it is an event, and possibly the [`crate::Outcome`] of the execution.

use std::fmt;

/// Why a definition was refused or an execution could not be carried on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON, or not a state machine: the message names the state and the field.
    #[error("the definition cannot be read: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// The definition is well formed and makes no sense; every problem is listed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Invalid(Vec<Problem>),
    /// The event log could not be written, so the execution cannot go on.
    #[error("the event log cannot be written")]
    EventLog(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The code that AWS uses in its diagnostics, such as `MISSING_TRANSITION_TARGET`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where: a path such as `/States/Get Count/Next`.
    pub location: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.code, self.message, self.location)
    }
}
