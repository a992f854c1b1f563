//! The splitter against the crate `csv`, and against rules of its own.

use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

use super::*;

/// A row's line and its values.
type Values = (u64, Result<Vec<Vec<u8>>, Fault>);

#[derive(Debug, Default, PartialEq)]
struct Rows(Vec<Values>);

impl Visit for Rows {
    fn row(&mut self, row: Row<'_>) {
        let value = |field: &Field| row.value(*field, &mut Vec::new()).to_vec();
        assert!(!row.plain || !row.text.iter().any(|byte| b"\"\\\r".contains(byte)), "{row:?}");
        assert_eq!(row.utf8, std::str::from_utf8(row.text).is_ok(), "{row:?}");
        self.0.push((row.line, row.fields.map(|fields| fields.iter().map(value).collect())));
    }
}

/// The rows of `text`, which arrives in pieces of `size`.
fn split(text: &[u8], size: usize) -> (Rows, Result<u64, OpenQuote>) {
    let (mut reader, mut rows) = (Reader::default(), Rows::default());
    text.chunks(size).for_each(|piece| reader.push(piece, &mut rows));
    let end = reader.finish(&mut rows);
    (rows, end)
}

fn fields(text: &str) -> Vec<Result<Vec<String>, Fault>> {
    let (rows, end) = split(text.as_bytes(), text.len().max(1));
    end.unwrap();
    let strings = |row: Vec<Vec<u8>>| row.into_iter().map(|field| String::from_utf8(field).unwrap()).collect();
    rows.0.into_iter().map(|(_, row)| row.map(strings)).collect()
}

#[test]
fn quotes_line_ends_and_backslashes_are_read_by_the_book() {
    let row = |fields: &[&str]| Ok(fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
    for (text, expected) in [
        ("", vec![]),
        ("\n\r\n\n", vec![]),
        ("a", vec![row(&["a"])]),
        ("a,b\r\nc,d", vec![row(&["a", "b"]), row(&["c", "d"])]),
        ("a,\n", vec![row(&["a", ""])]),
        (",", vec![row(&["", ""])]),
        ("\"a,b\",c\n", vec![row(&["a,b", "c"])]),
        ("\"a\r\nb\",c\r\n", vec![row(&["a\r\nb", "c"])]),
        ("\"a\"\"b\",\"\"\n", vec![row(&["a\"b", ""])]),
        ("\"\"\"\"\n", vec![row(&["\""])]),
        ("a\\,b\\\n", vec![row(&["a\\", "b\\"])]),
        ("5\" disk,x\n", vec![row(&["5\" disk", "x"])]),
        ("\"a\" ,b\nc,d\n", vec![Err(Fault::StrayQuote), row(&["c", "d"])]),
        ("\"a\"b\"c\",d\n", vec![Err(Fault::StrayQuote)]),
        ("a\rb,c\r", vec![row(&["a\rb", "c"])]),
    ] {
        assert_eq!(fields(text), expected, "{text:?}");
    }
}

#[test]
fn lines_are_counted_whatever_a_row_holds() {
    let text = b"h\n\n\"a\nb\"\n\"c\n\n\"\nd";
    for size in 1..=text.len() {
        let (rows, end) = split(text, size);
        let lines: Vec<_> = rows.0.iter().map(|(line, _)| *line).collect();
        assert_eq!((lines, end), (vec![1, 3, 5, 8], Ok(1)), "in pieces of {size}");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_its_line() {
    for text in [&b"h\na,\"b\nc,d\n"[..], b"h\n\"", b"h\nx,\"\"\""] {
        for size in 1..=text.len() {
            let (rows, end) = split(text, size);
            assert_eq!((rows.0.len(), end.unwrap_err().line), (1, 2), "{text:?} in pieces of {size}");
        }
    }
}

#[test]
fn rows_that_are_too_long_are_passed_over() {
    let long = "x".repeat(3 * MAX_ROW);
    let quoted = ["\"", &"y\n\"\"".repeat(MAX_ROW), "\",z"].concat();
    for (row, next) in [(&long, 3), (&quoted, 3 + MAX_ROW as u64)] {
        let text = ["h\n", row, "\na,b\n"].concat();
        for size in [1000, 1 << 16, text.len()] {
            let (rows, end) = split(text.as_bytes(), size);
            let expected = Ok(vec![b"a".to_vec(), b"b".to_vec()]);
            assert_eq!(rows.0[1..], [(2, Err(Fault::TooLong)), (next, expected)], "in pieces of {size}");
            assert_eq!(end, Ok(0));
        }
    }
}

#[test]
fn a_long_row_whose_quote_is_never_closed_is_told_too() {
    let text = ["h\na,\"", &"y\n".repeat(MAX_ROW)].concat();
    let (rows, end) = split(text.as_bytes(), 1 << 16);
    let open = end.unwrap_err();
    assert_eq!((rows.0.len(), open.line, open.text.len()), (1, 2, BROKEN_TEXT));
}

#[test]
fn bytes_that_are_not_utf8_mark_their_row_alone() {
    struct Valid(Vec<bool>);
    impl Visit for Valid {
        fn row(&mut self, row: Row<'_>) {
            self.0.push(row.utf8);
        }
    }
    let (mut reader, mut rows) = (Reader::default(), Valid(Vec::new()));
    reader.push("é\n\"é\"\n".as_bytes(), &mut rows);
    reader.push(b"a\xFFb\n\"\xFF\"\nfine\n\xC3", &mut rows);
    reader.finish(&mut rows).unwrap();
    assert_eq!(rows.0, [true, true, false, false, true, false]);
}

/// Random text of what matters to a splitter, read in random pieces, as the crate `csv` reads it. It is more lenient
/// than we are about text behind a closing quote, and about a quote that is never closed, so such text is left out.
#[test]
fn the_csv_crate_agrees() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let alphabet = [b'a', b',', b'\n', b'"', b'\\', b'\r', b' ', 0xC3];
    let mut compared = 0;
    for _ in 0..60_000 {
        let length = random.random_range(0..40);
        let mut text: Vec<u8> = (0..length).map(|_| alphabet[random.random_range(0..alphabet.len())]).collect();
        // A lone carriage return ends a row for `csv`, and is text for us.
        while let Some(at) = (0..text.len()).find(|&at| text[at] == b'\r' && text.get(at + 1) != Some(&b'\n')) {
            text.remove(at);
        }
        let (rows, end) = split(&text, random.random_range(1..=length.max(1)));
        if end.is_err() || rows.0.iter().any(|(_, row)| row.is_err()) {
            continue;
        }
        let mut oracle = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*text);
        let expected: Vec<Vec<Vec<u8>>> =
            oracle.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect();
        let found: Vec<_> = rows.0.into_iter().filter_map(|(_, row)| row.ok()).collect();
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&text));
        compared += 1;
    }
    assert!(compared > 20_000, "only {compared} texts could be compared");
}
