//! What each type of state does. Entering, leaving, retrying and catching are not here: see `execution`.

mod choice;
mod fail;
mod map;
mod parallel;
mod pass;
mod succeed;
mod task;
mod wait;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::definition::{Amount, Assign, State, StateMachine, Template};
use crate::execution::MAX_PAYLOAD_BYTES;
use crate::history::EventKind;
use crate::jsonata::{self, Bindings, EvaluationError, Variables};
use crate::run::{Failure, FailureKind, Halt, Run, timestamp};

/// The states of the machine, of a branch or of one iteration.
#[derive(Debug)]
pub(crate) struct Scope<'r> {
    pub(crate) start_at: &'r str,
    pub(crate) states: &'r BTreeMap<String, State>,
    /// The names of this scope and of those around it, the outermost first.
    pub(crate) path: Vec<u64>,
    /// The context object's `Map.Item`, inside of a Map state.
    item: Option<Value>,
}

impl<'r> Scope<'r> {
    /// The whole machine.
    pub(crate) fn outermost(run: &Run<'_>, machine: &'r StateMachine) -> Self {
        Self { start_at: &machine.start_at, states: &machine.states, path: vec![run.new_scope()], item: None }
    }

    /// A scope inside of this one.
    fn inner(&self, run: &Run<'_>, start_at: &'r str, states: &'r BTreeMap<String, State>) -> Self {
        let path = self.path.iter().copied().chain([run.new_scope()]).collect();
        Self { start_at, states, path, item: self.item.clone() }
    }

    /// The name of this scope.
    pub(crate) fn id(&self) -> u64 {
        self.path.last().copied().unwrap_or_default()
    }
}

/// One visit to a state: from its entered event to its exited event, over all attempts.
pub(crate) struct Visit<'v, 'r> {
    pub(crate) run: &'r Run<'r>,
    scope: &'v Scope<'r>,
    pub(crate) name: &'r str,
    pub(crate) state: &'r State,
    pub(crate) input: &'v Value,
    variables: &'v Variables,
    entered: u64,
    entered_at: DateTime<Utc>,
    /// How often the state was tried again.
    pub(crate) retry_count: u64,
    /// The event that the next one follows from.
    pub(crate) previous: u64,
    /// `$states.result`, once there is one.
    pub(crate) result: Option<Value>,
    /// `$states.errorOutput`, inside of a Catch.
    pub(crate) error_output: Option<Value>,
}

/// What a state did: `next` is where it goes, unless it ends its scope.
#[derive(Debug)]
pub(crate) struct Acted<'r> {
    pub(crate) result: Option<Value>,
    pub(crate) next: Option<&'r str>,
    pub(crate) output: Option<&'r Template>,
    pub(crate) assign: Option<&'r Assign>,
    /// What error messages put in front of `Output` and `Assign`.
    pub(crate) location: String,
}

/// Lets a state act once.
pub(crate) async fn act<'r>(visit: &mut Visit<'_, 'r>) -> Result<Acted<'r>, Halt> {
    visit.result = None;
    match visit.state {
        State::Task(task) => task::act(visit, task).await,
        State::Parallel(parallel) => parallel::act(visit, parallel).await,
        State::Map(map) => map::act(visit, map).await,
        State::Choice(choice) => choice::act(visit, choice),
        State::Wait(wait) => wait::act(visit, wait).await,
        State::Pass(_) => Ok(pass::act(visit)),
        State::Succeed(_) => Ok(succeed::act(visit)),
        State::Fail(fail) => Err(fail::act(visit, fail)),
    }
}

impl<'v, 'r> Visit<'v, 'r> {
    pub(crate) fn new(
        run: &'r Run<'r>,
        scope: &'v Scope<'r>,
        (name, state): (&'r str, &'r State),
        (input, variables): (&'v Value, &'v Variables),
        entered: u64,
    ) -> Self {
        Self {
            run,
            scope,
            name,
            state,
            input,
            variables,
            entered,
            entered_at: run.clock.now(),
            retry_count: 0,
            previous: entered,
            result: None,
            error_output: None,
        }
    }

    /// Leaves by the state's own `Next`, `Output` and `Assign`.
    fn acted(&self, result: Option<Value>) -> Acted<'r> {
        Acted {
            result,
            next: self.state.transition().and_then(|(next, _)| next),
            output: self.state.output(),
            assign: self.state.assign(),
            location: String::new(),
        }
    }

    /// Writes down what happened in the state.
    fn emit(&mut self, kind: EventKind) -> Result<(), Halt> {
        self.previous = self.run.emit(self.previous, kind)?;
        Ok(())
    }

    /// Evaluates a template.
    pub(crate) fn render(&mut self, template: &Template, location: &str) -> Result<Value, Halt> {
        self.render_for_item(template, location, self.scope.item.as_ref())
    }

    /// Evaluates a template that sees `item` as the context object's `Map.Item`.
    fn render_for_item(&mut self, template: &Template, location: &str, item: Option<&Value>) -> Result<Value, Halt> {
        let states = self.states(item);
        let bindings = Bindings {
            states: &states,
            variables: self.variables,
            now: self.run.clock.now(),
            entropy: self.run.entropy(),
        };
        jsonata::render(template, location, &bindings).map_err(|error| self.evaluation_failed(error))
    }

    /// Evaluates a template that may be absent; the state's input stands in for it.
    fn render_or_input(&mut self, template: Option<&Template>, location: &str) -> Result<Value, Halt> {
        template.map_or_else(|| Ok(self.input.clone()), |template| self.render(template, location))
    }

    /// Evaluates an amount.
    fn amount(&mut self, amount: &Amount, location: &str) -> Result<u64, Halt> {
        match amount {
            Amount::Fixed(value) => Ok(*value),
            Amount::Expression(text) => {
                let value = self.render(&json!(text), location)?;
                value.as_u64().ok_or_else(|| self.unexpected(text, location, "whole number", &value))
            }
        }
    }

    /// Evaluates an amount that may be absent.
    fn optional_amount(&mut self, amount: Option<&Amount>, location: &str) -> Result<Option<u64>, Halt> {
        amount.map(|amount| self.amount(amount, location)).transpose()
    }

    /// An expression gave a value of the wrong type.
    fn unexpected(&mut self, expression: &str, location: &str, expected: &str, value: &Value) -> Halt {
        let expression = jsonata::expression(expression).unwrap_or(expression);
        let reason = format!(
            "The JSONata expression '{expression}' specified for the field '{location}' returned an unexpected result \
             type. Expected '{expected}', but was '{}' for value: {value}",
            type_of(value)
        );
        self.evaluation_failed(EvaluationError { location: location.to_owned(), reason })
    }

    fn evaluation_failed(&mut self, EvaluationError { location, reason }: EvaluationError) -> Halt {
        let error = "States.QueryEvaluationError".to_owned();
        let cause = format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {reason}",
            self.name, self.entered
        );
        let event = EventKind::EvaluationFailed {
            state: self.name.to_owned(),
            location,
            error: error.clone(),
            cause: cause.clone(),
        };
        match self.emit(event) {
            Ok(()) => self.failure(&error, Some(cause), FailureKind::State),
            Err(halt) => halt,
        }
    }

    /// The state fails, after its last event.
    fn failure(&self, error: &str, cause: Option<String>, kind: FailureKind) -> Halt {
        Halt::Failure(Failure { error: Some(error.to_owned()), cause, kind, after: self.previous })
    }

    /// Refuses what is larger than a state's data may be.
    pub(crate) fn check_size(&self, value: &Value) -> Result<(), Halt> {
        if value.to_string().len() <= MAX_PAYLOAD_BYTES {
            return Ok(());
        }
        let cause = format!(
            "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
            self.name
        );
        Err(self.failure("States.DataLimitExceeded", Some(cause), FailureKind::State))
    }

    /// The value of `$states`.
    fn states(&self, item: Option<&Value>) -> Value {
        let mut context = self.run.context();
        context["State"] = json!({
            "EnteredTime": timestamp(self.entered_at),
            "Name": self.name,
            "RetryCount": self.retry_count,
        });
        if let Some(item) = item {
            context["Map"] = json!({ "Item": item });
        }
        let mut states = json!({ "input": self.input, "context": context });
        for (name, value) in [("result", &self.result), ("errorOutput", &self.error_output)] {
            if let Some(value) = value {
                states[name] = value.clone();
            }
        }
        states
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
