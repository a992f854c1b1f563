//! What Trino writes and the parser cannot read, put into the parser's words while it is still tokens, so that every
//! place keeps its line and column.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::parse::is_keyword;
use crate::{Error, Result};

/// Rewrites `VALUES 1, 2`, `array(…)` and `row(…)` types; brings time travel into the parser's words; refuses backquotes.
pub(crate) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let mut tokens: Vec<_> = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    refuse(&tokens)?;
    time_travel(&mut tokens);
    angle_types(&mut tokens);
    Ok(values_rows(tokens))
}

fn refuse(tokens: &[TokenWithSpan]) -> Result<()> {
    for (i, token) in tokens.iter().enumerate() {
        let start = token.span.start;
        match &token.token {
            Token::Word(word) if word.quote_style == Some('`') => {
                let message = "backquoted identifiers are not supported; use double quotes to quote identifiers";
                return Err(Error::Syntax { line: start.line, column: start.column, message: message.into() });
            }
            _ => match as_of(&tokens[i..]).as_deref() {
                None => {}
                Some("VERSION" | "TIMESTAMP") if i > 0 && is_for(&tokens[i - 1].token) => {}
                Some(kind @ ("VERSION" | "TIMESTAMP")) => {
                    let message = format!("mismatched input '{kind}'. Expecting: 'FOR'");
                    return Err(Error::Syntax { line: start.line, column: start.column, message });
                }
                Some(kind) => return Err(Error::unsupported(format!("time travel (FOR {kind} AS OF)"))),
            },
        }
    }
    Ok(())
}

fn is_for(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("FOR"))
}

/// `FOR TIMESTAMP AS OF x` is `TIMESTAMP AS OF x` to the parser. It takes numbers only for a version, and anything for a
/// system time.
fn time_travel(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 1;
    while at < tokens.len() {
        match as_of(&tokens[at..]).as_deref() {
            Some("VERSION") => tokens[at].token = Token::make_keyword("SYSTEM_TIME"),
            Some(_) => drop(tokens.remove(at - 1)),
            None => {}
        }
        at += 1;
    }
}

/// The word before `AS OF`, if that is what comes next.
fn as_of(next: &[TokenWithSpan]) -> Option<String> {
    let [kind, as_word, of_word, ..] = next else { return None };
    let kind = match &kind.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => return None,
    };
    let known = matches!(kind.as_str(), "VERSION" | "TIMESTAMP" | "SYSTEM_TIME" | "SYSTEM_VERSION");
    let as_of = is_keyword(&as_word.token, Keyword::AS) && is_keyword(&of_word.token, Keyword::OF);
    (known && as_of).then_some(kind)
}

/// Turns the types `array(…)` and `row(…)` behind `AS` into the angle brackets that the parser knows. The parser reads
/// `map(…)` as it is.
fn angle_types(tokens: &mut [TokenWithSpan]) {
    for i in 1..tokens.len() {
        let in_type = is_keyword(&tokens[i - 1].token, Keyword::AS)
            && (type_word(&tokens[i].token).is_some() || is_keyword(&tokens[i].token, Keyword::MAP));
        if in_type && tokens.get(i + 1).is_some_and(|t| t.token == Token::LParen) {
            angle_type(tokens, i);
        }
    }
}

fn type_word(token: &Token) -> Option<&'static str> {
    let Token::Word(word) = token else { return None };
    match word.value.to_ascii_lowercase().as_str() {
        "array" => Some("ARRAY"),
        "row" => Some("STRUCT"),
        _ => None,
    }
}

/// Rewrites one type that starts at `start`, and those inside it, up to its closing parenthesis.
fn angle_type(tokens: &mut [TokenWithSpan], start: usize) {
    let mut open = Vec::new();
    let mut i = start;
    while i < tokens.len() {
        match &tokens[i].token {
            Token::LParen => {
                let angle = i > 0 && type_word(&tokens[i - 1].token).is_some();
                open.push(angle);
                if angle {
                    if let Some(name) = type_word(&tokens[i - 1].token) {
                        tokens[i - 1].token = Token::make_keyword(name);
                    }
                    tokens[i].token = Token::Lt;
                }
            }
            Token::RParen => {
                if open.pop() == Some(true) {
                    tokens[i].token = Token::Gt;
                }
                if open.is_empty() {
                    return;
                }
            }
            _ => {}
        }
        i += 1;
    }
}

/// Puts parentheses round the rows of `VALUES 1, 2` that have none.
fn values_rows(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len() + 8);
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let starts = is_keyword(&token.token, Keyword::VALUES);
        out.push(token);
        if !starts {
            continue;
        }
        while let Some(more) = value_row(&mut tokens, &mut out) {
            out.push(more);
        }
    }
    out
}

/// Moves one row of a `VALUES` to `out`; gives the comma if another row follows.
fn value_row(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = TokenWithSpan>>,
    out: &mut Vec<TokenWithSpan>,
) -> Option<TokenWithSpan> {
    let first = tokens.peek()?;
    let row_word = matches!(&first.token, Token::Word(w) if w.value.eq_ignore_ascii_case("row"));
    let bare = first.token != Token::LParen && !row_word;
    let span = first.span;
    if bare {
        out.push(TokenWithSpan { token: Token::LParen, span });
    }
    let mut depth = 0_usize;
    let mut end = span;
    while let Some(next) = tokens.next_if(|t| depth > 0 || !ends_row(&t.token)) {
        match next.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            // The words inside of a CASE end nothing.
            _ if is_keyword(&next.token, Keyword::CASE) => depth += 1,
            _ if is_keyword(&next.token, Keyword::END) => depth = depth.saturating_sub(1),
            _ => {}
        }
        end = next.span;
        out.push(next);
    }
    if bare {
        out.push(TokenWithSpan { token: Token::RParen, span: Span::new(end.end, end.end) });
    }
    tokens.next_if(|t| t.token == Token::Comma)
}

/// What can follow a row of a `VALUES` at its own depth.
fn ends_row(token: &Token) -> bool {
    const CLAUSES: [Keyword; 10] = [
        Keyword::ORDER,
        Keyword::LIMIT,
        Keyword::OFFSET,
        Keyword::FETCH,
        Keyword::UNION,
        Keyword::EXCEPT,
        Keyword::INTERSECT,
        Keyword::AS,
        Keyword::WHERE,
        Keyword::WHEN,
    ];
    matches!(token, Token::Comma | Token::RParen | Token::RBracket | Token::SemiColon | Token::EOF)
        || CLAUSES.iter().any(|keyword| is_keyword(token, *keyword))
}
