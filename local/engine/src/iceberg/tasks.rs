//! The files of a scan over its parallel streams.

use ::iceberg::scan::FileScanTask;

use super::statistics::number;

/// A file of two times this is read by several streams, row group by row group. (Tests want such files to be small.)
const SPLIT_BYTES: u64 = if cfg!(test) { 1 << 20 } else { 32 << 20 };

/// Files over streams, the largest first, each to the stream that has least; large files are cut.
pub(super) fn spread(tasks: Vec<FileScanTask>, streams: usize) -> Vec<Vec<FileScanTask>> {
    let mut pieces: Vec<FileScanTask> = tasks.into_iter().flat_map(|task| cut(task, streams)).collect();
    pieces.sort_by_key(|task| std::cmp::Reverse(task.length));
    let mut groups: Vec<(u64, Vec<FileScanTask>)> = vec![(0, Vec::new()); streams.min(pieces.len()).max(1)];
    for piece in pieces {
        if let Some(least) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            least.0 += piece.length;
            least.1.push(piece);
        }
    }
    groups.into_iter().map(|(_, tasks)| tasks).collect()
}

fn cut(task: FileScanTask, streams: usize) -> Vec<FileScanTask> {
    let pieces = (task.length / SPLIT_BYTES).clamp(1, streams as u64);
    if pieces == 1 {
        return vec![task];
    }
    let bounds = |piece: u64| task.start + task.length * piece / pieces;
    let rows = task.record_count.map(|rows| rows / pieces);
    (0..pieces)
        .map(|piece| FileScanTask {
            start: bounds(piece),
            length: bounds(piece + 1) - bounds(piece),
            record_count: rows,
            ..task.clone()
        })
        .collect()
}

/// Rows that are at most in these files.
pub(super) fn rows(tasks: &[FileScanTask]) -> usize {
    tasks.iter().map(|task| number(task.record_count.unwrap_or(0))).sum()
}

/// Bytes of these files.
pub(super) fn bytes(tasks: &[FileScanTask]) -> usize {
    tasks.iter().map(|task| number(task.length)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::iceberg::spec::{DataFileFormat, Schema};

    use super::*;

    fn file(path: &str, length: u64) -> FileScanTask {
        FileScanTask::builder()
            .with_file_size_in_bytes(length)
            .with_start(0)
            .with_length(length)
            .with_record_count(Some(length / 10))
            .with_data_file_path(path.to_owned())
            .with_data_file_format(DataFileFormat::Parquet)
            .with_schema(Arc::new(Schema::builder().build().unwrap()))
            .with_project_field_ids(Vec::new())
            .with_case_sensitive(true)
            .build()
    }

    #[test]
    fn small_files_are_shared_out_evenly_and_whole() {
        let groups = spread((1..=6).map(|n| file(&n.to_string(), n * 1000)).collect(), 2);
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 6);
        assert!(groups.iter().all(|group| bytes(group).abs_diff(10_500) <= 1000), "{groups:?}");
        assert_eq!(spread(vec![file("one", 5)], 8).len(), 1);
        assert_eq!(spread(Vec::new(), 8), vec![Vec::new()]);
    }

    #[test]
    fn a_large_file_is_cut_into_pieces_that_cover_it_once() {
        let length = 3 * SPLIT_BYTES + 17;
        let mut pieces: Vec<_> = spread(vec![file("large", length)], 2).into_iter().flatten().collect();
        pieces.sort_by_key(|piece| piece.start);
        assert_eq!(pieces.len(), 2);
        let mut end = 0;
        for piece in pieces {
            assert_eq!(piece.start, end);
            end += piece.length;
        }
        assert_eq!(end, length);
    }
}
