//! `ExecutionParameters`: each `?` of a query becomes the literal at its place.
//!
//! Athena takes parameters as SQL literals in text form, strings with their quotes.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements-querying-using-execution-parameters.html>

use std::sync::LazyLock;

use regex::Regex;

use super::error::{coded, invalid};
use crate::error::WireError;

/// Whatever is one literal, and therefore cannot change what the statement does.
static LITERAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = r"'(?:[^']|'')*'";
    let number = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?";
    Regex::new(&format!(r"(?is)^\s*(?:{text}|{number}|(?:date|timestamp|time|decimal)\s*{text}|true|false|null)\s*$"))
        .ok()
});

/// The query with its parameters in place.
///
/// # Errors
/// `InvalidRequestException`: another number of parameters than places; a parameter that is not a literal.
pub(super) fn bind(sql: &str, parameters: &[String]) -> Result<String, WireError> {
    if parameters.is_empty() {
        // The engine refuses a `?` that is left.
        return Ok(sql.to_owned());
    }
    for parameter in parameters {
        if !LITERAL.as_ref().is_some_and(|literal| literal.is_match(parameter)) {
            return Err(invalid(format!(
                "the execution parameter {parameter} is not a literal: write a number, or a text in single quotes"
            )));
        }
    }
    let places = places(sql);
    if places.len() != parameters.len() {
        return Err(coded(
            "MALFORMED_QUERY",
            format!("Incorrect number of parameters: expected {} but found {}", places.len(), parameters.len()),
        ));
    }
    let mut bound = String::with_capacity(sql.len());
    let mut from = 0;
    for (place, parameter) in places.into_iter().zip(parameters) {
        bound.push_str(&sql[from..place]);
        bound.push_str(parameter.trim());
        from = place + 1;
    }
    bound.push_str(&sql[from..]);
    Ok(bound)
}

/// Where the question marks are that stand for parameters: outside of quotes and comments.
fn places(sql: &str) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(next) = sql[at..].chars().next() {
        let rest = &sql[at..];
        at += match next {
            '\'' | '"' | '`' => 1 + rest[1..].find(next).map_or(rest.len() - 1, |end| end + 1),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '?' => {
                places.push(at);
                1
            }
            other => other.len_utf8(),
        };
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(sql: &str, parameters: &[&str]) -> Result<String, WireError> {
        bind(sql, &parameters.iter().map(|&parameter| parameter.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_places_outside_quotes_and_comments_count() {
        let sql = "SELECT '?', \"?\" -- ?\n /* ? */ WHERE a = ? AND b = ?";
        let expected = "SELECT '?', \"?\" -- ?\n /* ? */ WHERE a = 1 AND b = 'it''s'";
        assert_eq!(bound(sql, &["1", "'it''s'"]).unwrap(), expected);
        assert_eq!(
            bound("SELECT 'it''s ?', ?", &["DATE '2026-01-01'"]).unwrap(),
            "SELECT 'it''s ?', DATE '2026-01-01'"
        );
    }

    #[test]
    fn a_parameter_is_one_literal() {
        for parameter in ["1; DROP TABLE t", "a", "'a' OR 1 = 1", "''' OR 1=1"] {
            assert!(bound("SELECT ?", &[parameter]).is_err(), "{parameter}");
        }
        assert!(bound("SELECT ?", &["1", "2"]).is_err());
    }
}
