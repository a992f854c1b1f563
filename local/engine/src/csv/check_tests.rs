//! Tests of the checker: what it accepts, and the line, field and reason that it names for what it refuses.

use super::*;

const HEADER: [&str; 3] = ["id", "name", "url"];

fn problem(text: &[u8]) -> String {
    check(io::Cursor::new(text.to_vec()), &HEADER).unwrap_err().to_string()
}

#[test]
fn sound_files() {
    for (text, rows) in [
        ("id,name,url\n1,a,b\n", 1),
        ("\u{feff}id,name,url\r\n1,\"a,b\",\"c\"\"d\"\r\n2,,é", 2),
        ("\"id\",\"name\",\"url\"\n1,a,\n", 1),
    ] {
        assert_eq!(check(text.as_bytes(), &HEADER).unwrap(), Checked { rows }, "{text}");
    }
    let large = "id,name,url\n".to_owned() + &"1,a,https://example.com/a\n".repeat(100_000);
    assert_eq!(check(io::Cursor::new(large), &HEADER).unwrap().rows, 100_000);
}

#[test]
fn each_problem_is_named() {
    for (text, expected) in [
        ("", "the file is empty: expected the header id,name,url"),
        ("id,name,url\n", "the file has a header and no rows"),
        ("id,name\n1,a\n", "line 1: missing column url: expected the header id,name,url, found id,name"),
        ("id,title,url\n", "line 1: column name is missing; is it the one named title?: expected"),
        ("id,url,name\n", "line 1: the columns are in another order"),
        ("id,name,url,more\n", "line 1: unknown column more"),
        ("id;name;url\n1;a;b\n", "line 1: the fields are separated by semicolons, not by commas"),
        ("1,a,b\n", "line 1: missing column id, name, url, unknown column 1, a, b"),
        ("id,name,url\n1,a,b\n2,a\n", "line 3, field url: the row has 2 of 3 fields"),
        ("id,name,url\n1;a;b\n", "line 2, field name: the row has 1 of 3 fields"),
        ("id,name,url\n1,a,b,c\n", "line 2, field 4: the row has more than 3 fields"),
        ("id,name,url\n1,a,b\n\n2,a,b\n", "line 3, field id: the line is empty"),
        ("id,name,url\n1,\"a\nb\",c\n", "line 2, field name: a quote is not closed on this line"),
    ] {
        let found = problem(text.as_bytes());
        assert!(found.starts_with(expected), "{text:?} gives {found:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_found() {
    let found = problem(b"id,name,url\n1,a,b\n2,M\xfcller,b\n");
    assert!(found.starts_with("line 3, field name: the text is not UTF-8"), "{found}");
    let found = problem(b"id,name,url\n\xff,a,b\n");
    assert!(found.starts_with("line 2, field id: the text is not UTF-8"), "{found}");
}

#[test]
fn lines_are_counted_across_blocks() {
    let text = "id,name,url\r\n".to_owned() + &"1,a,https://example.com/a\r\n".repeat(50_000) + "2,b\r\n";
    let found = problem(text.as_bytes());
    assert!(found.starts_with("line 50002, field url"), "{found}");
}

#[test]
fn damaged_archives_are_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv.gz");
    std::fs::write(&path, b"\x1f\x8b\x08\0garbage").unwrap();
    assert!(matches!(check_file(&path, &HEADER), Err(CsvProblem::Unreadable(_))));
    assert!(matches!(check_file(&folder.path().join("none.csv"), &HEADER), Err(CsvProblem::Unreadable(_))));
}
