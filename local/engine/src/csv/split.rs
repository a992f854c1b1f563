//! Lines into field positions.
//!
//! Lines without quotes and escapes are split by searching separators and line ends alone. A line that has one goes byte
//! by byte, under the rules of the SerDe. Carriage returns cost a search for each line's end.

use memchr::{memchr, memchr2, memrchr};

mod open_csv;

use super::format::Serde;
use open_csv::OpenCsvLine;

/// Where a field's text is: below the block's length in the block itself, from there on in [`Rows::unescaped`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// No value.
    pub(super) const NULL: Self = Self { start: 0, length: u32::MAX };

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a block is at most chunks::LONGEST_LINE long, far below 4 GiB"
    )]
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, length: (end - start) as u32 }
    }

    /// The whole of a text that stands for a block.
    pub(super) fn of(text: &str) -> Self {
        Self::new(0, text.len())
    }

    pub(super) fn is_null(self) -> bool {
        self.length == u32::MAX
    }

    /// Bytes of text; 0 for NULL.
    pub(super) fn len(self) -> usize {
        if self.is_null() { 0 } else { self.length as usize }
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len()
    }
}

/// A block's rows: one column of spans for each wanted field. Kept from block to block for its memory.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) count: usize,
    pub(super) fields: Vec<Vec<Span>>,
    /// Texts that are not in the block as they are: quotes and escapes removed.
    pub(super) unescaped: Vec<u8>,
}

/// A field that the query needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its place in the line, from 0.
    pub(super) ordinal: usize,
    /// Whether LazySimpleSerDe removes escapes from it: it does so for text only.
    pub(super) unescape: bool,
}

/// Splits blocks of whole lines.
#[derive(Debug, Clone)]
pub(super) struct Splitter {
    serde: Serde,
    /// By ordinal, each once.
    wanted: Vec<Wanted>,
    /// How many columns the table's files have.
    columns: usize,
}

impl Splitter {
    pub(super) fn new(serde: Serde, wanted: Vec<Wanted>, columns: usize) -> Self {
        Self { serde, wanted, columns }
    }

    /// Replaces `rows` by the rows of `block`, which ends with a whole line.
    pub(super) fn split(&self, block: &[u8], rows: &mut Rows) {
        rows.count = 0;
        rows.unescaped.clear();
        rows.fields.resize_with(self.wanted.len(), Vec::new);
        rows.fields.iter_mut().for_each(Vec::clear);
        if self.wanted.is_empty() {
            rows.count = count_lines(block);
        } else if self.takes_rest() || memchr(b'\r', block).is_some() {
            self.split_lines(block, rows);
        } else {
            self.split_runs(block, rows);
        }
    }

    fn takes_rest(&self) -> bool {
        matches!(self.serde, Serde::Delimited { last_takes_rest: true, .. })
    }

    /// Runs of lines without special bytes go the short way, the lines between them the long one.
    fn split_runs(&self, block: &[u8], rows: &mut Rows) {
        let mut start = 0;
        while let Some(special) = self.serde.find_special(&block[start..]).map(|found| start + found) {
            let line_start = memrchr(b'\n', &block[start..special]).map_or(start, |found| start + found + 1);
            let line_end = memchr(b'\n', &block[special..]).map_or(block.len(), |found| special + found);
            self.split_plain(block, start, line_start, rows);
            self.split_line(block, line_start, line_end, rows);
            rows.count += 1;
            start = block.len().min(line_end + 1);
        }
        self.split_plain(block, start, block.len(), rows);
    }

    fn split_plain(&self, block: &[u8], mut start: usize, end: usize, rows: &mut Rows) {
        while start < end {
            start = self.split_plain_line(block, start, rows);
            rows.count += 1;
        }
    }

    /// Takes the fields of the line that begins at `start`; answers where the next one begins.
    fn split_plain_line(&self, block: &[u8], mut start: usize, rows: &mut Rows) -> usize {
        if block[start] == b'\n' {
            self.empty_line(start, rows);
            return start + 1;
        }
        let separator = self.serde.separator();
        let mut ordinal = 0;
        for (slot, wanted) in self.wanted.iter().enumerate() {
            loop {
                let end = memchr2(separator, b'\n', &block[start..]).map_or(block.len(), |found| start + found);
                if ordinal == wanted.ordinal {
                    rows.fields[slot].push(self.plain_field(block, start, end));
                }
                let is_last = end == block.len() || block[end] == b'\n';
                if is_last {
                    let missing = slot + usize::from(ordinal == wanted.ordinal);
                    rows.fields[missing..].iter_mut().for_each(|field| field.push(Span::NULL));
                    return end + 1;
                }
                start = end + 1;
                ordinal += 1;
                if ordinal > wanted.ordinal {
                    break;
                }
            }
        }
        memchr(b'\n', &block[start..]).map_or(block.len(), |found| start + found + 1)
    }

    fn plain_field(&self, block: &[u8], start: usize, end: usize) -> Span {
        match &self.serde {
            Serde::Delimited { null, .. } if block[start..end] == **null => Span::NULL,
            _ => Span::new(start, end),
        }
    }

    /// OpenCSVSerDe makes an empty line a row of NULLs; LazySimpleSerDe sees an empty first field.
    fn empty_line(&self, start: usize, rows: &mut Rows) {
        for (wanted, field) in self.wanted.iter().zip(&mut rows.fields) {
            field.push(match &self.serde {
                Serde::Delimited { null, .. } if wanted.ordinal == 0 && !null.is_empty() => Span::new(start, start),
                _ => Span::NULL,
            });
        }
    }

    fn split_lines(&self, block: &[u8], rows: &mut Rows) {
        let mut start = 0;
        while let Some((end, next)) = line(block, start) {
            self.split_line(block, start, end, rows);
            rows.count += 1;
            start = next;
        }
    }

    fn split_line(&self, block: &[u8], start: usize, end: usize, rows: &mut Rows) {
        let line = &block[start..end];
        if line.is_empty() {
            return self.empty_line(start, rows);
        }
        let mut row = Row { wanted: &self.wanted, slot: 0, block: block.len(), rows };
        match &self.serde {
            Serde::OpenCsv { separator, quote, escape } if self.serde.find_special(line).is_some() => {
                OpenCsvLine { line, separator: *separator, quote: *quote, escape: *escape }.split(&mut row);
            }
            Serde::OpenCsv { separator, .. } => {
                split_unescaped(line, start, *separator, usize::MAX, |ordinal, from, to| {
                    row.push(ordinal, Span::new(from, to));
                });
            }
            Serde::Delimited { .. } => self.split_delimited(block, start, end, &mut row),
        }
        row.finish();
    }

    fn split_delimited(&self, block: &[u8], start: usize, end: usize, row: &mut Row<'_>) {
        let Serde::Delimited { separator, escape, null, last_takes_rest } = &self.serde else { return };
        let last = if *last_takes_rest { self.columns.saturating_sub(1) } else { usize::MAX };
        let line = &block[start..end];
        let mut push = |ordinal, from: usize, to: usize| {
            let text = &block[from..to];
            match escape {
                _ if text == null.as_slice() => row.push(ordinal, Span::NULL),
                Some(escape) if memchr(*escape, text).is_some() => row.push_escaped(ordinal, (from, to), text, *escape),
                _ => row.push(ordinal, Span::new(from, to)),
            }
        };
        match escape {
            Some(escape) => split_escaped(line, start, *separator, *escape, last, push),
            None => split_unescaped(line, start, *separator, last, &mut push),
        }
    }
}

/// The line being split; fields arrive in order.
struct Row<'a> {
    wanted: &'a [Wanted],
    /// The next wanted field.
    slot: usize,
    /// The block's length: where [`Rows::unescaped`] begins.
    block: usize,
    rows: &'a mut Rows,
}

impl Row<'_> {
    fn wants(&self, ordinal: usize) -> bool {
        self.wanted.get(self.slot).is_some_and(|wanted| wanted.ordinal == ordinal)
    }

    fn push(&mut self, ordinal: usize, span: Span) {
        if self.wants(ordinal) {
            self.rows.fields[self.slot].push(span);
            self.slot += 1;
        }
    }

    /// LazySimpleSerDe: the byte after an escape stands for itself; an escape at the very end, too.
    fn push_escaped(&mut self, ordinal: usize, (from, to): (usize, usize), text: &[u8], escape: u8) {
        if !self.wants(ordinal) {
            return;
        }
        if !self.wanted[self.slot].unescape {
            return self.push(ordinal, Span::new(from, to));
        }
        let start = self.rows.unescaped.len();
        let mut bytes = text.iter().copied();
        while let Some(byte) = bytes.next() {
            let byte = if byte == escape { bytes.next().unwrap_or(byte) } else { byte };
            self.rows.unescaped.push(byte);
        }
        self.push_tail(ordinal, start);
    }

    /// The field is what was appended to [`Rows::unescaped`] from `start` on.
    fn push_tail(&mut self, ordinal: usize, start: usize) {
        let span = Span::new(self.block + start, self.block + self.rows.unescaped.len());
        self.push(ordinal, span);
    }

    /// Fields that the line does not have are NULL.
    fn finish(self) {
        self.rows.fields[self.slot..].iter_mut().for_each(|field| field.push(Span::NULL));
    }
}

/// Calls `push(ordinal, from, to)` for each field; the field `last` takes the rest of the line.
fn split_unescaped(line: &[u8], base: usize, separator: u8, last: usize, mut push: impl FnMut(usize, usize, usize)) {
    let mut start = 0;
    let mut ordinal = 0;
    while ordinal < last
        && let Some(found) = memchr(separator, &line[start..])
    {
        push(ordinal, base + start, base + start + found);
        start += found + 1;
        ordinal += 1;
    }
    push(ordinal, base + start, base + line.len());
}

/// As [`split_unescaped`], but a separator after an escape is none.
fn split_escaped(
    line: &[u8],
    base: usize,
    separator: u8,
    escape: u8,
    last: usize,
    mut push: impl FnMut(usize, usize, usize),
) {
    let (mut start, mut at, mut ordinal) = (0, 0, 0);
    while at < line.len() && ordinal < last {
        if line[at] == separator {
            push(ordinal, base + start, base + at);
            start = at + 1;
            ordinal += 1;
        } else if line[at] == escape {
            at += 1;
        }
        at += 1;
    }
    push(ordinal, base + start, base + line.len());
}

/// The line that begins at `start`: where its text ends, and where the next line begins. `\n`, `\r\n` and `\r` end lines.
pub(super) fn line(block: &[u8], start: usize) -> Option<(usize, usize)> {
    let rest = block.get(start..).filter(|rest| !rest.is_empty())?;
    let Some(found) = memchr2(b'\n', b'\r', rest) else { return Some((block.len(), block.len())) };
    let width = if rest[found..].starts_with(b"\r\n") { 2 } else { 1 };
    Some((start + found, start + found + width))
}

/// How many lines a block of whole lines has.
pub(super) fn count_lines(block: &[u8]) -> usize {
    let Some(last) = block.last() else { return 0 };
    if memchr(b'\r', block).is_none() {
        return memchr::memchr_iter(b'\n', block).count() + usize::from(*last != b'\n');
    }
    let (mut start, mut count) = (0, 0);
    while let Some((_, next)) = line(block, start) {
        start = next;
        count += 1;
    }
    count
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
