//! The filter of `GetPartitions`: comparisons of partition keys with literals, joined by `AND`, `OR` and `NOT`.
//! Source: <https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html>

use std::cmp::Ordering;

use local_engine::catalog::Column;
use regex::Regex;

use crate::error::WireError;

mod token;

use token::{Token, tokens};

/// A parsed filter.
#[derive(Debug)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare { key: Key, operator: Operator, literal: String },
    In { key: Key, literals: Vec<String> },
    Like { key: Key, pattern: Regex },
}

/// How a value and a literal must compare.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A partition key: where its value stands, and how it compares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    index: usize,
    numeric: bool,
}

impl Filter {
    /// # Errors
    /// `InvalidInputException` that says what was not understood.
    pub(super) fn parse(expression: &str, keys: &[Column]) -> Result<Self, WireError> {
        let mut parser = Parser { tokens: tokens(expression)?, at: 0, keys };
        let filter = parser.or()?;
        match parser.peek() {
            None => Ok(filter),
            Some(token) => Err(invalid(format_args!("{token} is not expected"))),
        }
    }

    /// Whether a partition with these values is wanted.
    pub(super) fn admits(&self, values: &[String]) -> bool {
        match self {
            Self::And(left, right) => left.admits(values) && right.admits(values),
            Self::Or(left, right) => left.admits(values) || right.admits(values),
            Self::Not(inner) => !inner.admits(values),
            Self::Compare { key, operator, literal } => {
                key.compare(values, literal).is_some_and(|ordering| operator.accepts(ordering))
            }
            Self::In { key, literals } => {
                literals.iter().any(|literal| key.compare(values, literal) == Some(Ordering::Equal))
            }
            Self::Like { key, pattern } => values.get(key.index).is_some_and(|value| pattern.is_match(value)),
        }
    }
}

impl Key {
    fn compare(self, values: &[String], literal: &str) -> Option<Ordering> {
        let value = values.get(self.index)?;
        if !self.numeric {
            return Some(value.as_str().cmp(literal));
        }
        let (value, literal): (f64, f64) = (value.trim().parse().ok()?, literal.trim().parse().ok()?);
        value.partial_cmp(&literal)
    }
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    keys: &'a [Column],
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Filter, WireError> {
        let mut filter = self.and()?;
        while self.take_word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.and()?));
        }
        Ok(filter)
    }

    fn and(&mut self) -> Result<Filter, WireError> {
        let mut filter = self.term()?;
        while self.take_word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.term()?));
        }
        Ok(filter)
    }

    fn term(&mut self) -> Result<Filter, WireError> {
        if self.take_word("not") {
            return Ok(Filter::Not(Box::new(self.term()?)));
        }
        if self.take_symbol("(") {
            let filter = self.or()?;
            self.require_symbol(")")?;
            return Ok(filter);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, WireError> {
        if let Some(Token::Literal(literal)) = self.peek().cloned() {
            self.at += 1;
            let operator = self.operator()?.flipped();
            return Ok(Filter::Compare { key: self.key()?, operator, literal });
        }
        let key = self.key()?;
        if self.take_word("not") {
            let inner = self.listed(key)?;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if let Some(Token::Word(_)) = self.peek() {
            return self.listed(key);
        }
        let operator = self.operator()?;
        Ok(Filter::Compare { key, operator, literal: self.literal()? })
    }

    /// `IN (…)`, `BETWEEN … AND …`, `LIKE …`.
    fn listed(&mut self, key: Key) -> Result<Filter, WireError> {
        if self.take_word("in") {
            self.require_symbol("(")?;
            let mut literals = vec![self.literal()?];
            while self.take_symbol(",") {
                literals.push(self.literal()?);
            }
            self.require_symbol(")")?;
            return Ok(Filter::In { key, literals });
        }
        if self.take_word("between") {
            let from = Filter::Compare { key, operator: Operator::Ge, literal: self.literal()? };
            if !self.take_word("and") {
                return Err(invalid("BETWEEN needs AND"));
            }
            let to = Filter::Compare { key, operator: Operator::Le, literal: self.literal()? };
            return Ok(Filter::And(Box::new(from), Box::new(to)));
        }
        if self.take_word("like") {
            return Ok(Filter::Like { key, pattern: like(&self.literal()?)? });
        }
        Err(invalid("an operator is expected: =, <>, <, <=, >, >=, IN, BETWEEN or LIKE"))
    }

    fn key(&mut self) -> Result<Key, WireError> {
        let Some(Token::Word(name)) = self.next() else {
            return Err(invalid("a partition key is expected"));
        };
        let found = self.keys.iter().position(|key| key.name.eq_ignore_ascii_case(&name));
        let index = found.ok_or_else(|| invalid(format_args!("{name:?} is not a partition key")))?;
        let type_name = self.keys[index].type_.to_ascii_lowercase();
        let numeric = ["tinyint", "smallint", "int", "bigint", "float", "double", "decimal"];
        Ok(Key { index, numeric: numeric.iter().any(|numeric| type_name.starts_with(numeric)) })
    }

    fn operator(&mut self) -> Result<Operator, WireError> {
        match self.next() {
            Some(Token::Symbol(symbol)) => Operator::new(symbol),
            _ => Err(invalid("an operator is expected: =, <>, <, <=, > or >=")),
        }
    }

    fn literal(&mut self) -> Result<String, WireError> {
        match self.next() {
            Some(Token::Literal(literal)) => Ok(literal),
            _ => Err(invalid("a literal is expected")),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn require_symbol(&mut self, symbol: &str) -> Result<(), WireError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(invalid(format_args!("{symbol} is expected"))) }
    }
}

impl Operator {
    fn new(symbol: &str) -> Result<Self, WireError> {
        match symbol {
            "=" | "==" => Ok(Self::Eq),
            "<>" | "!=" => Ok(Self::Ne),
            "<" => Ok(Self::Lt),
            "<=" => Ok(Self::Le),
            ">" => Ok(Self::Gt),
            ">=" => Ok(Self::Ge),
            other => Err(invalid(format_args!("{other} is not an operator"))),
        }
    }

    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }

    /// `5 < key` is `key > 5`.
    fn flipped(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }
}

/// SQL's `LIKE`: `%` for any text, `_` for any character.
fn like(pattern: &str) -> Result<Regex, WireError> {
    let part = |character: char| match character {
        '%' => ".*".to_owned(),
        '_' => ".".to_owned(),
        other => regex::escape(&other.to_string()),
    };
    let pattern: String = pattern.chars().map(part).collect();
    Regex::new(&format!("(?s)^{pattern}$")).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl std::fmt::Display) -> WireError {
    WireError::client("InvalidInputException", format!("the partition expression is not understood: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(expression: &str, values: [&str; 2]) -> bool {
        let column = |name: &str, type_: &str| Column { name: name.into(), type_: type_.into(), ..Column::default() };
        let keys = [column("year", "int"), column("country", "string")];
        Filter::parse(expression, &keys).unwrap().admits(&values.map(str::to_owned))
    }

    #[test]
    fn numbers_compare_as_numbers_and_text_as_text() {
        assert!(admits("year > 999", ["2026", "USA"]));
        assert!(admits("year='2026' AND country = 'USA'", ["2026", "USA"]));
        assert!(admits("999 < year", ["2026", "USA"]));
        assert!(!admits("country > 'USB'", ["2026", "USA"]));
        assert!(admits("country <> 'it''s'", ["2026", "USA"]));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(admits("year = 1 AND country = 'x' OR country = 'USA'", ["2026", "USA"]));
        assert!(!admits("year = 1 AND (country = 'x' OR country = 'USA')", ["2026", "USA"]));
        assert!(admits("NOT year = 1", ["2026", "USA"]));
    }

    #[test]
    fn lists_ranges_and_patterns() {
        assert!(admits("country IN ('UK', 'USA')", ["2026", "USA"]));
        assert!(admits("country NOT IN ('UK')", ["2026", "USA"]));
        assert!(admits("year BETWEEN 2025 AND 2026 AND country LIKE 'U%'", ["2026", "USA"]));
        assert!(!admits("country LIKE 'U_'", ["2026", "USA"]));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let keys = [Column { name: "year".into(), ..Column::default() }];
        for expression in ["month = 1", "year", "year = ", "year = 1 1", "year ~ 1", "(year = 1", "year = 'x"] {
            let error = Filter::parse(expression, &keys).unwrap_err();
            assert_eq!(error.code(), "InvalidInputException", "{expression}");
        }
    }
}
