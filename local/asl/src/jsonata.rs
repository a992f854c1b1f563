//! Templates: JSON in which a string `{% … %}` is a JSONata expression.
//!
//! An expression sees `$states` and the variables, and nothing else: `$` is undefined at its top level, as in AWS.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

use crate::functions;

/// How long one expression may take, in milliseconds.
const EVALUATION_TIMEOUT_MILLIS: u64 = 10_000;
/// The longest sequence that one expression may make. JSONata's own limit for ranges.
const MAX_SEQUENCE: usize = 10_000_000;
/// Whole numbers are exact up to here. <https://tc39.es/ecma262/#sec-number.max_safe_integer>
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// The variables of a scope.
pub(crate) type Variables = BTreeMap<String, Value>;

/// What expressions can see.
#[derive(Debug)]
pub(crate) struct Bindings<'a> {
    /// The value of `$states`.
    pub(crate) states: &'a Value,
    /// Every variable in scope.
    pub(crate) variables: &'a Variables,
    /// `$now()` and `$millis()`.
    pub(crate) now: DateTime<Utc>,
    /// Seeds `$random()` and `$uuid()`.
    pub(crate) entropy: u64,
}

/// An expression that gave no usable value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EvaluationError {
    /// The field that holds the expression, such as `Arguments/Payload/id`.
    pub(crate) location: String,
    /// The sentence that AWS writes after its introduction.
    pub(crate) reason: String,
}

/// The expression inside `{% … %}`; `None` for any other text.
pub(crate) fn expression(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

/// Parses an expression; the error is for humans.
pub(crate) fn parse(expression: &str) -> Result<AstNode, String> {
    jsonata_core::parser::parse(expression).map_err(|error| error.to_string())
}

/// Evaluates every expression of a template. `location` names the field that holds the template.
pub(crate) fn render(template: &Value, location: &str, bindings: &Bindings<'_>) -> Result<Value, EvaluationError> {
    match template {
        Value::String(text) => match expression(text) {
            Some(expression) => evaluate(expression, location, bindings),
            None => Ok(template.clone()),
        },
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| render(item, &format!("{location}[{index}]"), bindings))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| Ok((name.clone(), render(value, &format!("{location}/{name}"), bindings)?)))
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        plain => Ok(plain.clone()),
    }
}

fn evaluate(expression: &str, location: &str, bindings: &Bindings<'_>) -> Result<Value, EvaluationError> {
    let failed = |what: String| EvaluationError {
        location: location.to_owned(),
        reason: format!("The JSONata expression '{expression}' specified for the field '{location}' {what}"),
    };
    let tree = parse(expression).map_err(|reason| failed(format!("is invalid: {reason}")))?;
    let mut evaluator = evaluator(bindings).map_err(|error| failed(threw(&error)))?;
    let result = evaluator.evaluate(&tree, &JValue::Undefined).map_err(|error| failed(threw(&error)))?;
    match to_json(&result) {
        Some(value) => Ok(value),
        None if result.is_undefined() => Err(failed("returned nothing (undefined).".to_owned())),
        None => Err(failed("returned a value that JSON cannot hold.".to_owned())),
    }
}

/// AWS separates its sentence from a coded message by a full stop, and from any other by a colon.
fn threw(error: &EvaluatorError) -> String {
    let separator = if error.code().is_some() { '.' } else { ':' };
    format!("threw an error during evaluation{separator} {}", error.message())
}

fn evaluator(bindings: &Bindings<'_>) -> Result<Evaluator, EvaluatorError> {
    let mut context = Context::new();
    context.bind("states".to_owned(), JValue::from(bindings.states.clone()));
    for (name, value) in bindings.variables {
        context.bind(name.clone(), JValue::from(value.clone()));
    }
    let options = EvaluatorOptions {
        timeout_ms: Some(EVALUATION_TIMEOUT_MILLIS),
        max_sequence_length: Some(MAX_SEQUENCE),
        ..EvaluatorOptions::default()
    };
    let mut evaluator = Evaluator::with_options(context, options);
    functions::register(&mut evaluator, bindings.now, bindings.entropy)?;
    Ok(evaluator)
}

/// JSON as `JSON.stringify` would see it: undefined fields vanish, undefined items become null. `None` for undefined
/// itself, for functions, and for numbers that are not finite.
pub(crate) fn to_json(value: &JValue) -> Option<Value> {
    match value {
        JValue::Null => Some(Value::Null),
        JValue::Bool(truth) => Some(Value::Bool(*truth)),
        JValue::Number(number) => number_to_json(*number).map(Value::Number),
        JValue::String(text) => Some(Value::String(text.to_string())),
        JValue::Array(items) => {
            Some(Value::Array(items.iter().map(|item| to_json(item).unwrap_or_default()).collect()))
        }
        JValue::Object(fields) => Some(Value::Object(
            fields.iter().filter_map(|(name, value)| Some((name.clone(), to_json(value)?))).collect(),
        )),
        _ => None,
    }
}

fn number_to_json(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() <= MAX_SAFE_INTEGER {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(template: &Value) -> Result<Value, EvaluationError> {
        let variables =
            Variables::from([("count".to_owned(), json!(41)), ("rows".to_owned(), json!([{"n": 3}, {"n": 9}]))]);
        let bindings = Bindings {
            states: &json!({"input": {"name": "Ada", "nothing": null}}),
            variables: &variables,
            now: DateTime::from_timestamp_millis(1_767_225_600_123).unwrap(),
            entropy: 7,
        };
        render(template, "Output", &bindings)
    }

    fn check(expression: &str, expected: &Value) {
        assert_eq!(run(&json!(format!("{{% {expression} %}}"))).as_ref(), Ok(expected), "{expression}");
    }

    #[test]
    fn expressions_see_states_and_variables_only() {
        check("$states.input.name & '!'", &json!("Ada!"));
        check("$count + 1", &json!(42));
        check("$rows.n", &json!([3, 9]));
        check("$states.input.nothing", &json!(null));
        check("$exists($)", &json!(false));
        check("$sum($rows.n) / 8", &json!(1.5));
    }

    #[test]
    fn templates_are_rendered_at_any_depth() {
        let template = json!({"a": ["{% $count %}", {"b": "plain"}], "n": 1.5});
        assert_eq!(run(&template), Ok(json!({"a": [41, {"b": "plain"}], "n": 1.5})));
    }

    #[test]
    fn nothing_is_an_error_that_names_the_field() {
        let error = run(&json!({"v": ["{% $states.input.missing %}"]})).unwrap_err();
        assert_eq!(error.location, "Output/v[0]");
        assert_eq!(
            error.reason,
            "The JSONata expression '$states.input.missing' specified for the field 'Output/v[0]' returned nothing (undefined)."
        );
    }

    #[test]
    fn a_throwing_expression_carries_the_code_of_jsonata() {
        let error = run(&json!("{% 'a' + 1 %}")).unwrap_err();
        assert!(error.reason.contains("threw an error during evaluation. T2001: "), "{}", error.reason);
    }

    #[test]
    fn time_comes_from_the_clock() {
        check("$millis()", &json!(1_767_225_600_123_i64));
        check("$now()", &json!("2026-01-01T00:00:00.123Z"));
        check("$now('[Y0001]-[M01]-[D01]')", &json!("2026-01-01"));
    }

    #[test]
    fn the_functions_of_step_functions_are_there() {
        check("$partition([1,2,3,4,5], 2)", &json!([[1, 2], [3, 4], [5]]));
        check("$range(0, 10, 5)", &json!([0, 5, 10]));
        check("$range(3, 1, -1)", &json!([3, 2, 1]));
        check("$parse('{\"a\": [1]}')", &json!({"a": [1]}));
        check("$hash('abc', 'MD5')", &json!("900150983cd24fb0d6963f7d28e17f72"));
        check("$hash('abc', 'SHA-1')", &json!("a9993e364706816aba3e25717850c26c9cd0d89d"));
        check("$hash('abc', 'SHA-256')", &json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        check("$length($uuid()) = 36 and $uuid() != $uuid()", &json!(true));
        check("$random(4) = $random(4) and $random() < 1", &json!(true));
    }

    #[test]
    fn what_step_functions_forbids_is_refused() {
        assert!(run(&json!("{% $eval('1+1') %}")).unwrap_err().reason.contains("$eval is not supported"));
        assert!(run(&json!("{% $range(0, 1, 0) %}")).unwrap_err().reason.contains("$range"));
        assert!(run(&json!("{% $hash('abc', 'CRC32') %}")).unwrap_err().reason.contains("CRC32"));
        assert!(run(&json!("{% $sum %}")).unwrap_err().reason.contains("JSON cannot hold"));
    }
}
