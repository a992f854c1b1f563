//! Query text to syntax tree, with Trino's words for what does not parse.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::tokens;
use crate::{Error, Result};

/// The generic dialect without what Trino's grammar lacks.
#[derive(Debug)]
struct TrinoDialect;

impl Dialect for TrinoDialect {
    /// The parser asks "is this the generic dialect?" in places; the answer is yes.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"' || ch == '`'
    }
    fn supports_unicode_string_literal(&self) -> bool {
        true
    }
    fn supports_group_by_expr(&self) -> bool {
        true
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }
    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }
    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }
    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }
    fn supports_values_as_table_factor(&self) -> bool {
        true
    }
    fn supports_lambda_functions(&self) -> bool {
        true
    }
    fn supports_subquery_as_function_arg(&self) -> bool {
        false
    }
    fn supports_table_versioning(&self) -> bool {
        true
    }
    fn supports_boolean_literals(&self) -> bool {
        true
    }
}

/// The tokens of a statement, in the form that the parser wants.
///
/// # Errors
/// [`Error::Syntax`] for an open quote or a character that no token begins with.
pub(crate) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    Tokenizer::new(&TrinoDialect, sql).tokenize_with_location().map_err(|e| Error::Syntax {
        line: e.location.line.max(1),
        column: e.location.column.max(1),
        message: e.message,
    })
}

/// Parses one statement of the query dialect; a trailing semicolon is allowed.
///
/// # Errors
/// [`Error::Syntax`] with the place and Trino's wording; [`Error::Unsupported`] for a clause that is known and missing.
pub fn parse(sql: &str) -> Result<Statement> {
    let tokens = tokens::rewrite(tokenize(sql)?)?;
    let mut parser = Parser::new(&TrinoDialect).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement().map_err(|e| syntax(&e, sql))?;
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(statement),
        _ => Err(mismatched(&next.token.to_string(), "<EOF>", next.span.start)),
    }
}

/// The parser's error under Trino's wording.
fn syntax(error: &ParserError, sql: &str) -> Error {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply",
    };
    let (text, place) = split_location(text);
    let place = place.unwrap_or_else(|| end_of(sql));
    let expectation = text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: "));
    match expectation {
        Some((expected, found)) => mismatched(if found == "EOF" { "<EOF>" } else { found }, expected, place),
        None => Error::Syntax { line: place.line, column: place.column, message: text.to_owned() },
    }
}

fn mismatched(found: &str, expected: &str, place: Location) -> Error {
    let message = format!("mismatched input '{found}'. Expecting: {expected}");
    Error::Syntax { line: place.line.max(1), column: place.column.max(1), message }
}

/// Splits off the ` at Line: 1, Column: 8` that the parser ends its messages with.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let location = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(Location { line: line.parse().ok()?, column: column.parse().ok()? }));
    (message, location)
}

/// The place just behind the last character.
fn end_of(sql: &str) -> Location {
    let text = sql.trim_end();
    let line = text.lines().count().max(1) as u64;
    let column = text.lines().last().map_or(0, |last| last.chars().count()) as u64 + 1;
    Location { line, column }
}

/// Whether a token is this keyword, unquoted.
pub(crate) fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.keyword == keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sql: &str) -> String {
        parse(sql).unwrap_err().to_string()
    }

    #[test]
    fn a_misspelt_keyword_is_placed() {
        assert_eq!(error("SELECT * FORM t"), "line 1:10: mismatched input 'FORM'. Expecting: <EOF>");
        assert!(error("SELEC 1").starts_with("line 1:1: mismatched input 'SELEC'. Expecting: "));
        assert!(error("SELECT 1\nFROM").starts_with("line 2:5: mismatched input '<EOF>'. Expecting: "));
        assert!(error("SELECT 'abc").starts_with("line 1:8: "));
    }

    #[test]
    fn two_statements_are_refused() {
        assert!(error("SELECT 1; SELECT 2").contains("mismatched input 'SELECT'"));
        parse("SELECT 1;").unwrap();
    }

    #[test]
    fn trino_forms_parse() {
        for sql in [
            "VALUES 1, 2, 3",
            "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y)",
            "SELECT * FROM (VALUES 1, 2) t(x) WHERE x > 1",
            "SELECT * FROM \"appdb\".\"t$snapshots\"",
            "SELECT a FROM t OFFSET 2 LIMIT 3",
            "SELECT a FROM t FETCH FIRST 3 ROWS ONLY",
            "SELECT CAST(x AS array(map(varchar, bigint)))",
            "SELECT CAST(ROW(1, 2.0) AS ROW(x BIGINT, y DOUBLE))",
            "SELECT count(*) FILTER (WHERE x > 1) FROM t GROUP BY ROLLUP (a, b)",
            "SELECT a FROM t GROUP BY GROUPING SETS ((a), (a, b), ())",
            "SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x) FROM t",
            "SELECT * FROM t CROSS JOIN UNNEST(a, b) WITH ORDINALITY AS u(x, y, n)",
            "SELECT x AT TIME ZONE 'UTC', TIMESTAMP '2026-01-01 00:00:00', INTERVAL '1' DAY",
            "SELECT lag(x) IGNORE NULLS OVER (PARTITION BY a ORDER BY b) FROM t",
            "INSERT INTO t SELECT 1",
            "SELECT IF(a, b, c), TRY(a / b), \"If\" FROM t",
        ] {
            parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
    }

    #[test]
    fn time_travel_has_trinos_words_only() {
        for sql in [
            "SELECT * FROM t FOR VERSION AS OF 1",
            "SELECT * FROM t FOR VERSION AS OF 'main' AS u JOIN s FOR TIMESTAMP AS OF TIMESTAMP '2026-01-01 00:00:00' w ON true",
            "SELECT * FROM t FOR TIMESTAMP AS OF (current_timestamp - INTERVAL '1' DAY)",
        ] {
            parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        assert!(error("SELECT * FROM t VERSION AS OF 1").contains("mismatched input 'VERSION'. Expecting: 'FOR'"));
        assert!(error("SELECT * FROM t FOR SYSTEM_TIME AS OF 1").contains("FOR SYSTEM_TIME AS OF"));
        assert!(error("SELECT `a` FROM t").contains("backquoted identifiers are not supported"));
    }
}
