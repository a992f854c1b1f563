//! One line under OpenCSVSerDe's rules, byte by byte.

use super::Row;

/// A line under OpenCSVSerDe's rules, odd ones included:
/// a doubled quote inside a value is a quote; an escape counts only inside a value and only before a quote or itself; a
/// quote in the middle of an unquoted value is kept; an unterminated quote loses the rest of the line.
/// Source: the behaviour of `au.com.bytecode.opencsv.CSVParser`, which Hive uses and Trino (Athena's engine) imitates.
pub(super) struct OpenCsvLine<'a> {
    pub(super) line: &'a [u8],
    pub(super) separator: u8,
    pub(super) quote: u8,
    pub(super) escape: u8,
}

impl OpenCsvLine<'_> {
    pub(super) fn split(&self, row: &mut Row<'_>) {
        let (mut ordinal, mut start) = (0, row.rows.unescaped.len());
        let (mut in_quotes, mut in_field) = (false, false);
        let mut at = 0;
        while let Some(&byte) = self.line.get(at) {
            let next = self.line.get(at + 1).copied();
            let text = &mut row.rows.unescaped;
            if byte == self.escape {
                if let Some(next) = next.filter(|&next| (in_quotes || in_field) && self.is_escapable(next)) {
                    text.push(next);
                    at += 1;
                }
            } else if byte == self.quote {
                if (in_quotes || in_field) && next == Some(self.quote) {
                    text.push(byte);
                    at += 1;
                } else {
                    if self.is_embedded(at) {
                        keep_quote_or_drop_blanks(text, start, byte);
                    }
                    in_quotes = !in_quotes;
                }
                in_field = !in_field;
            } else if byte == self.separator && !in_quotes {
                row.push_tail(ordinal, start);
                ordinal += 1;
                start = row.rows.unescaped.len();
                in_field = false;
            } else {
                text.push(byte);
                in_field = true;
            }
            at += 1;
        }
        if !in_quotes {
            row.push_tail(ordinal, start);
        }
    }

    fn is_escapable(&self, byte: u8) -> bool {
        byte == self.quote || byte == self.escape
    }

    /// Whether the quote at `at` neither opens nor closes a value. In a line's first three characters it always does.
    fn is_embedded(&self, at: usize) -> bool {
        at > 2
            && utf16_length_exceeds_two(&self.line[..at])
            && self.line[at - 1] != self.separator
            && self.line.get(at + 1).is_some_and(|&next| next != self.separator)
    }
}

/// Hive's library counts characters as Java does: in UTF-16 units. Three characters have at most nine bytes.
fn utf16_length_exceeds_two(line: &[u8]) -> bool {
    line.len() > 9 || String::from_utf8_lossy(line).encode_utf16().count() > 2
}

/// Blanks before a quote are no part of the value, and then the quote opens it.
fn keep_quote_or_drop_blanks(unescaped: &mut Vec<u8>, start: usize, quote: u8) {
    let value = String::from_utf8_lossy(&unescaped[start..]);
    if !value.is_empty() && value.chars().all(is_java_whitespace) {
        unescaped.truncate(start);
    } else {
        unescaped.push(quote);
    }
}

/// `Character.isWhitespace`: no-break spaces are none, the file, group, record and unit separators are.
fn is_java_whitespace(character: char) -> bool {
    match character {
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}' => false,
        '\u{1c}'..='\u{1f}' => true,
        other => other.is_whitespace(),
    }
}
