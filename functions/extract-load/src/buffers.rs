//! Rows on their way into files: one buffer a partition, all of them within one budget.
//!
//! A buffer that has reached [`PART`] becomes a part of an upload that goes on. When the buffers together exceed
//! [`BUDGET`], the largest one goes: as a part, if S3 takes a part of its size, else as the last part of its file. So one
//! file may become several in a partition, but never many small ones while there is room. Which bytes go into which file
//! depends on nothing but the rows and the constants here, so that whoever loads the same source again writes the same
//! files again.

use std::mem::take;

/// Bytes that all buffers may hold together.
pub(crate) const BUDGET: usize = 96 << 20;
/// Bytes at which a buffer becomes a part.
pub(crate) const PART: usize = 8 << 20;
/// The least that S3 takes as a part that is not the last:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const LEAST_PART: usize = 5 << 20;
/// The most parts of an upload. Source: as above.
const MOST_PARTS: i32 = 10_000;
/// Up to here a buffer doubles, then it grows by as much.
const STEP: usize = 512 << 10;

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The file's key.
    pub(crate) key: String,
    /// Which part of the file, from 1.
    pub(crate) number: i32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: PieceKind,
}

/// What comes after a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// More of the file.
    Part,
    /// Nothing: the file is complete.
    Last,
    /// Nothing of any file: the source is at its end.
    Rest,
}

/// Takes pieces; `false` if it takes no more.
pub(crate) trait Sink {
    fn take(&mut self, piece: Piece) -> bool;
}

/// All buffers.
#[derive(Debug)]
pub(crate) struct Buffers<S> {
    all: Vec<Buffer>,
    /// What the buffers hold room for.
    capacity: usize,
    budget: usize,
    sink: S,
    open: bool,
}

#[derive(Debug)]
struct Buffer {
    /// What its files' keys begin with.
    stem: String,
    /// What its files begin with.
    header: Vec<u8>,
    text: Vec<u8>,
    rows: u64,
    file: u32,
    part: i32,
}

impl<S: Sink> Buffers<S> {
    pub(crate) fn new(budget: usize, sink: S) -> Self {
        Self { all: Vec::new(), capacity: 0, budget, sink, open: true }
    }

    /// A new buffer: files whose keys begin with `stem`, and that begin with `header`. Its number.
    pub(crate) fn add(&mut self, stem: String, header: &[u8]) -> usize {
        self.all.push(Buffer { stem, header: header.to_vec(), text: Vec::new(), rows: 0, file: 0, part: 1 });
        self.all.len() - 1
    }

    /// Whether the sink still takes pieces.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Rows in a buffer's files.
    pub(crate) fn rows(&self, number: usize) -> u64 {
        self.all[number].rows
    }

    /// Adds a row of at most `most` bytes.
    pub(crate) fn push(&mut self, number: usize, most: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let buffer = &mut self.all[number];
        let before = buffer.text.capacity();
        buffer.make_room(most);
        write(&mut buffer.text);
        buffer.rows += 1;
        self.capacity += buffer.text.capacity() - before;
        if buffer.text.len() >= PART {
            self.flush(number, PieceKind::Part);
        }
        while self.capacity > self.budget && self.open {
            let Some(largest) = self.largest() else { break };
            self.flush_early(largest);
        }
    }

    /// Hands everything over that is left.
    pub(crate) fn finish(&mut self) {
        for number in 0..self.all.len() {
            if !self.all[number].text.is_empty() || self.all[number].part > 1 {
                self.flush(number, PieceKind::Rest);
            }
        }
    }

    fn largest(&self) -> Option<usize> {
        let buffers = self.all.iter().enumerate().filter(|(_, buffer)| !buffer.text.is_empty());
        // Of several, the first one.
        buffers.rev().max_by_key(|(_, buffer)| buffer.text.len()).map(|(number, _)| number)
    }

    fn flush_early(&mut self, number: usize) {
        let is_part = self.all[number].text.len() >= LEAST_PART;
        self.flush(number, if is_part { PieceKind::Part } else { PieceKind::Last });
    }

    fn flush(&mut self, number: usize, kind: PieceKind) {
        let buffer = &mut self.all[number];
        let kind = if kind == PieceKind::Part && buffer.part == MOST_PARTS { PieceKind::Last } else { kind };
        let bytes = take(&mut buffer.text);
        self.capacity -= bytes.capacity();
        let key = format!("{}{:04}.csv", buffer.stem, buffer.file);
        let piece = Piece { key, number: buffer.part, bytes, kind };
        (buffer.file, buffer.part) = match kind {
            PieceKind::Part => (buffer.file, buffer.part + 1),
            PieceKind::Last | PieceKind::Rest => (buffer.file + 1, 1),
        };
        self.open = self.open && self.sink.take(piece);
    }

    #[cfg(test)]
    pub(crate) fn into_sink(self) -> S {
        self.sink
    }
}

impl Buffer {
    /// Grows by steps of our own, not by the library's: when a buffer goes depends on them.
    fn make_room(&mut self, most: usize) {
        if self.text.is_empty() && self.part == 1 {
            self.reserve(self.header.len() + most);
            self.text.extend_from_slice(&self.header);
        } else {
            self.reserve(most);
        }
    }

    fn reserve(&mut self, more: usize) {
        let (length, capacity) = (self.text.len(), self.text.capacity());
        if capacity - length < more {
            let next = if capacity < STEP { (capacity * 2).max(4 << 10) } else { capacity + STEP };
            self.text.reserve_exact(next.max(length + more) - length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sink for Vec<Piece> {
        fn take(&mut self, piece: Piece) -> bool {
            self.push(piece);
            true
        }
    }

    /// Rows of a hundred bytes, `rows` for each of the buffers in turn.
    fn pieces(budget: usize, buffers: usize, rows: usize) -> Vec<Piece> {
        let mut all = Buffers::new(budget, Vec::new());
        for number in 0..buffers {
            all.add(format!("{number}-"), b"h\n");
        }
        for _ in 0..rows {
            for number in 0..buffers {
                all.push(number, 200, |text| text.extend_from_slice(&[b'x'; 100]));
                assert!(all.capacity <= budget, "{} bytes are held", all.capacity);
            }
        }
        all.finish();
        all.into_sink()
    }

    #[test]
    fn every_file_has_its_header_and_its_parts_in_order() {
        for (budget, buffers, rows) in
            [(BUDGET, 3, 10), (8 << 20, 1, 200_000), (1 << 20, 7, 10_000), (4 << 20, 3, 90_000)]
        {
            let pieces = pieces(budget, buffers, rows);
            let mut files = std::collections::BTreeMap::<&str, Vec<&Piece>>::new();
            for piece in &pieces {
                files.entry(&piece.key).or_default().push(piece);
            }
            for (key, pieces) in &files {
                assert!(pieces[0].bytes.starts_with(b"h\nx"), "{key}");
                for (at, piece) in pieces.iter().enumerate() {
                    assert_eq!(piece.number, i32::try_from(at).unwrap() + 1, "{key}");
                    let is_last = at + 1 == pieces.len();
                    assert_eq!(is_last, piece.kind != PieceKind::Part, "{key}");
                    assert!(is_last || piece.bytes.len() >= LEAST_PART, "{key}: S3 refuses a part this small");
                }
            }
            let bytes: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            assert_eq!(bytes, buffers * rows * 100 + files.len() * 2);
        }
    }

    #[test]
    fn the_same_rows_make_the_same_pieces() {
        assert_eq!(pieces(2 << 20, 5, 12_000), pieces(2 << 20, 5, 12_000));
    }

    #[test]
    fn a_sink_that_takes_no_more_is_not_asked_again() {
        struct Full(u32);
        impl Sink for Full {
            fn take(&mut self, _: Piece) -> bool {
                self.0 += 1;
                false
            }
        }
        let mut all = Buffers::new(1 << 20, Full(0));
        let number = all.add("0-".to_owned(), b"h\n");
        (0..30_000).for_each(|_| all.push(number, 100, |text| text.extend_from_slice(&[b'x'; 100])));
        all.finish();
        assert_eq!((all.is_open(), all.into_sink().0), (false, 1));
    }
}
