//! Expressions and variables.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Check, SCHEMA};
use crate::definition::{Amount, Assign, State};
use crate::jsonata;

/// The longest name of a variable, in characters.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>
const MAX_VARIABLE_NAME: usize = 80;
/// The variable that holds a state's input, result and context.
const RESERVED_VARIABLE: &str = "states";

/// Every variable that the states of one scope assign.
pub(super) fn assigned(states: &BTreeMap<String, State>) -> Vec<String> {
    states.values().flat_map(assigns).flat_map(|(_, assign)| assign.keys().cloned()).collect()
}

/// Checks the expressions and variables of a state. `outer` holds what the scopes around it assign.
pub(super) fn check(check: &mut Check, at: &str, state: &State, outer: &BTreeSet<String>) {
    for (field, template) in templates(state) {
        check_template(check, &format!("{at}/{field}"), &template);
    }
    for (field, amount) in amounts(state) {
        if let Amount::Expression(text) = amount {
            let at = format!("{at}/{field}");
            if jsonata::expression(text).is_none() {
                check.report(SCHEMA, &at, format!("'{text}' is neither a whole number nor a JSONata expression"));
            }
            check_template(check, &at, &Value::String(text.clone()));
        }
    }
    if let State::Choice(choice) = state {
        for (index, rule) in choice.choices.iter().enumerate() {
            if jsonata::expression(&rule.condition).is_none() {
                let at = format!("{at}/Choices[{index}]/Condition");
                check.report(SCHEMA, &at, "must be a JSONata expression: '{% … %}'");
            }
        }
    }
    for (field, assign) in assigns(state) {
        for name in assign.keys() {
            check_variable(check, &format!("{at}/{field}/{name}"), name, outer);
        }
    }
}

fn check_variable(check: &mut Check, at: &str, name: &str, outer: &BTreeSet<String>) {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    if !starts_well
        || !characters.all(|next| next.is_alphanumeric() || next == '_')
        || name.chars().count() > MAX_VARIABLE_NAME
    {
        check.report(SCHEMA, at, format!("'{name}' is no variable name: letters, digits and '_', at most 80"));
    }
    if name == RESERVED_VARIABLE {
        check.report(SCHEMA, at, "the variable 'states' is reserved");
    }
    if outer.contains(name) {
        check.report(
            SCHEMA,
            at,
            format!("the variable '{name}' belongs to an outer scope and cannot be assigned here"),
        );
    }
}

fn check_template(check: &mut Check, at: &str, template: &Value) {
    match template {
        Value::String(text) => {
            if let Some(expression) = jsonata::expression(text) {
                if let Err(reason) = jsonata::parse(expression) {
                    check.report(SCHEMA, at, format!("the JSONata expression '{expression}' is invalid: {reason}"));
                }
            } else if text.starts_with("{%") || text.ends_with("%}") {
                check.report(SCHEMA, at, format!("'{text}' must start with '{{%' and end with '%}}'"));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_template(check, &format!("{at}[{index}]"), item);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                check_template(check, &format!("{at}/{name}"), value);
            }
        }
        _ => {}
    }
}

/// Every `Assign` of a state and where it stands.
fn assigns(state: &State) -> Vec<(String, &Assign)> {
    let mut found: Vec<_> = state.assign().map(|assign| ("Assign".to_owned(), assign)).into_iter().collect();
    if let State::Choice(choice) = state {
        let rules = choice.choices.iter().enumerate();
        found.extend(rules.filter_map(|(i, rule)| Some((format!("Choices[{i}]/Assign"), rule.assign.as_ref()?))));
    }
    let catchers = state.catchers().iter().enumerate();
    found.extend(catchers.filter_map(|(i, catcher)| Some((format!("Catch[{i}]/Assign"), catcher.assign.as_ref()?))));
    found
}

/// Everything in a state that may hold expressions.
fn templates(state: &State) -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = Vec::new();
    let mut add = |field: &str, value: Option<Value>| found.extend(value.map(|value| (field.to_owned(), value)));
    add("Output", state.output().cloned());
    match state {
        State::Task(task) => {
            add("Arguments", task.arguments.clone());
        }
        State::Parallel(parallel) => add("Arguments", parallel.arguments.clone()),
        State::Map(map) => {
            add("Items", map.items.clone());
            add("ItemSelector", map.item_selector.clone());
        }
        State::Choice(choice) => {
            for (index, rule) in choice.choices.iter().enumerate() {
                add(&format!("Choices[{index}]/Condition"), Some(Value::String(rule.condition.clone())));
                add(&format!("Choices[{index}]/Output"), rule.output.clone());
            }
        }
        State::Wait(wait) => {
            add("Timestamp", wait.timestamp.clone().map(Value::String));
        }
        State::Fail(fail) => {
            add("Error", fail.error.clone().map(Value::String));
            add("Cause", fail.cause.clone().map(Value::String));
        }
        State::Pass(_) | State::Succeed(_) => {}
    }
    for (index, catcher) in state.catchers().iter().enumerate() {
        add(&format!("Catch[{index}]/Output"), catcher.output.clone());
    }
    let assigned = assigns(state).into_iter().map(|(field, assign)| (field, Value::Object(assign.clone())));
    found.extend(assigned);
    found
}

/// Every amount of a state.
fn amounts(state: &State) -> Vec<(&'static str, &Amount)> {
    let candidates = match state {
        State::Task(task) => vec![
            ("TimeoutSeconds", task.timeout_seconds.as_ref()),
            ("HeartbeatSeconds", task.heartbeat_seconds.as_ref()),
        ],
        State::Map(map) => vec![("MaxConcurrency", map.max_concurrency.as_ref())],
        State::Wait(wait) => vec![("Seconds", wait.seconds.as_ref())],
        _ => Vec::new(),
    };
    candidates.into_iter().filter_map(|(field, amount)| Some((field, amount?))).collect()
}
