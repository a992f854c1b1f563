//! Is a CSV file fit to be loaded? Finds the first problem, by line and field, before anything is copied.
//!
//! A query would not fail on most of these: OpenCSVSerDe reads a missing field as NULL and drops a surplus one. That is
//! what makes them worth refusing at the door.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::chunks::Chunks;
use super::format::Serde;
use super::split::{self, Rows, Splitter, Wanted};

/// The format that raw files have: see the tables' DDL.
const SERDE: Serde = Serde::OpenCsv { separator: b',', quote: b'"', escape: b'\\' };

/// Separators that other programs write.
const OTHER_SEPARATORS: [(char, &str); 4] =
    [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars"), ('\u{1}', "control characters (U+0001)")];

/// A file without problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Its rows, without the header.
    pub rows: u64,
}

/// The first thing that is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum CsvProblem {
    /// Nothing in it, not even a header.
    #[error("the file is empty: expected the header {expected}")]
    Empty {
        /// The header's text.
        expected: String,
    },
    /// A header and no rows.
    #[error("the file has a header and no rows")]
    NoRows,
    /// The header is another one.
    #[error("line 1: {reason}: expected the header {expected}, found {found}")]
    Header {
        /// What is wrong with it.
        reason: String,
        /// The header's text.
        expected: String,
        /// The file's first line.
        found: String,
    },
    /// A row is malformed.
    #[error("line {line}, field {field}: {reason}")]
    Row {
        /// From 1; the header is line 1.
        line: u64,
        /// The column's name, or its number where it has none.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Some bytes are not UTF-8.
    #[error("line {line}, field {field}: the text is not UTF-8: convert the file, for example with iconv")]
    Encoding {
        /// From 1; the header is line 1.
        line: u64,
        /// The column's name.
        field: String,
    },
    /// The file could not be read, or its archive is damaged.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// Checks a file, which is unpacked first if its name ends with `.gz`.
///
/// # Errors
/// The first problem.
pub fn check_file(path: &Path, header: &[&str]) -> Result<Checked, CsvProblem> {
    let file = File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        check(MultiGzDecoder::new(BufReader::new(file)), header)
    } else {
        check(file, header)
    }
}

/// Checks CSV text: the header is `header`, every row has as many fields, and all of it is UTF-8. Commas separate,
/// double quotes quote, backslashes escape, line breaks always end a row.
///
/// # Errors
/// The first problem.
pub fn check(reader: impl Read + Send + 'static, header: &[&str]) -> Result<Checked, CsvProblem> {
    let mut chunks = Chunks::of_reader(Box::new(reader), 0);
    let checker = Checker::new(header);
    let mut lines = 0;
    let mut rows = Rows::default();
    while let Some(block) = chunks.advance()? {
        let mut text = block.text;
        if lines == 0 {
            let (end, next) = split::line(text, 0).unwrap_or_default();
            checker.check_header(&text[..end])?;
            (text, lines) = (&text[next..], 1);
        }
        checker.check_block(text, lines, &mut rows)?;
        lines += rows.count as u64;
    }
    match lines {
        0 => Err(CsvProblem::Empty { expected: checker.expected() }),
        1 => Err(CsvProblem::NoRows),
        _ => Ok(Checked { rows: lines - 1 }),
    }
}

struct Checker<'a> {
    header: &'a [&'a str],
    /// Wants the last column, which must be there, and the one after it, which must not.
    ends: Splitter,
    /// Wants all columns, to name the one at fault.
    all: Splitter,
}

impl<'a> Checker<'a> {
    fn new(header: &'a [&'a str]) -> Self {
        let wanted = |ordinal| Wanted { ordinal, unescape: true };
        let count = header.len();
        let ends = [count.saturating_sub(1), count].map(wanted).to_vec();
        let all = (0..=count).map(wanted).collect();
        Self { header, ends: Splitter::new(SERDE, ends, count + 1), all: Splitter::new(SERDE, all, count + 1) }
    }

    fn expected(&self) -> String {
        self.header.join(",")
    }

    fn check_header(&self, line: &[u8]) -> Result<(), CsvProblem> {
        let found = String::from_utf8_lossy(line).into_owned();
        let names: Vec<String> = self.fields(line).into_iter().flatten().collect();
        if names == self.header {
            return Ok(());
        }
        let has = |name: &str| names.iter().any(|found| found == name);
        let missing: Vec<_> = self.header.iter().copied().filter(|name| !has(name)).collect();
        let surplus: Vec<_> = names.iter().map(String::as_str).filter(|name| !self.header.contains(name)).collect();
        let reason = match (other_separator(&found, self.header), missing.as_slice(), surplus.as_slice()) {
            (Some(separator), ..) => format!("the fields are separated by {separator}, not by commas"),
            (None, [], []) => "the columns are in another order, or one is there twice".to_owned(),
            (None, [], surplus) => format!("unknown column {}", surplus.join(", ")),
            (None, missing, []) => format!("missing column {}", missing.join(", ")),
            (None, [missing], [surplus]) => format!("column {missing} is missing; is it the one named {surplus}?"),
            (None, missing, surplus) => {
                format!("missing column {}, unknown column {}", missing.join(", "), surplus.join(", "))
            }
        };
        Err(CsvProblem::Header { reason, expected: self.expected(), found })
    }

    /// Checks the rows of `block`, whose first line is number `lines + 1`.
    fn check_block(&self, block: &[u8], lines: u64, rows: &mut Rows) -> Result<(), CsvProblem> {
        if let Err(error) = simdutf8::compat::from_utf8(block) {
            return Err(self.encoding_problem(block, lines, error.valid_up_to()));
        }
        self.ends.split(block, rows);
        let (last, surplus) = (&rows.fields[0], &rows.fields[1]);
        let bad = (0..rows.count).find(|&row| last[row].is_null() || !surplus[row].is_null());
        match bad {
            None => Ok(()),
            Some(row) => Err(self.row_problem(nth_line(block, row), lines + 1 + row as u64)),
        }
    }

    fn row_problem(&self, line: &[u8], number: u64) -> CsvProblem {
        let fields = self.fields(line);
        let found = fields.iter().take_while(|field| field.is_some()).count();
        let count = self.header.len();
        let (field, reason) = if line.is_empty() {
            (self.name(0), "the line is empty".to_owned())
        } else if found > count {
            let reason = format!("the row has more than {count} fields; is a value with a comma not quoted?");
            (self.name(count), reason)
        } else if has_open_quote(line) {
            let reason = "a quote is not closed on this line (a value cannot contain a line break)".to_owned();
            (self.name(found), reason)
        } else {
            (self.name(found), format!("the row has {found} of {count} fields"))
        };
        CsvProblem::Row { line: number, field, reason }
    }

    fn encoding_problem(&self, block: &[u8], lines: u64, at: usize) -> CsvProblem {
        let (mut start, mut line) = (0, lines);
        while let Some((_, next)) = split::line(block, start) {
            line += 1;
            if next > at {
                break;
            }
            start = next;
        }
        let before = self.fields(&block[start..at]).iter().take_while(|field| field.is_some()).count();
        CsvProblem::Encoding { line, field: self.name(before.saturating_sub(1)) }
    }

    /// The line's first fields, one more than there are columns; `None` where the line has none.
    fn fields(&self, line: &[u8]) -> Vec<Option<String>> {
        let mut rows = Rows::default();
        self.all.split(line, &mut rows);
        let mut text = line.to_vec();
        text.extend_from_slice(&rows.unescaped);
        let spans = rows.fields.iter().filter_map(|field| field.first());
        spans.map(|span| (!span.is_null()).then(|| String::from_utf8_lossy(&text[span.range()]).into_owned())).collect()
    }

    fn name(&self, field: usize) -> String {
        self.header.get(field).map_or_else(|| (field + 1).to_string(), |name| (*name).to_owned())
    }
}

/// The separator that a header has if it is not the comma.
fn other_separator(found: &str, header: &[&str]) -> Option<&'static str> {
    let splits = |separator: &char| found.split(*separator).count() == header.len();
    let other = OTHER_SEPARATORS.iter().find(|(separator, _)| header.len() > 1 && splits(separator));
    other.map(|(_, name)| *name)
}

fn nth_line(block: &[u8], row: usize) -> &[u8] {
    let mut start = 0;
    for _ in 0..row {
        start = split::line(block, start).map_or(block.len(), |(_, next)| next);
    }
    split::line(block, start).map_or(&[], |(end, _)| &block[start..end])
}

/// Whether quotes do not come in pairs; escaped ones do not count.
fn has_open_quote(line: &[u8]) -> bool {
    let (mut quotes, mut escaped) = (0_usize, false);
    for &byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quotes += 1,
            _ => {}
        }
    }
    quotes % 2 == 1
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
