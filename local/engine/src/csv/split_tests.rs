//! Tests of the line splitter: quotes, escapes, missing and surplus fields.

use super::*;

const COMMA: Serde = Serde::OpenCsv { separator: b',', quote: b'"', escape: b'\\' };

fn delimited(escape: Option<u8>) -> Serde {
    Serde::Delimited { separator: b',', escape, null: b"\\N".to_vec(), last_takes_rest: false }
}

/// The first three fields of each line; `∅` is NULL.
fn fields(serde: &Serde, block: &str) -> Vec<String> {
    wanted_fields(serde, block, &[0, 1, 2])
}

fn wanted_fields(serde: &Serde, block: &str, ordinals: &[usize]) -> Vec<String> {
    let wanted = ordinals.iter().map(|&ordinal| Wanted { ordinal, unescape: true }).collect();
    let mut rows = Rows::default();
    Splitter::new(serde.clone(), wanted, 3).split(block.as_bytes(), &mut rows);
    let mut text = block.as_bytes().to_vec();
    text.extend_from_slice(&rows.unescaped);
    let text_of = |span: &Span| String::from_utf8(text[span.range()].to_vec()).unwrap();
    let value = |span: &Span| if span.is_null() { "∅".to_owned() } else { text_of(span) };
    let row = |row| rows.fields.iter().map(|field| value(&field[row])).collect::<Vec<_>>().join("|");
    (0..rows.count).map(row).collect()
}

#[test]
fn open_csv_lines() {
    let cases = [
        ("a,b,c", "a|b|c"),
        ("a,b", "a|b|∅"),
        ("a,b,", "a|b|"),
        (",,", "||"),
        ("a,b,c,d", "a|b|c"),
        ("\"a,b\",c", "a,b|c|∅"),
        ("\"a\"\"b\",c", "a\"b|c|∅"),
        ("\"a\\\"b\",c", "a\"b|c|∅"),
        ("\"a\\\\b\",c", "a\\b|c|∅"),
        ("\"\",\"\"", "||∅"),
        // An escape before another character is dropped; so is one outside a value.
        ("\"a\\nb\",c", "anb|c|∅"),
        ("a\\nb,c", "anb|c|∅"),
        ("\\\"a\",c", "a|c|∅"),
        // A quote inside an unquoted value stays; it also begins quoting.
        ("abc\"d\"e,f", "abc\"d\"e|f|∅"),
        ("x,12\" disk,z", "x|∅|∅"),
        // Blanks before a quote are dropped.
        ("abc,  \"d,e\",f", "abc|d,e|f"),
        // An unterminated quote loses the rest.
        ("a,\"b,c", "a|∅|∅"),
        ("é,\"ü,ß\",日本", "é|ü,ß|日本"),
    ];
    for (line, expected) in cases {
        assert_eq!(fields(&COMMA, line), [expected], "{line}");
        // The same among other lines, and with other line ends.
        let expected: Vec<_> = ["p|q|r", expected, "s|∅|∅"].map(str::to_owned).to_vec();
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(fields(&COMMA, &["p,q,r", line, "s"].join(end)), expected, "{line} with {end:?}");
        }
    }
}

#[test]
fn an_empty_line_is_a_row() {
    assert_eq!(fields(&COMMA, "\na,b,c\n\n"), ["∅|∅|∅", "a|b|c", "∅|∅|∅"]);
    assert_eq!(fields(&COMMA, "\"a\"\n\n"), ["a|∅|∅", "∅|∅|∅"]);
    assert_eq!(fields(&delimited(None), "\na,b,c\n"), ["|∅|∅", "a|b|c"]);
    assert_eq!(fields(&delimited(Some(b'\\')), "\na\\,,b,c\r\n\r\n"), ["|∅|∅", "a,|b|c", "|∅|∅"]);
}

#[test]
fn delimited_lines() {
    let plain = delimited(None);
    assert_eq!(fields(&plain, "\"a,b\",c\n\\N,x\n"), ["\"a|b\"|c", "∅|x|∅"]);
    assert_eq!(fields(&plain, "a,\\N,c,d\r\n"), ["a|∅|c"]);
    let escaped = delimited(Some(b'\\'));
    assert_eq!(fields(&escaped, "a\\,b,c\\\\d,\\N\n"), ["a,b|c\\d|∅"]);
    assert_eq!(fields(&escaped, "a,b,c\\"), ["a|b|c\\"]);
}

#[test]
fn the_last_column_may_take_the_rest() {
    let serde = Serde::Delimited { separator: b',', escape: None, null: Vec::new(), last_takes_rest: true };
    assert_eq!(fields(&serde, "a,b,c,d\n,b\n"), ["a|b|c,d", "∅|b|∅"]);
}

#[test]
fn only_wanted_fields() {
    for block in ["a,b,c\nd\n,,f", "a,b,\"c\"\nd\n,,f", "a,b,c\r\nd\r\n,,f"] {
        assert_eq!(wanted_fields(&COMMA, block, &[2]), ["c", "∅", "f"]);
        assert_eq!(wanted_fields(&COMMA, block, &[0, 2]), ["a|c", "d|∅", "|f"]);
        assert_eq!(wanted_fields(&COMMA, block, &[]), ["", "", ""]);
    }
}

/// The short way and the long way agree on text that both can take.
#[test]
fn ways_agree() {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..2000 {
        let length = random(60);
        let block: String = (0..length).map(|_| ["a", "bc", "é", ",", ",", "\n"][random(6)]).collect();
        for serde in [COMMA, delimited(None), delimited(Some(b'\\'))] {
            let wanted = vec![Wanted { ordinal: 0, unescape: true }, Wanted { ordinal: 2, unescape: true }];
            let splitter = Splitter::new(serde.clone(), wanted, 3);
            let (mut short, mut long) = (Rows::default(), Rows::default());
            splitter.split(block.as_bytes(), &mut short);
            long.fields.resize_with(2, Vec::new);
            splitter.split_lines(block.as_bytes(), &mut long);
            assert_eq!((short.count, &short.fields), (long.count, &long.fields), "{serde:?} {block:?}");
            assert_eq!(short.count, count_lines(block.as_bytes()));
            // Nor do quotes and escapes make a difference, wherever they are.
            let odd: String = block.chars().map(|c| if random(8) == 0 { ['"', '\\'][random(2)] } else { c }).collect();
            splitter.split(odd.as_bytes(), &mut short);
            long = Rows { fields: vec![Vec::new(); 2], ..Rows::default() };
            splitter.split_lines(odd.as_bytes(), &mut long);
            assert_eq!((short.count, &short.fields), (long.count, &long.fields), "{serde:?} {odd:?}");
            assert_eq!(short.unescaped, long.unescaped);
            // Quoting every field changes nothing.
            if matches!(serde, Serde::OpenCsv { .. }) && !block.is_empty() {
                let quoted: Vec<String> =
                    block.strip_suffix('\n').unwrap_or(&block).split('\n').map(quote_all).collect();
                assert_eq!(fields(&COMMA, &block), fields(&COMMA, &(quoted.join("\n") + "\n")), "{block:?}");
            }
        }
    }
}

fn quote_all(line: &str) -> String {
    if line.is_empty() {
        return String::new();
    }
    line.split(',').map(|field| format!("\"{field}\"")).collect::<Vec<_>>().join(",")
}
