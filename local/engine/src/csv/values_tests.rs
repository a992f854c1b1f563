//! Tests of typed values: what Hive reads from a text, and what it cannot.

use arrow::util::display::array_value_to_string;

use super::*;

/// Each value as Arrow prints it; `∅` is NULL.
fn convert(type_text: &str, conversion: Conversion, values: &[&str]) -> Result<Vec<String>, BadValue> {
    let field_type = FieldType::parse(type_text).unwrap();
    let block = values.concat();
    let mut start = 0;
    let spans: Vec<Span> = values
        .iter()
        .map(|value| {
            start += value.len();
            Span::new(start - value.len(), start)
        })
        .collect();
    let array = column(field_type, conversion, &spans, Text { block: &block, unescaped: "" })?;
    assert_eq!(array.data_type(), &field_type.arrow());
    let print = |row| if array.is_null(row) { "∅".to_owned() } else { array_value_to_string(&array, row).unwrap() };
    Ok((0..array.len()).map(print).collect())
}

fn lazy(type_text: &str, values: &[&str]) -> Vec<String> {
    convert(type_text, Conversion::Lazy, values).unwrap()
}

#[test]
fn lazy_values() {
    assert_eq!(
        lazy("string", &["", "a", "a longer text than a view holds"]),
        ["", "a", "a longer text than a view holds"]
    );
    assert_eq!(lazy("varchar(2)", &["", "ab", "äöü"]), ["", "ab", "äö"]);
    assert_eq!(lazy("int", &["1", "-2", "+3", "1.9", "x", "", "2147483648"]), ["1", "-2", "3", "1", "∅", "∅", "∅"]);
    assert_eq!(
        lazy("bigint", &["9223372036854775807", "9223372036854775808", ".5"]),
        ["9223372036854775807", "∅", "0"]
    );
    assert_eq!(lazy("tinyint", &["127", "128"]), ["127", "∅"]);
    assert_eq!(lazy("boolean", &["TRUE", "false", "1"]), ["true", "false", "∅"]);
    assert_eq!(
        lazy("double", &["1.5", " 2e3 ", "3d", "inf", "-Infinity", ""]),
        ["1.5", "2000.0", "3.0", "∅", "-inf", "∅"]
    );
    assert_eq!(
        lazy("date", &["2026-01-31", "2026-1-1", "1969-12-31 x", "31.1.2026"]),
        ["2026-01-31", "2026-01-01", "1969-12-31", "∅"]
    );
    assert_eq!(lazy("date", &["2024-02-29", "2026-02-30", "0001-01-01"]), ["2024-02-29", "2026-03-02", "0001-01-01"]);
    assert_eq!(
        lazy("timestamp", &["2026-01-31 23:59:59", "2026-01-31T01:02:03.4567", "2026-01-31", "2026-01-31 1", "1"]),
        ["2026-01-31T23:59:59", "2026-01-31T01:02:03.457", "2026-01-31T00:00:00", "∅", "∅"]
    );
    assert_eq!(
        lazy("decimal(5,2)", &["1", "-1.5", "999.994", "999.995", "1e2", "x", "1.", ".5", "0.005"]),
        ["1.00", "-1.50", "999.99", "∅", "100.00", "∅", "1.00", "0.50", "0.01"]
    );
}

#[test]
fn open_csv_values() {
    let strict = Conversion::Open { null_for_invalid: false };
    let bad = |row, text: &str| Err(BadValue { row, text: text.to_owned() });
    assert_eq!(convert("int", strict, &["1", "x"]), bad(1, "x"));
    assert_eq!(convert("int", strict, &["", "1"]), bad(0, ""));
    assert_eq!(convert("bigint", strict, &["1.5"]), bad(0, "1.5"));
    assert_eq!(convert("date", strict, &["18276"]).unwrap(), ["2020-01-15"]);
    assert_eq!(convert("timestamp", strict, &["1579059880000"]).unwrap(), ["2020-01-15T03:44:40"]);
    assert_eq!(convert("int", Conversion::Open { null_for_invalid: true }, &["1", "x"]).unwrap(), ["1", "∅"]);
}

#[test]
fn days_agree_with_a_calendar() {
    let mut day = chrono::NaiveDate::from_ymd_opt(1890, 1, 1).unwrap();
    let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    while day < chrono::NaiveDate::from_ymd_opt(2110, 1, 1).unwrap() {
        assert_eq!(date(&day.to_string(), false).map(i64::from), Some((day - epoch).num_days()), "{day}");
        day = day.succ_opt().unwrap();
    }
}
