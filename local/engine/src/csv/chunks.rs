//! A range of a file as blocks of whole lines, decompressed, without byte order mark and header lines.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::split;
use crate::engine::ScanMeter;

/// Bytes of one block. Large enough to make a batch of rows, small enough to stay in the processor's cache.
const BLOCK: usize = 512 << 10;

/// Trino gives up on longer lines, too.
const LONGEST_LINE: usize = 100 << 20;

/// How far a search for a line's end reads at once.
const SEARCH: usize = 4 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a file's bytes are packed; Hive tells by the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
}

/// The reader of one range. Its buffer is handed on to the next one: see [`Chunks::into_buffer`].
pub(super) struct Chunks {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The unread part of `buffer`.
    start: usize,
    end: usize,
    /// Whether `source` is drained.
    drained: bool,
    /// Bytes of text (not of the file, if it is compressed) before `buffer[start]`.
    offset: u64,
    skip_mark: bool,
    skip_lines: usize,
}

impl Chunks {
    /// Reads lines that begin at `start..end` of an uncompressed file of `size` bytes.
    pub(super) fn of_range(
        mut file: File,
        (start, end, size): (u64, u64, u64),
        header_lines: usize,
        buffer: Vec<u8>,
        meter: Option<Arc<ScanMeter>>,
    ) -> io::Result<Self> {
        let first = line_start(&mut file, start, size)?;
        let last = line_start(&mut file, end, size)?;
        file.seek(SeekFrom::Start(first))?;
        let source = Metered { inner: file.take(last.saturating_sub(first)), meter };
        Ok(Self {
            offset: first,
            ..Self::new(Box::new(source), if start == 0 { header_lines } else { 0 }, start == 0, buffer)
        })
    }

    /// Reads a whole compressed file; the meter counts what is read from the disk.
    pub(super) fn of_gzip(file: File, header_lines: usize, buffer: Vec<u8>, meter: Option<Arc<ScanMeter>>) -> Self {
        let source = MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, Metered { inner: file, meter }));
        Self::new(Box::new(source), header_lines, true, buffer)
    }

    /// Reads everything that `source` gives.
    pub(super) fn of_reader(source: Box<dyn Read + Send>, header_lines: usize) -> Self {
        Self::new(source, header_lines, true, Vec::new())
    }

    fn new(source: Box<dyn Read + Send>, skip_lines: usize, skip_mark: bool, mut buffer: Vec<u8>) -> Self {
        if buffer.len() < BLOCK {
            buffer.resize(BLOCK, 0);
        }
        Self { source, buffer, start: 0, end: 0, drained: false, offset: 0, skip_mark, skip_lines }
    }

    /// The next block of whole lines; `None` at the end. The last line may lack its line end.
    pub(super) fn advance(&mut self) -> io::Result<Option<Block<'_>>> {
        loop {
            let Some(whole) = self.fill()? else { return Ok(None) };
            let (from, offset) = (self.start, self.offset);
            self.start += whole;
            self.offset += whole as u64;
            let skipped = self.skip(from, whole);
            if skipped < whole {
                let text = &self.buffer[from + skipped..from + whole];
                return Ok(Some(Block { text, offset: offset + skipped as u64 }));
            }
        }
    }

    /// Gives the buffer back, for the next reader.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Bytes of whole lines that now stand at `buffer[start]`; `None` at the end.
    fn fill(&mut self) -> io::Result<Option<usize>> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        loop {
            while !self.drained && self.end < self.buffer.len() {
                match self.source.read(&mut self.buffer[self.end..]) {
                    Ok(0) => self.drained = true,
                    Ok(count) => self.end += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            match whole_lines(&self.buffer[..self.end]) {
                _ if self.drained => return Ok((self.end > 0).then_some(self.end)),
                Some(whole) => return Ok(Some(whole)),
                None if self.buffer.len() >= LONGEST_LINE => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 100 MiB"));
                }
                None => self.buffer.resize(self.buffer.len() * 2, 0),
            }
        }
    }

    /// How many of the `whole` bytes from `from` on are byte order mark and header lines.
    fn skip(&mut self, from: usize, whole: usize) -> usize {
        let block = &self.buffer[from..from + whole];
        let mut skipped = 0;
        if std::mem::take(&mut self.skip_mark) && block.starts_with(BYTE_ORDER_MARK) {
            skipped = BYTE_ORDER_MARK.len();
        }
        while self.skip_lines > 0
            && let Some((_, next)) = split::line(block, skipped)
        {
            skipped = next;
            self.skip_lines -= 1;
        }
        skipped
    }
}

/// Whole lines of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) text: &'a [u8],
    /// Bytes of text before it in its file.
    pub(super) offset: u64,
}

/// The number (from 1) of the line that the byte at `offset` belongs to, in the file's text; for error messages only.
pub(super) fn line_number(path: &Path, compression: Compression, offset: u64) -> io::Result<u64> {
    let file = File::open(path)?;
    let source: Box<dyn Read + Send> = match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::new(file))),
    };
    let mut chunks = Chunks::new(Box::new(source.take(offset)), 0, false, Vec::new());
    let mut lines = 1;
    while let Some(block) = chunks.advance()? {
        let ends_inside_a_line = !block.text.ends_with(b"\n") && !block.text.ends_with(b"\r");
        lines += (split::count_lines(block.text) - usize::from(ends_inside_a_line)) as u64;
    }
    Ok(lines)
}

/// How much of `block` is whole lines. A `\r` at the very end says nothing yet: its `\n` may follow.
fn whole_lines(block: &[u8]) -> Option<usize> {
    let newline = memchr::memrchr(b'\n', block);
    let found = newline.or_else(|| memchr::memrchr(b'\r', &block[..block.len().saturating_sub(1)]));
    found.map(|at| at + 1)
}

/// Where the first line begins that does not begin before `at`. Ranges are cut at `\n` only, so `\r\n` stays whole.
fn line_start(file: &mut File, at: u64, size: u64) -> io::Result<u64> {
    if at == 0 || at >= size {
        return Ok(at.min(size));
    }
    let mut position = at - 1;
    file.seek(SeekFrom::Start(position))?;
    let mut piece = [0; SEARCH];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(size);
        }
        if let Some(found) = memchr::memchr(b'\n', &piece[..count]) {
            return Ok((position + found as u64 + 1).min(size));
        }
        position += count as u64;
    }
}

/// Counts what is read.
struct Metered<R> {
    inner: R,
    meter: Option<Arc<ScanMeter>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(meter) = &self.meter {
            meter.add_bytes(count as u64);
        }
        Ok(count)
    }
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
