//! How many rows a scan will give, guessed from the first block of its first file.

use super::chunks::Compression;
use super::field_type::FieldType;
use super::files::TextFile;
use super::format::{Serde, TextFormat};
use super::scan::{Output, Source};
use super::split::{Rows, Splitter, Wanted};
use crate::Result;

/// Text packs about this well.
const GZIP_RATIO: u64 = 5;

/// The width of a constant column's value in memory.
const CONSTANT: usize = 16;

/// What a scan will read and give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Of the files, exactly.
    pub(super) bytes: u64,
    /// About.
    pub(super) rows: usize,
    /// Bytes in memory of one value of each of the files' columns, about.
    widths: Vec<usize>,
}

impl Estimate {
    /// Reads the sample. It is not metered: the scan reads the same bytes again.
    pub(super) fn sample(source: &Source) -> Result<Self> {
        let bytes = source.files.iter().map(|file| file.size).sum();
        let text: u64 = source.files.iter().map(text_size).sum();
        let Some(first) = source.files.first() else {
            return Ok(Self { bytes, rows: 0, widths: vec![0; source.types.len()] });
        };
        let mut rows = Rows::default();
        let mut sampled = 0;
        let mut chunks = first.open(&source.lake, first.whole(), Vec::new(), None)?;
        if let Some(block) = chunks.advance().map_err(|error| first.unreadable(&error))? {
            all_columns(&first.format, &source.types).split(block.text, &mut rows);
            sampled = block.text.len() as u64;
        }
        let count = rows.count.max(1);
        let length = |column: usize| rows.fields[column].iter().map(|span| span.len()).sum::<usize>() / count;
        let widths = source.types.iter().enumerate();
        let widths = widths.map(|(at, field)| field.width(if sampled == 0 { 0 } else { length(at) })).collect();
        let rows = u128::from(text) * count as u128 / u128::from(sampled.max(1));
        Ok(Self { bytes, rows: usize::try_from(rows).unwrap_or(usize::MAX), widths })
    }

    /// Bytes in memory of one value of an output column, about.
    pub(super) fn width(&self, output: Output) -> usize {
        match output {
            Output::Field(field) => self.widths.get(field).copied().unwrap_or_default(),
            Output::Constant(_) => CONSTANT,
        }
    }
}

fn text_size(file: &TextFile) -> u64 {
    match file.compression {
        Compression::None => file.size,
        Compression::Gzip => file.size.saturating_mul(GZIP_RATIO),
    }
}

fn all_columns(format: &TextFormat, types: &[FieldType]) -> Splitter {
    let wanted = (0..types.len()).map(|ordinal| Wanted { ordinal, unescape: false }).collect();
    let serde: Serde = format.serde.clone();
    Splitter::new(serde, wanted, types.len())
}
