//! Every type of Athena's there and back, with NULL, and what statistics say of it.

use super::*;

#[tokio::test]
async fn every_type_comes_back_as_it_went_in() {
    let cloud = Cloud::new();
    let columns = [
        "bo boolean",
        "i int",
        "b bigint",
        "f float",
        "d double",
        "small decimal(9,2)",
        "middle decimal(18,4)",
        "big decimal(38,10)",
        "da date",
        "t timestamp",
        "s string",
        "y binary",
        "l array<string>",
        "st struct<a:int,b:array<bigint>>",
    ];
    cloud.create(&table("t", &columns, &[])).await.unwrap();
    let row = "true, -5, 9000000000, 1.5, -2.25, 1234567.89, \
               CAST('-12345678901234.5678' AS decimal(18,4)), \
               CAST('1234567890123456789012345678.0123456789' AS decimal(38,10)), DATE '1969-12-31', TIMESTAMP '2026-02-03 04:05:06.789012', \
               'é, \"quoted\" 日本', X'00ff10', make_array('a', NULL, 'ü'), \
               named_struct('a', 1, 'b', make_array(1, 2))";
    let nulls: Vec<_> = (0..columns.len()).map(|n| format!("NULL AS n{n}")).collect();
    let nulls = nulls.join(", ");
    let written = cloud.append("t", &format!("SELECT {row} UNION ALL SELECT {nulls}")).await.unwrap();
    assert_eq!(written.rows, 2);
    let shown = cloud.shown("t", "SELECT * FROM t WHERE b IS NOT NULL").await;
    for value in [
        "true",
        "-5",
        "9000000000",
        "1.5",
        "-2.25",
        "1234567.89",
        "-12345678901234.5678",
        "1234567890123456789012345678.0123456789",
        "1969-12-31",
        "2026-02-03T04:05:06.789012",
        "é, \"quoted\" 日本",
        "00ff10",
        "[a, , ü]",
        "{a: 1, b: [1, 2]}",
    ] {
        assert!(shown.contains(value), "{value} is not in\n{shown}");
    }
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE s IS NULL AND big IS NULL AND l IS NULL").await, 1);
    assert_eq!(
        cloud.number("t", "SELECT count(*) FROM t WHERE big > 1.0 AND t > TIMESTAMP '2026-01-01 00:00:00'").await,
        1
    );
}

#[tokio::test]
async fn a_column_that_is_null_everywhere_is_written_and_read() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["a int", "s string", "d decimal(20,2)"], &[])).await.unwrap();
    cloud.append("t", "SELECT NULL AS a, NULL AS b, NULL AS c UNION ALL SELECT 1, NULL AS b, NULL AS c").await.unwrap();
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE s IS NULL").await, 2);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE s = 'x'").await, 0);
}

#[tokio::test]
async fn a_value_that_does_not_fit_fails_the_statement_and_leaves_nothing() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["a int"], &[])).await.unwrap();
    let before = cloud.keys("t/");
    let error = cloud.append("t", "SELECT 9000000000").await.unwrap_err().to_string();
    assert!(error.starts_with("INVALID_CAST_ARGUMENT: column a:"), "{error}");
    let error = cloud.append("t", "SELECT 1, 2").await.unwrap_err().to_string();
    assert!(error.contains("Insert query has 2 columns, the table has 1"), "{error}");
    assert_eq!(cloud.keys("t/"), before);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 0);
}

#[tokio::test]
async fn smallest_and_largest_come_from_the_metadata_and_text_does_not() {
    let cloud = Cloud::new();
    cloud.create(&pageviews("t")).await.unwrap();
    cloud.append("t", &daily_rows(40, 10)).await.unwrap();
    let (answer, bytes) =
        cloud.query("t", "SELECT count(*), min(view_date), max(view_date), max(view_count) FROM t").await;
    let shown = pretty_format_batches(&answer).unwrap().to_string();
    assert!(shown.contains("| 400      | 2026-01-01       | 2026-02-09       | 9 "), "{shown}");
    assert_eq!(bytes, 0, "the manifests know the answer");
    let (_, bytes) = cloud.query("t", "SELECT max(url) FROM t").await;
    assert!(bytes > 0, "a bound of text is cut, and no answer");
}
