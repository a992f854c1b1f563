//! Queries against a session without tables.

use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::collect;
use datafusion::sql::sqlparser::ast::Statement;

use super::*;
use crate::{Error, Result};

async fn run(sql: &str) -> Result<(Vec<String>, Vec<String>)> {
    let runtime = RuntimeEnvBuilder::new().build_arc().unwrap();
    let state = session_state(runtime, session_config(2)).build();
    let Statement::Query(query) = parse(sql)? else { return Err(Error::unsupported("no query")) };
    let planned = plan(&state, query).await?;
    let physical = state.create_physical_plan(&planned.plan).await.map_err(error)?;
    let batches = collect(physical, state.task_ctx()).await.map_err(error)?;
    let mut rows = Vec::new();
    for batch in &batches {
        for row in format_rows(batch)? {
            let row: Vec<_> = row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".into())).collect();
            rows.push(row.join("|"));
        }
    }
    let columns = columns(&planned.schema).iter().map(|c| format!("{} {}", c.name, c.type_name)).collect();
    Ok((columns, rows))
}

async fn check(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let found = match run(sql).await {
            Ok((_, rows)) => rows.join(";"),
            Err(error) => format!("! {error}"),
        };
        if found != *expected {
            wrong.push(format!("{sql}\n    wanted {expected}\n    found  {found}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn literals_and_names() {
    let (columns, rows) = run("SELECT 1, 3000000000 AS Big, 1.50 d, 1e3, 'a', true, null").await.unwrap();
    assert_eq!(
        columns,
        ["_col0 integer", "big bigint", "d decimal", "_col3 double", "_col4 varchar", "_col5 boolean", "_col6 unknown"]
    );
    assert_eq!(rows, ["1|3000000000|1.50|1000.0|a|true|NULL"]);
    let (columns, _) = run("SELECT *, x, x FROM (VALUES (1, 2)) AS t (x, y)").await.unwrap();
    assert_eq!(columns, ["x integer", "y integer", "x integer", "x integer"]);
    let (columns, rows) = run("VALUES 1, 2").await.unwrap();
    assert_eq!((columns.len(), columns[0].as_str(), rows.len()), (1, "_col0 integer", 2));
}

#[tokio::test]
async fn operators() {
    check(&[
        ("SELECT 1/2, 7 % 3, -7/2, 7.0/2, 1 + 2 * 3", "0|1|-3|3.5|7"),
        ("SELECT 1/0", "! DIVISION_BY_ZERO: Division by zero"),
        ("SELECT 1e0/0", "Infinity"),
        ("SELECT 'a' || 'b' || NULL IS NULL", "true"),
        ("SELECT 1 = 1.0, 1 < 2e0, 'a' < 'B'", "true|true|false"),
        ("SELECT 'a' = 1", "! TYPE_MISMATCH: Cannot apply operator: varchar = integer"),
        ("SELECT 'a' + 1", "! TYPE_MISMATCH: Cannot apply operator: varchar + integer"),
        ("SELECT NULL IS DISTINCT FROM 1", "true"),
        ("SELECT 'abc' LIKE 'a%', 'a%c' LIKE 'a!%c' ESCAPE '!'", "true|true"),
        ("SELECT 2 BETWEEN 1 AND 3, 2 IN (1, 2), 2 NOT IN (1, NULL)", "true|true|NULL"),
        ("SELECT 2147483647 + 1", "! NUMERIC_VALUE_OUT_OF_RANGE: integer overflow: 2147483647 + 1"),
        ("SELECT ROW(1, 'a')", "{field0=1, field1=a}"),
    ])
    .await;
}

#[tokio::test]
async fn casts() {
    check(&[
        (
            "SELECT CAST('12' AS integer), CAST(1.5 AS integer), CAST(2.5e0 AS bigint), CAST('abc' AS varchar(2))",
            "12|2|3|ab",
        ),
        ("SELECT CAST('abc' AS integer)", "! INVALID_CAST_ARGUMENT: Cannot cast 'abc' to INT"),
        ("SELECT TRY_CAST('abc' AS integer), TRY(CAST('abc' AS date))", "NULL|NULL"),
        ("SELECT TRY(1/0), TRY(10/5)", "NULL|2"),
        (
            "SELECT CAST(DATE '2026-01-02' AS varchar), CAST(true AS varchar), CAST(1.50 AS varchar)",
            "2026-01-02|true|1.50",
        ),
        ("SELECT CAST(TIMESTAMP '2026-01-02 03:04:05' AS date)", "2026-01-02"),
        ("SELECT CAST('2026-01-02 03:04:05' AS timestamp)", "2026-01-02 03:04:05.000"),
        ("SELECT DATE '2026-02-30'", "! INVALID_LITERAL: line 1:13: '2026-02-30' is not a valid DATE literal"),
        ("SELECT CAST(1 AS string)", "! TYPE_NOT_FOUND: Unknown type: string"),
        ("SELECT CAST(ROW(1, 2.0) AS ROW(x BIGINT, y DOUBLE)).x", "1"),
    ])
    .await;
}

#[tokio::test]
async fn forms() {
    check(&[
        ("SELECT IF(1 > 2, 'a', 'b'), IF(false, 1), NULLIF(1, 1), COALESCE(NULL, 2, 3)", "b|NULL|NULL|2"),
        ("SELECT CASE 1 WHEN 1 THEN 'a' ELSE 'b' END, CASE WHEN true THEN 1 ELSE 2.5 END", "a|1.0"),
        ("SELECT CASE WHEN true THEN 1 ELSE 'a' END", "! TYPE_MISMATCH: All CASE results must be the same type: integer. Got varchar"),
        ("SELECT ARRAY[1,2][1], ARRAY[1, 2], element_at(ARRAY[1], 5), cardinality(ARRAY[1,2,3])", "1|[1, 2]|NULL|3"),
        (
            "SELECT ARRAY[1][2]",
            "! INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: 2 > 1",
        ),
        ("SELECT x FROM UNNEST(ARRAY[1,2]) AS t (x) ORDER BY x DESC", "2;1"),
        ("SELECT x, n FROM UNNEST(ARRAY['a','b']) WITH ORDINALITY AS t (x, n)", "a|1;b|2"),
        (
            "SELECT k, x FROM (VALUES (1, ARRAY[10, 20]), (2, ARRAY[30])) AS t (k, a) CROSS JOIN UNNEST(a) AS u (x) ORDER BY x",
            "1|10;1|20;2|30",
        ),
        ("SELECT x FROM (VALUES 2, NULL, 1) AS t (x) ORDER BY x DESC", "2;1;NULL"),
        ("SELECT nope(1)", "! FUNCTION_NOT_FOUND: line 1:8: Function 'nope' not registered"),
        ("SELECT transform(ARRAY[1], x -> x + 1)", "! NOT_SUPPORTED: the local engine does not support lambda expressions (x -> …)"),
        ("SELECT x FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x OFFSET 1 LIMIT 1", "2"),
        ("SELECT lower(1)", "! FUNCTION_NOT_FOUND: Unexpected parameters (integer) for function lower. Expected: lower(varchar)"),
        ("SELECT y FROM (VALUES 1) AS t (x)", "! COLUMN_NOT_FOUND: line 1:8: Column 'y' cannot be resolved"),
        ("SELECT * FROM missing", "! TABLE_NOT_FOUND: line 1:15: Table 'datafusion.public.missing' does not exist"),
        ("SELECT 1 UNION ALL SELECT 'a'", "! TYPE_MISMATCH: column 1 in UNION query has incompatible types: integer, varchar"),
    ])
    .await;
}

#[tokio::test]
async fn aggregation() {
    let t = "FROM (VALUES (1, 'a', 1.50), (2, 'b', 2.25), (3, 'a', NULL)) AS t (n, k, d)";
    let cases = [
        ("SELECT count(*), sum(n), avg(n), min(k), max(n)", "3|6|2.0|a|3"),
        ("SELECT sum(d), avg(d), typeof(sum(d)), typeof(avg(d))", "3.75|1.88|decimal(38,2)|decimal(3,2)"),
        ("SELECT count_if(n > 1), count(*) FILTER (WHERE k = 'a'), count(DISTINCT k)", "2|2|2"),
        ("SELECT max_by(k, n), min_by(n, k), arbitrary(1), approx_distinct(k)", "a|1|1|2"),
        ("SELECT array_agg(n ORDER BY n DESC), listagg(k, ',') WITHIN GROUP (ORDER BY n)", "[3, 2, 1]|a,b,a"),
        ("SELECT map_agg(k, n), histogram(k), bool_and(n > 0), every(n > 1)", "{a=1, b=2}|{a=2, b=1}|true|false"),
        ("SELECT approx_percentile(n, 0.5), stddev(n), variance(n)", "2|1.0|1.0"),
    ];
    let cases: Vec<_> = cases.iter().map(|(select, wanted)| (format!("{select} {t}"), *wanted)).collect();
    let cases: Vec<_> = cases.iter().map(|(sql, wanted)| (sql.as_str(), *wanted)).collect();
    check(&cases).await;
    let sql = format!("SELECT k, sum(n) {t} GROUP BY ROLLUP (k) ORDER BY 1, 2");
    check(&[(sql.as_str(), "a|4;b|2;NULL|6")]).await;
    let sql = format!(
        "SELECT n, row_number() OVER (ORDER BY n DESC), lag(n, 1) OVER (ORDER BY n), sum(n) OVER (PARTITION BY k), ntile(2) OVER (ORDER BY n) {t} ORDER BY n"
    );
    check(&[(sql.as_str(), "1|3|NULL|4|1;2|2|1|2|1;3|1|2|4|2")]).await;
    let sql = format!("SELECT k, n {t} GROUP BY k");
    assert!(run(&sql).await.unwrap_err().to_string().starts_with("EXPRESSION_NOT_AGGREGATE"));
}

#[tokio::test]
async fn dates() {
    check(&[
        ("SELECT date_trunc('month', DATE '2026-02-14'), date_trunc('hour', TIMESTAMP '2026-02-14 10:20:30')", "2026-02-01|2026-02-14 10:00:00.000"),
        ("SELECT DATE '2026-01-31' + INTERVAL '1' MONTH, DATE '2026-01-31' - INTERVAL '1' DAY", "2026-02-28|2026-01-30"),
        ("SELECT date_add('day', -1, DATE '2026-01-01'), date_diff('day', DATE '2026-01-01', DATE '2026-03-01')", "2025-12-31|59"),
        ("SELECT date_parse('2026-01-02 03:04', '%Y-%m-%d %H:%i'), date_format(TIMESTAMP '2026-01-02 03:04:05', '%d.%m.%y')", "2026-01-02 03:04:00.000|02.01.26"),
        ("SELECT year(DATE '2026-01-02'), EXTRACT(DOW FROM DATE '2026-01-04'), week(DATE '2026-01-04'), doy(DATE '2026-02-01')", "2026|7|1|32"),
        ("SELECT from_unixtime(0), to_unixtime(TIMESTAMP '1970-01-01 00:01:00')", "1970-01-01 00:00:00.000 UTC|60.0"),
        ("SELECT TIMESTAMP '2026-07-01 12:00:00 UTC' AT TIME ZONE 'America/New_York'", "2026-07-01 08:00:00.000 America/New_York"),
        ("SELECT hour(TIMESTAMP '2026-07-01 12:00:00 UTC' AT TIME ZONE 'America/New_York')", "8"),
        ("SELECT from_iso8601_timestamp('2026-01-02T03:04:05+01:00'), from_iso8601_date('2026-01-02')", "2026-01-02 02:04:05.000 UTC|2026-01-02"),
        ("SELECT current_date = date(now()), current_date = CAST(current_timestamp AS date)", "true|true"),
        ("SELECT DATE '2026-01-01' < '2026-01-02'", "! TYPE_MISMATCH: Cannot apply operator: date < varchar"),
        ("SELECT DATE '2026-01-01' < TIMESTAMP '2026-01-01 00:00:01'", "true"),
        ("SELECT DATE '2026-01-02' - DATE '2026-01-01'", "1 00:00:00.000"),
        ("SELECT date('2026-01-02'), to_iso8601(TIMESTAMP '2026-01-02 03:04:05')", "2026-01-02|2026-01-02T03:04:05.000"),
        ("SELECT count(*) FROM UNNEST(sequence(DATE '2026-01-01', DATE '2026-01-31')) AS t (d)", "31"),
    ])
    .await;
}

#[tokio::test]
async fn functions_of_every_kind() {
    check(&[
        ("SELECT concat('a', 'b'), concat('a', NULL), lower('ÄB'), substr('hello', -3), split_part('a,b', ',', 3)", "ab|NULL|äb|llo|NULL"),
        ("SELECT split('a,b', ','), regexp_extract('a1b22', '\\d+', 0), regexp_replace('abc', '(b)', '[$1]')", "[a, b]|1|a[b]c"),
        ("SELECT trim(BOTH 'x' FROM 'xax'), trim('  a '), position('b' IN 'abc'), lpad('7', 3, '0'), reverse('abc')", "a|a|2|007|cba"),
        ("SELECT to_hex(md5(to_utf8('a'))), from_utf8(from_hex('C3A4')), to_base64(to_utf8('a'))", "0CC175B9C0F1B6A831C399E269772661|ä|YQ=="),
        ("SELECT url_extract_host('https://a.example/p?q=1'), url_extract_parameter('/p?q=1', 'q'), url_decode('a%20b')", "a.example|1|a b"),
        ("SELECT round(2.5), round(-2.5e0), round(1.255e0, 1), ceil(1.2), floor(-1.2), truncate(1.99e0), mod(7, 3), abs(-3), typeof(round(9.95, 1))", "3|-3.0|1.3|2|-2|1.0|1|3|decimal(4,2)"),
        ("SELECT greatest(1, 2, 3), greatest(1, NULL), least('b', 'a'), width_bucket(5e0, 0, 10, 2), bitwise_and(6, 3)", "3|NULL|a|2|2"),
        ("SELECT json_extract_scalar('{\"a\":{\"b\":[1,\"x\"]}}', '$.a.b[1]'), json_array_length('[1,2]'), typeof(json_parse('1'))", "x|2|json"),
        ("SELECT array_sort(ARRAY[3,1,2]), array_join(ARRAY['a',NULL,'b'], '-'), array_distinct(ARRAY[1,1,2]), contains(ARRAY[1,2], 2)", "[1, 2, 3]|a-b|[1, 2]|true"),
        ("SELECT map(ARRAY['a','b'], ARRAY[1,2]), map(ARRAY['a'], ARRAY[1])['a'], element_at(map(ARRAY['a'], ARRAY[1]), 'z'), map_keys(map(ARRAY['a'], ARRAY[1]))", "{a=1, b=2}|1|NULL|[a]"),
        ("SELECT sequence(1, 3), slice(ARRAY[1,2,3], 2, 5), flatten(ARRAY[ARRAY[1], ARRAY[2]]), ARRAY[1] || 2, array_max(ARRAY[1,3])", "[1, 2, 3]|[2, 3]|[1, 2]|[1, 2]|3"),
        ("SELECT format('%s has %,d of %.2f%%', 'a', 1234, 5e-1), typeof(1.5), typeof(ARRAY[1]), typeof(DATE '2026-01-01')", "a has 1,234 of 0.50%|decimal(2,1)|array(integer)|date"),
        ("SELECT power(2, 10), sqrt(16), ln(e()), log(2, 8), log10(100), pi() > 3, is_nan(nan()), cbrt(27)", "1024.0|4.0|1.0|3.0|2.0|true|true|3.0"),
        ("SELECT rand() < 1, random(5) < 5, length(CAST(uuid() AS varchar))", "true|true|36"),
        ("SELECT 'a\\b' LIKE 'a\\b', 'a%' LIKE 'a\\%'", "true|false"),
        ("SELECT 1.5 / 2, 2.0 * 1.25, 10.00 / 3, 1.5 + 1, 5 % 1.5", "0.8|2.500|3.33|2.5|0.5"),
    ])
    .await;
}

#[tokio::test]
async fn casts_have_names_of_their_own() {
    let t = "FROM (VALUES (1, '2026-01-01'), (2, '2026-01-02')) AS t (n, d)";
    for (select, wanted) in [
        ("SELECT avg(n), avg(CAST(n AS double)), max(d), max(CAST(d AS date))", "1.5|1.5|2026-01-02|2026-01-02"),
        ("SELECT n, CAST(n AS varchar), CAST(n AS double)", "1|1|1.0;2|2|2.0"),
        ("SELECT count(*), count(CAST(d AS date)), count(TRY_CAST(d AS integer))", "2|2|0"),
    ] {
        check(&[(format!("{select} {t}").as_str(), wanted)]).await;
    }
    let grouped = format!("SELECT d, CAST(d AS date), count(*) {t} GROUP BY d, CAST(d AS date) ORDER BY 1");
    check(&[(grouped.as_str(), "2026-01-01|2026-01-01|1;2026-01-02|2026-01-02|1")]).await;
    let grouped = format!("SELECT CAST(d AS date), CAST(d AS varchar), count(*) {t} GROUP BY 1, 2 ORDER BY 1");
    check(&[(grouped.as_str(), "2026-01-01|2026-01-01|1;2026-01-02|2026-01-02|1")]).await;
}

#[tokio::test]
async fn json_casts() {
    check(&[
        ("SELECT CAST(json_parse('[1,null,2]') AS array(integer)), CAST(json_parse('{\"a\":1}') AS map(varchar, bigint))", "[1, null, 2]|{a=1}"),
        ("SELECT CAST(json_parse('{\"x\":1,\"y\":[\"a\"]}') AS row(x bigint, y array(varchar)))", "{x=1, y=[a]}"),
        ("SELECT json_format(CAST(ARRAY[1, 2] AS json)), json_format(CAST(MAP(ARRAY['a'], ARRAY[1.5]) AS json)), json_format(CAST('a' AS json))", "[1,2]|{\"a\":1.5}|\"a\""),
        ("SELECT CAST(json_parse('\"x\"') AS integer)", "! INVALID_CAST_ARGUMENT: Cannot cast 'x' to INT"),
        ("SELECT CAST(json_parse('{}') AS array(integer))", "! INVALID_CAST_ARGUMENT: Cannot cast the JSON value '{}' to array(integer)"),
        ("SELECT (n, s) IN ((1, 'a'), (2, 'x')), (n, s) = (2, 'b') FROM (VALUES (1, 'a'), (2, 'b')) AS t (n, s)", "true|false;false|true"),
        ("SELECT U&'\\00e4'", "ä"),
    ])
    .await;
}
