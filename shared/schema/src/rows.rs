//! Splits CSV text into rows as it arrives, in memory that no file can make grow.
//!
//! RFC 4180: commas separate, a field in double quotes may hold commas, line breaks and doubled quotes, a backslash is a
//! backslash. <https://www.rfc-editor.org/rfc/rfc4180>. Rows end with LF or CRLF; a byte order mark is passed over, and
//! so are empty lines. A quote inside an unquoted field is text; text behind a closing quote is a fault of its row.
//!
//! Most rows hold no quote, no backslash and no carriage return. Such rows are called plain, and splitting them is one
//! vectorised search for commas and line ends; any other row takes the longer way.

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3, memrchr};

/// The longest field, in bytes.
pub const MAX_FIELD: usize = 64 << 10;
/// The longest row, in bytes. A longer one is passed over without being kept.
pub const MAX_ROW: usize = 1 << 20;
/// How much of a row that is too long is kept, to show it.
pub const BROKEN_TEXT: usize = 8 << 10;

/// Where a field's text lies in its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    start: u32,
    end: u32,
    /// Whether quotes in it are doubled.
    doubled: bool,
}

/// Why a row has no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Text stands between a closing quote and the end of its field.
    StrayQuote,
    /// It is longer than [`MAX_ROW`].
    TooLong,
}

/// A row. The first row of a file is its header.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The line that it begins on, from 1.
    pub line: u64,
    /// Its text, without the line end; of a row that is too long, the first [`BROKEN_TEXT`] bytes.
    pub text: &'a [u8],
    /// Whether the text holds no quote, no backslash and no carriage return.
    pub plain: bool,
    /// Whether the text is UTF-8.
    pub utf8: bool,
    /// Its fields, or why it has none.
    pub fields: Result<&'a [Field], Fault>,
}

impl<'a> Row<'a> {
    /// A field's text as it stands in the row: without its quotes, but with doubled quotes still doubled.
    pub fn raw(&self, field: Field) -> &'a [u8] {
        self.text.get(field.start as usize..field.end as usize).unwrap_or_default()
    }

    /// A field's value; `space` is used where it does not stand in the row as it is.
    pub fn value<'v>(&self, field: Field, space: &'v mut Vec<u8>) -> &'v [u8]
    where
        'a: 'v,
    {
        let raw = self.raw(field);
        if !field.doubled {
            return raw;
        }
        space.clear();
        let mut rest = raw;
        while let Some(at) = memchr(b'"', rest) {
            space.extend_from_slice(&rest[..=at]);
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        space.extend_from_slice(rest);
        space
    }
}

/// Whoever wants the rows.
pub trait Visit {
    /// Takes one row.
    fn row(&mut self, row: Row<'_>);
}

/// The text ends inside quotes: what follows the quote cannot be told apart from what should be rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenQuote {
    /// The line that the row begins on.
    pub line: u64,
    /// Its first [`BROKEN_TEXT`] bytes.
    pub text: Vec<u8>,
}

/// Splits text that arrives in pieces.
#[derive(Debug, Default)]
pub struct Reader {
    /// Text whose rows are not complete.
    pending: Vec<u8>,
    fields: Vec<Field>,
    /// Complete lines so far.
    lines: u64,
    blank: u64,
    began: bool,
    /// The row that is being passed over.
    long: Option<LongRow>,
}

impl Reader {
    /// Empty lines so far, which are no rows.
    pub fn blank_lines(&self) -> u64 {
        self.blank
    }

    /// Bytes that are held: of the row that is not complete.
    pub fn pending(&self) -> usize {
        self.pending.capacity()
    }

    /// Takes the next piece of text and hands its complete rows to `visit`. Only what belongs to a row that began in an
    /// earlier piece, or goes on in a later one, is copied.
    pub fn push(&mut self, text: &[u8], visit: &mut impl Visit) {
        let mut pending = std::mem::take(&mut self.pending);
        if !self.began {
            pending.extend_from_slice(text);
            if pending.len() >= BYTE_ORDER_MARK.len() {
                self.pass_mark(&mut pending);
                let done = self.split(&pending, false, visit);
                pending.drain(..done);
            }
            self.pending = pending;
            return;
        }
        let mut rest = text;
        if !pending.is_empty() {
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            pending.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            let done = self.split(&pending, false, visit);
            pending.drain(..done);
            if !pending.is_empty() && !rest.is_empty() {
                // The line end was inside quotes.
                pending.extend_from_slice(rest);
                rest = &[];
                let done = self.split(&pending, false, visit);
                pending.drain(..done);
            }
        }
        if !rest.is_empty() {
            let done = self.split(rest, false, visit);
            pending.extend_from_slice(&rest[done..]);
        }
        self.pending = pending;
    }

    /// No more text comes: hands over the last row, if it has no line end.
    ///
    /// # Errors
    /// [`OpenQuote`].
    pub fn finish(mut self, visit: &mut impl Visit) -> Result<u64, OpenQuote> {
        let mut pending = std::mem::take(&mut self.pending);
        self.pass_mark(&mut pending);
        let done = self.split(&pending, true, visit);
        match self.long.take() {
            Some(long) if long.state == State::Quoted => Err(OpenQuote { line: long.line, text: long.head }),
            Some(long) => {
                self.emit_long(&long, visit);
                Ok(self.blank)
            }
            None if done < pending.len() => {
                let text = pending[done..].iter().copied().take(BROKEN_TEXT).collect();
                Err(OpenQuote { line: self.lines + 1, text })
            }
            None => Ok(self.blank),
        }
    }

    fn pass_mark(&mut self, pending: &mut Vec<u8>) {
        if !self.began && pending.starts_with(BYTE_ORDER_MARK) {
            pending.drain(..BYTE_ORDER_MARK.len());
        }
        self.began = true;
    }

    /// Hands over the complete rows of `text`; how many bytes they are. With `last`, the text's end ends its last row.
    fn split(&mut self, text: &[u8], last: bool, visit: &mut impl Visit) -> usize {
        let Some(mut start) = self.pass_long(text, visit) else { return text.len() };
        let end = if last { text.len() } else { memrchr(b'\n', text).map_or(0, |at| at + 1) };
        // Line ends are ASCII, so no character straddles `end`.
        let utf8 = start < end && simdutf8::basic::from_utf8(&text[start..end]).is_ok();
        let mut special = find_special(text, start, end);
        while start < end {
            start = self.plain_rows(&text[..special], start, utf8, visit);
            if start >= end {
                break;
            }
            let Some(next) = self.any_row(text, start, last, utf8, visit) else { break };
            start = next;
            if special < start {
                special = find_special(text, start, end);
            }
        }
        if text.len() - start > MAX_ROW {
            self.long = Some(LongRow::new(self.lines + 1));
            return self.pass_long(&text[start..], visit).map_or(text.len(), |passed| start + passed);
        }
        start
    }

    /// The rows of `text` from `start` on that are complete; where the next one begins.
    fn plain_rows(&mut self, text: &[u8], mut start: usize, utf8: bool, visit: &mut impl Visit) -> usize {
        let first = start;
        let mut field = 0;
        self.fields.clear();
        for at in memchr2_iter(b',', b'\n', &text[start..]).map(|at| first + at) {
            self.fields.push(span(field, at - start));
            field = at + 1 - start;
            if text[at] == b'\n' {
                let row = Row { line: self.lines + 1, text: &text[start..at], plain: true, utf8, fields: Ok(&[]) };
                let row = if utf8 { row } else { checked(row) };
                if at == start {
                    self.blank += 1;
                } else {
                    visit.row(too_long(Row { fields: Ok(&self.fields), ..row }));
                }
                self.lines += 1;
                self.fields.clear();
                (start, field) = (at + 1, 0);
            }
        }
        start
    }

    /// The row at `start`, whatever it holds; where the next one begins, or nothing if it is not complete.
    fn any_row(&mut self, text: &[u8], start: usize, last: bool, utf8: bool, visit: &mut impl Visit) -> Option<usize> {
        self.fields.clear();
        let (mut at, mut stray) = (start, false);
        let (end, next) = loop {
            let (field, after) = match text.get(at) {
                Some(b'"') => quoted(text, at, start, last)?,
                _ => (Field::default(), at),
            };
            let found = memchr2(b',', b'\n', text.get(after..).unwrap_or_default()).map(|found| after + found);
            let stop = found.or(last.then_some(text.len()))?;
            let ends_row = text.get(stop) != Some(&b',');
            let content = if ends_row && stop > after && text[stop - 1] == b'\r' { stop - 1 } else { stop };
            if after == at {
                self.fields.push(span(at - start, content - start));
            } else {
                stray |= content > after;
                self.fields.push(field);
            }
            if ends_row {
                break (content, (stop + 1).min(text.len()));
            }
            at = stop + 1;
        };
        let content = &text[start..end];
        let line = self.lines + 1;
        self.lines += 1 + memchr_iter(b'\n', content).count() as u64;
        if content.is_empty() {
            self.blank += 1;
            return Some(next);
        }
        let plain = memchr3(b'"', b'\\', b'\r', content).is_none();
        let fields = if stray { Err(Fault::StrayQuote) } else { Ok(&*self.fields) };
        let row = Row { line, text: content, plain, utf8, fields };
        visit.row(too_long(if utf8 { row } else { checked(row) }));
        Some(next)
    }

    /// Goes on passing over the row that is too long, if there is one; where the next row begins, if it begins in
    /// `text`.
    fn pass_long(&mut self, text: &[u8], visit: &mut impl Visit) -> Option<usize> {
        let Some(mut long) = self.long.take() else { return Some(0) };
        let passed = long.pass(text);
        if passed.is_some() {
            self.emit_long(&long, visit);
        } else {
            self.long = Some(long);
        }
        passed
    }

    fn emit_long(&mut self, long: &LongRow, visit: &mut impl Visit) {
        self.lines = long.line + long.breaks;
        let utf8 = simdutf8::basic::from_utf8(&long.head).is_ok();
        visit.row(Row { line: long.line, text: &long.head, plain: false, utf8, fields: Err(Fault::TooLong) });
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[allow(clippy::cast_possible_truncation, reason = "a row is looked at before it is longer than MAX_ROW and a piece")]
fn span(start: usize, end: usize) -> Field {
    Field { start: start as u32, end: end as u32, doubled: false }
}

fn find_special(text: &[u8], start: usize, end: usize) -> usize {
    let found = text.get(start..end).and_then(|text| memchr3(b'"', b'\\', b'\r', text));
    found.map_or(end, |at| start + at)
}

fn checked(row: Row<'_>) -> Row<'_> {
    Row { utf8: simdutf8::basic::from_utf8(row.text).is_ok(), ..row }
}

/// A row that arrived whole and is too long nevertheless is treated as one that did not.
fn too_long(row: Row<'_>) -> Row<'_> {
    if row.text.len() <= MAX_ROW {
        return row;
    }
    checked(Row { text: &row.text[..BROKEN_TEXT], plain: false, fields: Err(Fault::TooLong), ..row })
}

/// The quoted field at `at`, and where the text behind its closing quote begins.
fn quoted(text: &[u8], at: usize, start: usize, last: bool) -> Option<(Field, usize)> {
    let (mut from, mut doubled) = (at + 1, false);
    loop {
        let close = from + memchr(b'"', text.get(from..)?)?;
        match text.get(close + 1) {
            Some(b'"') => (from, doubled) = (close + 2, true),
            None if !last => return None,
            _ => return Some((Field { doubled, ..span(at + 1 - start, close - start) }, close + 1)),
        }
    }
}

/// Where in a row too long the text has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldBegins,
    Unquoted,
    Quoted,
    /// Behind a quote that either closes its field or is the first of two.
    Closing,
}

#[derive(Debug)]
struct LongRow {
    line: u64,
    breaks: u64,
    head: Vec<u8>,
    state: State,
}

impl LongRow {
    fn new(line: u64) -> Self {
        Self { line, breaks: 0, head: Vec::new(), state: State::FieldBegins }
    }

    /// Where the next row begins, if this one ends in `text`.
    fn pass(&mut self, text: &[u8]) -> Option<usize> {
        let room = BROKEN_TEXT - self.head.len();
        self.head.extend(text.iter().take(room));
        for (at, byte) in text.iter().enumerate() {
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Closing,
                (State::Quoted, byte) => {
                    self.breaks += u64::from(*byte == b'\n');
                    State::Quoted
                }
                (State::FieldBegins | State::Closing, b'"') => State::Quoted,
                (_, b'\n') => return Some(at + 1),
                (_, b',') => State::FieldBegins,
                _ => State::Unquoted,
            };
        }
        None
    }
}

#[cfg(test)]
mod tests;
