//! The files below a table's or a partition's location, cut into ranges that streams take from one queue.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::chunks::{Chunks, Compression};
use super::format::TextFormat;
use crate::engine::ScanMeter;
use crate::lake::{Lake, S3Uri};
use crate::{Error, Result};

/// Bytes of one range, at most and at least: more than a block, few enough that the last ranges end at about the same
/// time.
const LARGEST_RANGE: u64 = 4 << 20;
const SMALLEST_RANGE: u64 = 1 << 20;

/// A scan is cut into at least this many ranges, if they are not too small.
const RANGES: u64 = 16;

/// One file of text.
#[derive(Debug, Clone)]
pub(super) struct TextFile {
    pub(super) uri: S3Uri,
    pub(super) size: u64,
    modified: SystemTime,
    pub(super) compression: Compression,
    pub(super) format: Arc<TextFormat>,
    /// Which of the scan's partitions it belongs to.
    pub(super) partition: usize,
}

/// Part of a file: the lines that begin in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) file: usize,
    start: u64,
    end: u64,
}

/// Ranges, each to be taken by one stream.
#[derive(Debug)]
pub(super) struct Queue {
    ranges: Vec<Range>,
    next: AtomicUsize,
}

impl Queue {
    pub(super) fn new(ranges: Vec<Range>) -> Self {
        Self { ranges, next: AtomicUsize::new(0) }
    }

    /// The next range that nobody has taken.
    pub(super) fn take(&self) -> Option<Range> {
        self.ranges.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

/// The files below `location`, in folders of any depth. As in Hive, names that begin with `_` or `.` are hidden, and so
/// is what lies in a folder with such a name.
///
/// # Errors
/// Those of the lake; [`Error::Unsupported`] for a compression that is not.
pub(super) fn list(
    lake: &Lake,
    location: &str,
    format: &Arc<TextFormat>,
    partition: usize,
    files: &mut Vec<TextFile>,
) -> Result<()> {
    let mut root = S3Uri::parse(location)?;
    if !root.key.is_empty() && !root.key.ends_with('/') {
        root.key.push('/');
    }
    for entry in lake.list(&root.bucket, &root.key)? {
        let name = entry.key.strip_prefix(&root.key).unwrap_or(&entry.key);
        if entry.size == 0 || name.split('/').any(|part| part.starts_with(['_', '.'])) {
            continue;
        }
        let uri = S3Uri { bucket: root.bucket.clone(), key: entry.key };
        files.push(TextFile {
            compression: compression(&uri)?,
            uri,
            size: entry.size,
            modified: entry.modified,
            format: Arc::clone(format),
            partition,
        });
    }
    Ok(())
}

/// Hive tells a codec by the end of the name.
fn compression(uri: &S3Uri) -> Result<Compression> {
    match uri.key.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("gz") => Ok(Compression::Gzip),
        Some(suffix @ ("bz2" | "deflate" | "lz4" | "lzo" | "snappy" | "zst")) => {
            Err(Error::unsupported(format!("text compressed as .{suffix} ({uri})")))
        }
        _ => Ok(Compression::None),
    }
}

/// Cuts files into ranges. A compressed file is one; so is a file that begins with several header lines, since only its
/// first range knows about them.
pub(super) fn ranges(files: &[TextFile]) -> Vec<Range> {
    let all: u64 = files.iter().map(|file| file.size).sum();
    let range = (all / RANGES).clamp(SMALLEST_RANGE, LARGEST_RANGE);
    let mut ranges = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let whole = file.compression != Compression::None || file.format.header_lines > 1;
        let count = if whole { 1 } else { file.size.div_ceil(range) };
        let cut = |part: u64| {
            u64::try_from(u128::from(file.size) * u128::from(part) / u128::from(count)).unwrap_or(file.size)
        };
        ranges.extend((0..count).map(|part| Range { file: at, start: cut(part), end: cut(part + 1) }));
    }
    ranges
}

impl TextFile {
    /// Opens one range of the file.
    ///
    /// # Errors
    /// Those of the lake; `HIVE_CURSOR_ERROR` if the file is not the one that was listed.
    pub(super) fn open(
        &self,
        lake: &Lake,
        range: Range,
        buffer: Vec<u8>,
        meter: Option<Arc<ScanMeter>>,
    ) -> Result<Chunks> {
        let file = self.open_file(lake)?;
        let header_lines = self.format.header_lines;
        match self.compression {
            Compression::Gzip => Ok(Chunks::of_gzip(file, header_lines, buffer, meter)),
            Compression::None => {
                Chunks::of_range(file, (range.start, range.end, self.size), header_lines, buffer, meter)
                    .map_err(|error| self.unreadable(&error))
            }
        }
    }

    /// The whole file as one range.
    pub(super) fn whole(&self) -> Range {
        Range { file: 0, start: 0, end: self.size }
    }

    /// A reading error, as Trino names it. A damaged archive is bad data.
    pub(super) fn unreadable(&self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                Error::user("HIVE_BAD_DATA", 1001, format!("{}: {error}", self.uri))
            }
            _ => Error::user("HIVE_CURSOR_ERROR", 1001, format!("Failed to read file at {}: {error}", self.uri)),
        }
    }

    fn open_file(&self, lake: &Lake) -> Result<File> {
        let file = lake.open_object(&self.uri)?;
        let metadata = file.metadata().map_err(|error| self.unreadable(&error))?;
        let modified = metadata.modified().map_err(|error| self.unreadable(&error))?;
        if metadata.len() != self.size || modified != self.modified {
            let message = format!("{} was changed while the query ran", self.uri);
            return Err(Error::user("HIVE_CURSOR_ERROR", 1001, message));
        }
        Ok(file)
    }
}
