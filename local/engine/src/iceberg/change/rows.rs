//! [`Rows`]: which rows of a table a statement has found, and what it does with them.
//!
//! A file is read in pieces, each from its first row to its last. A row's address is the number of its piece and its own
//! number in it, after the deletes of other writers: both readings of a piece count alike.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::iceberg::scan::FileScanTask;

use crate::error::SEMANTIC;
use crate::{Error, Result};

/// Bits of an address that count rows; those above count pieces.
const ROW_BITS: u32 = 40;

/// The pieces of a table that a statement reads, and the rows that it has found in them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pieces: Vec<Piece>,
    numbers: HashMap<(String, u64), usize>,
    /// Rows that were deleted, updated or inserted.
    changed: u64,
}

#[derive(Debug)]
struct Piece {
    task: FileScanTask,
    /// Rows that go.
    gone: Bits,
    /// Rows that were found and stay.
    seen: Bits,
}

/// The files that lose rows.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Their addresses.
    pub(super) files: HashSet<String>,
    /// The pieces of those that have rows left, by number.
    pub(super) rewritten: Vec<(usize, FileScanTask)>,
}

impl Rows {
    /// The number of a piece, the same one whenever it is asked for.
    pub(super) fn number(&self, task: &FileScanTask) -> usize {
        let mut state = self.lock();
        let State { pieces, numbers, .. } = &mut *state;
        *numbers.entry((task.data_file_path.clone(), task.start)).or_insert_with(|| {
            pieces.push(Piece { task: task.clone(), gone: Bits::default(), seen: Bits::default() });
            pieces.len() - 1
        })
    }

    /// Notes what happens to rows: an address, and whether that row goes. With `once`, a row may be noted only once.
    ///
    /// # Errors
    /// `MERGE_TARGET_ROW_MULTIPLE_MATCHES`.
    pub(super) fn note(&self, found: impl Iterator<Item = (i64, bool)>, once: bool) -> Result<()> {
        let mut state = self.lock();
        for (address, goes) in found {
            let (piece, row) = split(address);
            let Some(piece) = state.pieces.get_mut(piece) else { continue };
            let new = if goes { piece.gone.set(row) } else { piece.seen.set(row) };
            if once && !new {
                let message = "One MERGE target table row matched more than one source row";
                return Err(Error::user("MERGE_TARGET_ROW_MULTIPLE_MATCHES", SEMANTIC, message));
            }
            state.changed += u64::from(goes && new);
        }
        Ok(())
    }

    /// Counts rows that come and replace none.
    pub(super) fn inserted(&self, rows: u64) {
        self.lock().changed += rows;
    }

    /// Rows that were deleted, updated or inserted.
    pub(super) fn changed(&self) -> u64 {
        self.lock().changed
    }

    /// The files that lose rows. A file that loses all of them need not be read again.
    pub(super) fn affected(&self) -> Affected {
        let state = self.lock();
        let hit = state.pieces.iter().filter(|piece| piece.gone.count > 0);
        let files: HashSet<String> = hit.map(|piece| piece.task.data_file_path.clone()).collect();
        let left = |(_, piece): &(usize, &Piece)| files.contains(&piece.task.data_file_path) && !piece.is_gone();
        let rewritten = state.pieces.iter().enumerate().filter(left);
        let rewritten = rewritten.map(|(number, piece)| (number, piece.task.clone())).collect();
        Affected { files, rewritten }
    }

    /// The files that were asked for, whole.
    pub(super) fn whole_files(&self) -> Vec<FileScanTask> {
        let state = self.lock();
        let first = state.pieces.iter().filter(|piece| piece.task.start == 0);
        let whole = |piece: &Piece| FileScanTask {
            length: piece.task.file_size_in_bytes,
            record_count: None,
            ..piece.task.clone()
        };
        first.map(whole).collect()
    }

    /// Whether rows of a piece stay: `count` of them from `first` on.
    pub(super) fn staying(&self, piece: usize, first: usize, count: usize) -> Vec<bool> {
        let state = self.lock();
        let gone = state.pieces.get(piece).map(|piece| &piece.gone);
        (first..first + count).map(|row| !gone.is_some_and(|gone| gone.has(row))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Piece {
    /// Whether no row is left, as far as that is known without reading: of whole files without deletes.
    fn is_gone(&self) -> bool {
        let whole = self.task.length == self.task.file_size_in_bytes && self.task.deletes.is_empty();
        whole && self.task.record_count == Some(self.gone.count)
    }
}

/// The addresses of `count` rows of a piece from `first` on.
pub(super) fn addresses(piece: usize, first: usize, count: usize) -> impl Iterator<Item = i64> {
    let base = (piece as u64) << ROW_BITS;
    (first..first + count).map(move |row| (base | row as u64).cast_signed())
}

fn split(address: i64) -> (usize, usize) {
    let address = address.cast_unsigned();
    let row = address & ((1 << ROW_BITS) - 1);
    (super::super::statistics::number(address >> ROW_BITS), super::super::statistics::number(row))
}

/// A set of row numbers.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    /// `false` if it was set before.
    fn set(&mut self, row: usize) -> bool {
        let (word, bit) = (row / 64, 1 << (row % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u64::from(new);
        new
    }

    fn has(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_row() {
        let found: Vec<_> = addresses(3, 5, 2).map(split).collect();
        assert_eq!(found, [(3, 5), (3, 6)]);
    }

    #[test]
    fn a_set_of_rows_counts_each_once() {
        let mut bits = Bits::default();
        assert!(bits.set(0) && bits.set(200) && !bits.set(200));
        assert_eq!((bits.count, bits.has(200), bits.has(199), bits.has(100_000)), (2, true, false, false));
    }
}
