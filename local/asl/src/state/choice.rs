//! Choice: goes where the first rule says whose condition is true.

use serde_json::{Value, json};

use super::{Acted, Visit};
use crate::definition::Choice;
use crate::run::{FailureKind, Halt};

pub(super) fn act<'r>(visit: &mut Visit<'_, 'r>, choice: &'r Choice) -> Result<Acted<'r>, Halt> {
    for (index, rule) in choice.choices.iter().enumerate() {
        let location = format!("Choices[{index}]/Condition");
        match visit.render(&json!(rule.condition), &location)? {
            Value::Bool(false) => {}
            Value::Bool(true) => {
                return Ok(Acted {
                    result: None,
                    next: Some(&rule.next),
                    output: rule.output.as_ref(),
                    assign: rule.assign.as_ref(),
                    location: format!("Choices[{index}]/"),
                });
            }
            other => return Err(visit.unexpected(&rule.condition, &location, "boolean", &other)),
        }
    }
    if let Some(default) = &choice.default {
        return Ok(Acted { next: Some(default), ..visit.acted(None) });
    }
    let cause = format!("No choice of the state '{}' matched, and it has no 'Default'.", visit.name);
    Err(visit.failure("States.NoChoiceMatched", Some(cause), FailureKind::State))
}
