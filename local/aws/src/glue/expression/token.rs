//! The words, literals and symbols of a filter.

use std::fmt;

use super::invalid;
use crate::error::WireError;

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or a name, which may have been quoted.
    Word(String),
    /// A text or a number.
    Literal(String),
    Symbol(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Literal(text) => write!(f, "{text:?}"),
            Self::Symbol(symbol) => f.write_str(symbol),
        }
    }
}

/// Longer ones first.
const SYMBOLS: [&str; 12] = ["<>", "<=", ">=", "!=", "==", "<", ">", "=", "(", ")", ",", "~"];

pub(super) fn tokens(expression: &str) -> Result<Vec<Token>, WireError> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => quoted(rest, '\'').map(|(text, after)| (Token::Literal(text), after))?,
            '"' | '`' => quoted(rest, first).map(|(text, after)| (Token::Word(text), after))?,
            _ => plain(rest)?,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn plain(rest: &str) -> Result<(Token, &str), WireError> {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        return Ok((Token::Symbol(symbol), &rest[symbol.len()..]));
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).unwrap_or(rest.len());
    let (text, after) = rest.split_at(end);
    match text.chars().next() {
        Some(first) if first.is_ascii_digit() || first == '-' => Ok((Token::Literal(text.to_owned()), after)),
        Some(_) => Ok((Token::Word(text.to_owned()), after)),
        None => Err(invalid(format_args!("{rest:?}"))),
    }
}

/// Text up to the closing quote; a doubled quote stands for itself.
fn quoted(rest: &str, quote: char) -> Result<(String, &str), WireError> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((text, &rest[at + 1..]));
        }
    }
    Err(invalid(format_args!("{rest:?} has no closing quote")))
}
