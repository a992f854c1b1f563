//! JSON, kept as text.
//! Source: <https://trino.io/docs/current/functions/json.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;
use serde_json::Value;

use super::super::error::data;
use super::super::function::{Function, Run, binary, ok, unary};

const INVALID: &str = "INVALID_FUNCTION_ARGUMENT";

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(&["json_parse(varchar) -> json"], |c| {
            unary(c, |s: &str| {
                let parsed = serde_json::from_str::<Value>(s);
                parsed
                    .map(|v| Some(sorted(v).to_string()))
                    .map_err(|_| data(INVALID, format!("Cannot convert value to JSON: '{s}'")))
            })
        }),
        own(&["json_format(json) -> varchar"], |c| unary(c, |s: &str| ok(s))),
        own(&["json_extract(json, varchar) -> json", "json_extract(varchar, varchar) -> json"], |c| {
            binary(c, |s: &str, path: &str| Ok(find(s, path)?.map(|v| v.to_string())))
        }),
        own(
            &["json_extract_scalar(json, varchar) -> varchar", "json_extract_scalar(varchar, varchar) -> varchar"],
            |c| binary(c, |s: &str, path: &str| Ok(find(s, path)?.and_then(scalar))),
        ),
        own(&["json_array_length(json) -> bigint", "json_array_length(varchar) -> bigint"], |c| {
            unary(c, |s: &str| Ok(parse(s).and_then(|v| v.as_array().map(|items| items.len() as i64))))
        }),
        own(&["json_size(json, varchar) -> bigint", "json_size(varchar, varchar) -> bigint"], |c| {
            binary(c, |s: &str, path: &str| Ok(find(s, path)?.map(|v| size(&v))))
        }),
        own(&["json_array_get(json, bigint) -> json", "json_array_get(varchar, bigint) -> json"], |c| {
            binary(c, |s: &str, index: i64| Ok(item(s, index).map(|v| v.to_string())))
        }),
        own(
            &[
                "json_array_contains(json, varchar) -> boolean",
                "json_array_contains(varchar, varchar) -> boolean",
                "json_array_contains(json, boolean) -> boolean",
                "json_array_contains(varchar, boolean) -> boolean",
                "json_array_contains(json, double) -> boolean",
                "json_array_contains(varchar, double) -> boolean",
            ],
            |c| {
                if c.column::<&str>(1).is_ok() {
                    return binary(c, |s: &str, x: &str| Ok(contains(s, |v| v.as_str() == Some(x))));
                }
                if c.column::<bool>(1).is_ok() {
                    return binary(c, |s: &str, x: bool| Ok(contains(s, |v| v.as_bool() == Some(x))));
                }
                binary(c, |s: &str, x: f64| Ok(contains(s, |v| v.as_f64() == Some(x))))
            },
        ),
        own(&["is_json_scalar(json) -> boolean", "is_json_scalar(varchar) -> boolean"], |c| {
            unary(c, |s: &str| Ok(parse(s).map(|v| !v.is_array() && !v.is_object())))
        }),
    ]
}

/// With the fields of every object in the order of their names.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(fields) => {
            let ordered: BTreeMap<_, _> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        other => other,
    }
}

/// Text that is no JSON gives NULL.
fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn contains(text: &str, is_it: impl Fn(&Value) -> bool) -> Option<bool> {
    parse(text)?.as_array().map(|items| items.iter().any(is_it))
}

/// A negative index counts from the end.
fn item(text: &str, index: i64) -> Option<Value> {
    let Value::Array(mut items) = parse(text)? else { return None };
    let nth = if index < 0 { items.len() as i64 + index } else { index };
    let nth = usize::try_from(nth).ok().filter(|nth| *nth < items.len())?;
    Some(items.swap_remove(nth))
}

fn size(value: &Value) -> i64 {
    match value {
        Value::Array(items) => items.len() as i64,
        Value::Object(fields) => fields.len() as i64,
        _ => 0,
    }
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// A step of a JSON path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
}

/// Reads `$.a.b[0]["c"]`.
fn steps(path: &str) -> Result<Vec<Step>> {
    let refused = || data(INVALID, format!("Invalid JSON path: '{path}'"));
    let mut rest = path.strip_prefix('$').ok_or_else(refused)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() || name == "*" {
                return Err(refused());
            }
            steps.push(Step::Field(name.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = bracket(after).ok_or_else(refused)?;
            let quoted = |q| inside.strip_prefix(q).and_then(|i: &str| i.strip_suffix(q));
            steps.push(match quoted('"').or_else(|| quoted('\'')) {
                Some(name) => Step::Field(name.replace("\\\"", "\"")),
                None => match inside.parse() {
                    Ok(index) => Step::Item(index),
                    Err(_) => Step::Field(inside.to_owned()),
                },
            });
            rest = after;
        } else {
            return Err(refused());
        }
    }
    Ok(steps)
}

/// What is in the brackets and what follows them; a bracket inside quotes is text.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (None, ']') => return Some((&text[..i], &text[i + 1..])),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn find(text: &str, path: &str) -> Result<Option<Value>> {
    let steps = steps(path)?;
    let Some(mut value) = parse(text) else { return Ok(None) };
    for step in steps {
        let next = match (step, &mut value) {
            (Step::Field(name), Value::Object(fields)) => fields.remove(&name),
            (Step::Item(index), Value::Array(items)) if index < items.len() => Some(items.swap_remove(index)),
            _ => None,
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let field = |name: &str| Step::Field(name.to_owned());
        assert_eq!(
            steps("$.a.b[0]['c d'][\"e]\"]").unwrap(),
            [field("a"), field("b"), Step::Item(0), field("c d"), field("e]")]
        );
        steps("a.b").unwrap_err();
        steps("$.").unwrap_err();
    }

    #[test]
    fn values_are_found() {
        let text = r#"{"a": [1, {"b": "x"}], "n": null}"#;
        assert_eq!(find(text, "$.a[1].b").unwrap().and_then(scalar).as_deref(), Some("x"));
        assert_eq!(find(text, "$.a[5]").unwrap(), None);
        assert_eq!(find(text, "$.n").unwrap().and_then(scalar), None);
        assert_eq!(find("no json", "$").unwrap(), None);
        assert_eq!(item("[1,2,3]", -1), Some(Value::from(3)));
    }
}
