//! What most types of state have in common, without asking for the type.

use super::{Assign, Catcher, QueryLanguage, Retrier, State, Template};

impl State {
    /// The language that the state asks for, if it asks.
    pub fn query_language(&self) -> Option<QueryLanguage> {
        match self {
            Self::Task(state) => state.query_language,
            Self::Parallel(state) => state.query_language,
            Self::Map(state) => state.query_language,
            Self::Choice(state) => state.query_language,
            Self::Wait(state) => state.query_language,
            Self::Pass(state) => state.query_language,
            Self::Succeed(state) => state.query_language,
            Self::Fail(state) => state.query_language,
        }
    }

    /// `Next` and `End`, for the types that have them.
    pub fn transition(&self) -> Option<(Option<&str>, Option<bool>)> {
        match self {
            Self::Task(state) => Some((state.next.as_deref(), state.end)),
            Self::Parallel(state) => Some((state.next.as_deref(), state.end)),
            Self::Map(state) => Some((state.next.as_deref(), state.end)),
            Self::Wait(state) => Some((state.next.as_deref(), state.end)),
            Self::Pass(state) => Some((state.next.as_deref(), state.end)),
            Self::Choice(_) | Self::Succeed(_) | Self::Fail(_) => None,
        }
    }

    /// `Output`, for the types that have it.
    pub fn output(&self) -> Option<&Template> {
        match self {
            Self::Task(state) => state.output.as_ref(),
            Self::Parallel(state) => state.output.as_ref(),
            Self::Map(state) => state.output.as_ref(),
            Self::Choice(state) => state.output.as_ref(),
            Self::Wait(state) => state.output.as_ref(),
            Self::Pass(state) => state.output.as_ref(),
            Self::Succeed(state) => state.output.as_ref(),
            Self::Fail(_) => None,
        }
    }

    /// `Assign`, for the types that have it.
    pub fn assign(&self) -> Option<&Assign> {
        match self {
            Self::Task(state) => state.assign.as_ref(),
            Self::Parallel(state) => state.assign.as_ref(),
            Self::Map(state) => state.assign.as_ref(),
            Self::Choice(state) => state.assign.as_ref(),
            Self::Wait(state) => state.assign.as_ref(),
            Self::Pass(state) => state.assign.as_ref(),
            Self::Succeed(_) | Self::Fail(_) => None,
        }
    }

    /// `Retry`; empty for the types that have none.
    pub fn retriers(&self) -> &[Retrier] {
        match self {
            Self::Task(state) => &state.retry,
            Self::Parallel(state) => &state.retry,
            Self::Map(state) => &state.retry,
            _ => &[],
        }
    }

    /// `Catch`; empty for the types that have none.
    pub fn catchers(&self) -> &[Catcher] {
        match self {
            Self::Task(state) => &state.catch,
            Self::Parallel(state) => &state.catch,
            Self::Map(state) => &state.catch,
            _ => &[],
        }
    }
}
