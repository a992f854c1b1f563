//! [`Tokens`]: a cursor over the words of a statement, which tells where and why it stops.

use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::reserved;
use crate::{Error, Result};

/// Whose rules for names and strings hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Hive DDL: names in backticks, strings with backslash escapes.
    Hive,
    /// Trino: names in double quotes, strings as they are.
    Trino,
}

impl Dialect for Language {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || matches!(ch, '_' | '$')
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        matches!(ch, '"' | '`')
    }
    fn supports_string_literal_backslash_escape(&self) -> bool {
        *self == Self::Hive
    }
}

/// The cursor.
#[derive(Debug)]
pub(super) struct Tokens<'s> {
    source: &'s str,
    language: Language,
    list: Vec<TokenWithSpan>,
    at: usize,
}

impl<'s> Tokens<'s> {
    /// Splits a statement; a semicolon at its end is dropped.
    ///
    /// # Errors
    /// [`Error::Syntax`]: an open string, a character that no token begins with.
    pub(super) fn new(source: &'s str, language: Language) -> Result<Self> {
        let mut tokenizer = Tokenizer::new(&language, source).with_unescape(false);
        let mut tokens = tokenizer.tokenize_with_location().map_err(|error| Error::Syntax {
            line: error.location.line.max(1),
            column: error.location.column.max(1),
            message: error.message,
        })?;
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        if language == Language::Hive {
            tokens = tokens.into_iter().flat_map(split_brackets).collect();
        }
        while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
            tokens.pop();
        }
        Ok(Self { source, language, list: tokens, at: 0 })
    }

    /// Goes past these words if they come next: `"IF NOT EXISTS"`.
    pub(super) fn accept(&mut self, words: &str) -> bool {
        let found = self.follows(words);
        if found {
            self.at += words.split(' ').count();
        }
        found
    }

    /// Whether these words come next.
    pub(super) fn follows(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(offset, word)| {
            self.list.get(self.at + offset).is_some_and(
                |token| matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word)),
            )
        })
    }

    /// Goes past these words.
    pub(super) fn expect(&mut self, words: &str) -> Result<()> {
        for word in words.split(' ') {
            if !self.accept(word) {
                return Err(self.unexpected(&format!("'{word}'")));
            }
        }
        Ok(())
    }

    /// Goes past this symbol if it comes next.
    pub(super) fn accept_symbol(&mut self, symbol: &Token) -> bool {
        let found = self.peek() == Some(symbol);
        self.at += usize::from(found);
        found
    }

    /// Goes past this symbol.
    pub(super) fn expect_symbol(&mut self, symbol: &Token) -> Result<()> {
        if self.accept_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    /// A name, folded to lower case.
    pub(super) fn name(&mut self) -> Result<String> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.unexpected("identifier")) };
        let value = word.value.to_lowercase();
        match (self.language, word.quote_style) {
            (Language::Hive, None) if reserved::in_ddl(&value) => {
                Err(self.unexpected("identifier (a reserved word is quoted with backticks)"))
            }
            (Language::Hive, Some('"')) => Err(self.unexpected("identifier (in DDL, names are quoted with backticks)")),
            (Language::Trino, Some('`')) => {
                Err(self.error("backquoted identifiers are not supported; use double quotes to quote identifiers"))
            }
            (_, quote) => {
                self.at += 1;
                Ok(quote.map_or(value.clone(), |quote| value.replace(&format!("{quote}{quote}"), &quote.to_string())))
            }
        }
    }

    /// A string, without its quotes and escapes.
    pub(super) fn string(&mut self) -> Result<String> {
        let text = match self.peek() {
            Some(Token::SingleQuotedString(text)) => text.replace("''", "'"),
            Some(Token::Word(word)) if self.language == Language::Hive && word.quote_style == Some('"') => {
                word.value.replace("\"\"", "\"")
            }
            _ => return Err(self.unexpected("string")),
        };
        self.at += 1;
        Ok(if self.language == Language::Hive { unescape(&text) } else { text })
    }

    /// A string or an unquoted number, as text: what a partition value may be.
    pub(super) fn literal(&mut self) -> Result<String> {
        let sign = if self.accept_symbol(&Token::Minus) { "-" } else { "" };
        if let Some(Token::Number(number, _)) = self.peek() {
            let number = format!("{sign}{number}");
            self.at += 1;
            return Ok(number);
        }
        self.string()
    }

    /// What comes next.
    pub(super) fn peek(&self) -> Option<&Token> {
        self.list.get(self.at).map(|token| &token.token)
    }

    /// Goes past whatever comes next.
    pub(super) fn skip(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Where the cursor is, for [`Tokens::rewind`].
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// Back to a place where the cursor has been.
    pub(super) fn rewind(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("<EOF>")) }
    }

    /// What came next was not what could come: in Trino's words, at its place.
    pub(super) fn unexpected(&self, expecting: &str) -> Error {
        let found = self.peek().map_or("<EOF>".to_owned(), ToString::to_string);
        self.error(format!("mismatched input '{found}'. Expecting: {expecting}"))
    }

    /// An error at the cursor.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        let place = self.list.get(self.at).map_or_else(|| end_of(self.source), |token| token.span.start);
        Error::Syntax { line: place.line, column: place.column, message: message.into() }
    }

    /// The statement from the cursor on, with everything before it blanked out, so that lines and columns stay.
    pub(super) fn rest(&self) -> String {
        self.between(self.at, self.list.len())
    }

    /// The text of the tokens from `start` to before `end`, the rest before it blanked out.
    pub(super) fn between(&self, start: usize, end: usize) -> String {
        let from = self.list.get(start).map_or(self.source.len(), |token| self.offset(token.span.start));
        let to =
            end.checked_sub(1).and_then(|last| self.list.get(last)).map_or(from, |token| self.offset(token.span.end));
        let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
        self.source[..from].chars().map(blank).chain(self.source[from..to.max(from)].chars()).collect()
    }

    /// How many tokens there are: the mark of the end.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the last words are these; for clauses that stand behind a query.
    pub(super) fn ends_with(&self, words: &str) -> bool {
        let count = words.split(' ').count();
        let Some(start) = self.list.len().checked_sub(count) else { return false };
        words.split(' ').zip(&self.list[start..]).all(|(word, token)| {
            matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
        })
    }

    fn offset(&self, place: Location) -> usize {
        let line = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let start: usize = self.source.split_inclusive('\n').take(line).map(str::len).sum();
        self.source[start..].char_indices().nth(column).map_or(self.source.len(), |(offset, _)| start + offset)
    }
}

/// `>>` closes two types in DDL: `array<struct<a:int>>`.
fn split_brackets(token: TokenWithSpan) -> impl Iterator<Item = TokenWithSpan> {
    let count = if token.token == Token::ShiftRight { 2 } else { 1 };
    let token = if count == 2 { TokenWithSpan { token: Token::Gt, ..token } } else { token };
    std::iter::repeat_n(token, count)
}

/// The place just behind the last character.
fn end_of(source: &str) -> Location {
    let text = source.trim_end();
    let last = text.rsplit('\n').next().unwrap_or("");
    Location::new(text.matches('\n').count() as u64 + 1, last.chars().count() as u64 + 1)
}

/// The first words of a statement, in upper case: what tells its language and its parser.
pub(super) fn first_words(source: &str) -> Vec<String> {
    const ENOUGH: usize = 6;
    let language = Language::Trino;
    let mut tokens = Vec::new();
    // An error further on is told by the parser of the language that the first words name.
    let _error = Tokenizer::new(&language, source).tokenize_with_location_into_buf(&mut tokens);
    let words = tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let upper = |token: TokenWithSpan| match token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        other => other.to_string(),
    };
    words.take(ENOUGH).map(upper).collect()
}

/// Whether there is nothing but spaces, comments and semicolons.
pub(super) fn is_blank(source: &str) -> bool {
    let tokens = Tokenizer::new(&Language::Trino, source).tokenize();
    tokens.is_ok_and(|tokens| tokens.iter().all(|token| matches!(token, Token::Whitespace(_) | Token::SemiColon)))
}

/// Hive's escapes in strings.
/// Source: `BaseSemanticAnalyzer.unescapeSQLString`, <https://github.com/apache/hive>
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let octal = rest
            .get(..3)
            .filter(|digits| digits.starts_with(['0', '1']) && digits.bytes().all(|d| matches!(d, b'0'..=b'7')));
        let unicode = rest.strip_prefix('u').and_then(|rest| rest.get(..4));
        let escaped = octal
            .and_then(|digits| Some((char::from_u32(u32::from_str_radix(digits, 8).ok()?)?, 3)))
            .or_else(|| unicode.and_then(|digits| Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, 5))));
        let (character, length) = escaped.unwrap_or_else(|| match rest.chars().next() {
            Some('0') => ('\0', 1),
            Some('b') => ('\u{8}', 1),
            Some('n') => ('\n', 1),
            Some('r') => ('\r', 1),
            Some('t') => ('\t', 1),
            Some('Z') => ('\u{1a}', 1),
            Some(other) => (other, other.len_utf8()),
            None => ('\\', 0),
        });
        plain.push(character);
        rest = &rest[length..];
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_lose_their_escapes_as_in_hive() {
        for (written, meant) in [
            (r"'\\'", "\\"),
            (r"'\001'", "\u{1}"),
            (r"'\t'", "\t"),
            (r"'\u0041'", "A"),
            (r"'it\'s'", "it's"),
            ("'it''s'", "it's"),
            (r#""double""#, "double"),
            (r"'\|'", "|"),
        ] {
            let mut tokens = Tokens::new(written, Language::Hive).unwrap();
            assert_eq!(tokens.string().unwrap(), meant, "{written}");
        }
        assert_eq!(Tokens::new(r"'\001'", Language::Trino).unwrap().string().unwrap(), r"\001");
    }

    #[test]
    fn what_stands_before_a_query_is_blanked_out_and_its_place_kept() {
        let mut tokens = Tokens::new("CREATE TABLE ü\nAS SELECT 'a\nb' ;", Language::Trino).unwrap();
        tokens.expect("CREATE TABLE").unwrap();
        tokens.name().unwrap();
        tokens.expect("AS").unwrap();
        assert_eq!(tokens.rest(), "              \n   SELECT 'a\nb'");
        assert!(matches!(tokens.error("x"), Error::Syntax { line: 2, column: 4, .. }));
    }

    #[test]
    fn the_end_of_the_statement_has_a_place() {
        let mut tokens = Tokens::new("DROP\nTABLE  ", Language::Hive).unwrap();
        tokens.expect("DROP TABLE").unwrap();
        let error = tokens.name().unwrap_err();
        assert_eq!(error.to_string(), "line 2:6: mismatched input '<EOF>'. Expecting: identifier");
    }
}
