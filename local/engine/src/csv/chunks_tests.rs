//! Tests of the chunk reader: lines stay whole wherever a chunk ends.

use std::io::Write;

use super::*;

fn texts(mut chunks: Chunks) -> String {
    let mut all = String::new();
    while let Some(block) = chunks.advance().unwrap() {
        all.push_str(std::str::from_utf8(block.text).unwrap());
    }
    all
}

fn file(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

/// Wherever a file is cut, its ranges together give each line once.
#[test]
fn ranges_share_the_lines() {
    for text in
        ["h\na\nbb\n\nccc\r\ndddd", "h\r\na\r\n\r\nb\r\n", "h\n", "h", "\n\n\n", "h\nlong line without end", "h\ra\rb"]
    {
        let file = file(text.as_bytes());
        let size = text.len() as u64;
        for first in 0..=size {
            for second in first..=size {
                let cuts = [0, first, second, size];
                let read = |pair: &[u64]| {
                    Chunks::of_range(file.reopen().unwrap(), (pair[0], pair[1], size), 0, Vec::new(), None).unwrap()
                };
                let parts: Vec<String> = cuts.windows(2).map(|pair| texts(read(pair))).collect();
                assert_eq!(parts.concat(), text, "{cuts:?}");
            }
        }
    }
}

#[test]
fn the_meter_counts_each_byte_once() {
    let text = "some,line\n".repeat(1000);
    let file = file(text.as_bytes());
    let meter = Arc::new(ScanMeter::default());
    let size = text.len() as u64;
    for range in [(0, 4321, size), (4321, 4325, size), (4325, size, size)] {
        texts(Chunks::of_range(file.reopen().unwrap(), range, 0, Vec::new(), Some(Arc::clone(&meter))).unwrap());
    }
    assert_eq!(meter.bytes(), size);
}

#[test]
fn header_and_mark_are_skipped_once() {
    let read = |text: &'static str, lines| texts(Chunks::of_reader(Box::new(text.as_bytes()), lines));
    assert_eq!(read("\u{feff}a,b\n1,2\n", 1), "1,2\n");
    assert_eq!(read("a\r\nb\r\nc", 2), "c");
    assert_eq!(read("a", 1), "");
    assert_eq!(read("", 1), "");
    assert_eq!(read("a\rb\r", 1), "b\r");
}

#[test]
fn long_lines_and_many_blocks() {
    let long = "x".repeat(3 * BLOCK) + "\n";
    let text = format!("{long}a\n{long}{}", "b,c\n".repeat(BLOCK / 2));
    let file = file(text.as_bytes());
    let size = text.len() as u64;
    assert_eq!(texts(Chunks::of_range(file.reopen().unwrap(), (0, size, size), 0, Vec::new(), None).unwrap()), text);
}

#[test]
fn archives_of_several_members() {
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let bytes = [packed("head\n1\n2"), packed("3\n4\n")].concat();
    let file = file(&bytes);
    let meter = Arc::new(ScanMeter::default());
    assert_eq!(texts(Chunks::of_gzip(file.reopen().unwrap(), 1, Vec::new(), Some(Arc::clone(&meter)))), "1\n23\n4\n");
    assert_eq!(meter.bytes(), bytes.len() as u64);
    assert_eq!(line_number(file.path(), Compression::Gzip, 7).unwrap(), 3);
}

#[test]
fn line_numbers() {
    let file = file(b"a\nbb\r\n\nc");
    let numbers: Vec<_> = (0..8).map(|at| line_number(file.path(), Compression::None, at).unwrap()).collect();
    assert_eq!(numbers, [1, 1, 2, 2, 2, 3, 3, 4]);
}
