//! Fail: ends its scope with an error.

use serde_json::{Value, json};

use super::Visit;
use crate::definition::Fail;
use crate::run::{Failure, FailureKind, Halt};

pub(super) fn act(visit: &mut Visit<'_, '_>, fail: &Fail) -> Halt {
    let texts = text(visit, fail.error.as_deref(), "Error").and_then(|error| {
        let cause = text(visit, fail.cause.as_deref(), "Cause")?;
        Ok((error, cause))
    });
    match texts {
        Ok((error, cause)) => Halt::Failure(Failure { error, cause, kind: FailureKind::State, after: visit.previous }),
        Err(halt) => halt,
    }
}

/// Evaluates a field that must be text.
fn text(visit: &mut Visit<'_, '_>, template: Option<&str>, location: &str) -> Result<Option<String>, Halt> {
    let Some(template) = template else { return Ok(None) };
    match visit.render(&json!(template), location)? {
        Value::String(text) => Ok(Some(text)),
        other => Err(visit.unexpected(template, location, "string", &other)),
    }
}
