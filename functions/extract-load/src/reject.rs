//! Rows that are not loaded: why, and how they are written down.

use schema::{BROKEN_TEXT, Fault};

/// Why a row is rejected. The names are stable: people query them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    WrongNumberOfFields,
    StrayQuote,
    UnclosedQuote,
    RowTooLong,
    FieldTooLong,
    NotUtf8,
    EmptyKey,
    InvalidTime,
    ImpossibleTime,
    InvalidCountry,
    LineBreakInField,
    ValueOfAnotherType,
    /// The row is fine, and its file is refused. Such rows are counted, not written down.
    FileRefused,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WrongNumberOfFields => "wrong_number_of_fields",
            Self::StrayQuote => "stray_quote",
            Self::UnclosedQuote => "unclosed_quote",
            Self::RowTooLong => "row_too_long",
            Self::FieldTooLong => "field_too_long",
            Self::NotUtf8 => "not_utf8",
            Self::EmptyKey => "empty_key",
            Self::InvalidTime => "invalid_time",
            Self::ImpossibleTime => "impossible_time",
            Self::InvalidCountry => "invalid_country",
            Self::LineBreakInField => "line_break_in_field",
            Self::ValueOfAnotherType => "value_of_another_type",
            Self::FileRefused => "file_refused",
        }
    }
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::StrayQuote => Self::StrayQuote,
            Fault::TooLong => Self::RowTooLong,
        }
    }
}

/// The header of a file of rejects.
pub(crate) const HEADER: &[u8] = b"table_name,source,line,reason,raw\n";

/// Appends a rejected row. Its text becomes one line of UTF-8 from which the original can be told: a line break becomes
/// `\n`, a carriage return `\r`, a byte that is not UTF-8 `\xFF`, a backslash `\\`. Of a long text, the beginning.
pub(crate) fn write(out: &mut Vec<u8>, table: &str, source: &str, line: u64, reason: Reason, text: &[u8]) {
    let cut = text.len().min(BROKEN_TEXT);
    let line = line.to_string();
    for field in [table, source, &line, reason.name()] {
        out.extend_from_slice(field.as_bytes());
        out.push(b',');
    }
    write_field(out, &escape(&text[..cut]));
    out.push(b'\n');
}

/// How many bytes a rejected row may take in a file.
pub(crate) const MOST_BYTES: usize = 8 * BROKEN_TEXT + 256;

fn escape(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'\n' => escaped.extend_from_slice(b"\\n"),
                b'\r' => escaped.extend_from_slice(b"\\r"),
                b'\\' => escaped.extend_from_slice(b"\\\\"),
                byte => escaped.push(byte),
            }
        }
        for byte in chunk.invalid() {
            escaped.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
        }
    }
    escaped
}

/// Appends a field as the raw tables' `OpenCSVSerDe` reads it back: in quotes where it holds a comma, a quote or a
/// backslash, the latter two behind a backslash.
/// <https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html>
pub(crate) fn write_field(out: &mut Vec<u8>, value: &[u8]) {
    if memchr::memchr3(b'"', b'\\', b',', value).is_none() {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8]) -> String {
        let mut out = Vec::new();
        write(&mut out, "pageviews", "s", 7, Reason::NotUtf8, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_rejected_row_is_one_line_of_utf8() {
        assert_eq!(written(b"a,b"), "pageviews,s,7,not_utf8,\"a,b\"\n");
        assert_eq!(written(b"a\r\nb"), "pageviews,s,7,not_utf8,\"a\\\\r\\\\nb\"\n");
        assert_eq!(written(b"\xFFx"), "pageviews,s,7,not_utf8,\"\\\\xFFx\"\n");
        assert_eq!(written(b"\"\\"), "pageviews,s,7,not_utf8,\"\\\"\\\\\\\\\"\n");
    }

    #[test]
    fn no_text_is_longer_than_what_is_allowed_for() {
        for byte in [b'\\', b'"', b'\n', 0xFF] {
            assert!(written(&vec![byte; 3 * BROKEN_TEXT]).len() <= MOST_BYTES);
        }
    }
}
