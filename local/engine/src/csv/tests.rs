//! Queries over text tables, from the catalog's entry to rows.

use std::io::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::util::display::array_value_to_string;
use datafusion::physical_plan::displayable;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::CsvTable;
use crate::Result;
use crate::catalog::{Column, Parameters, Partition, SerDeInfo, StorageDescriptor, Table};
use crate::engine::ScanMeter;
use crate::lake::{Lake, S3Uri};

const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

/// A table `t` in a lake of its own.
struct Fixture {
    _folder: tempfile::TempDir,
    lake: Lake,
    table: Table,
    partitions: Vec<Partition>,
    meter: Arc<ScanMeter>,
}

fn columns(text: &str) -> Vec<Column> {
    let column = |text: &str| {
        let (name, type_) = text.trim().split_once(' ').unwrap();
        Column { name: name.to_owned(), type_: type_.to_owned(), ..Column::default() }
    };
    text.split(';').filter(|text| !text.trim().is_empty()).map(column).collect()
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Fixture {
    fn new(serde: &str, serde_properties: &[(&str, &str)], columns_text: &str, keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path()).unwrap();
        lake.create_bucket("lake").unwrap();
        let serde_info = SerDeInfo {
            name: None,
            serialization_library: Some(serde.to_owned()),
            parameters: parameters(serde_properties),
        };
        let storage_descriptor = StorageDescriptor {
            columns: columns(columns_text),
            location: Some("s3://lake/t".to_owned()),
            serde_info: Some(serde_info),
            ..StorageDescriptor::default()
        };
        let table = Table {
            name: "t".to_owned(),
            storage_descriptor,
            partition_keys: columns(keys),
            parameters: parameters(&[("skip.header.line.count", "1")]),
            ..Table::default()
        };
        Self { _folder: folder, lake, table, partitions: Vec::new(), meter: Arc::default() }
    }

    /// The usual one: two text columns, a header.
    fn open_csv() -> Self {
        Self::new(OPEN_CSV, &[], "a string; b string", "")
    }

    fn without_header(mut self) -> Self {
        self.table.parameters.clear();
        self
    }

    fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        self.lake.put(&S3Uri::new("lake", key), bytes.as_ref()).unwrap();
    }

    fn register(&mut self, values: &[&str], folder: &str) {
        let location = Some(format!("s3://lake/{folder}/"));
        self.partitions.push(Partition {
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            storage_descriptor: StorageDescriptor { location, ..StorageDescriptor::default() },
            ..Partition::default()
        });
    }

    fn context(&self, threads: usize) -> Result<SessionContext> {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(threads));
        let table = CsvTable::try_new(self.lake.clone(), &self.table, &self.partitions, Arc::clone(&self.meter))?;
        context.register_table("t", Arc::new(table))?;
        Ok(context)
    }

    /// The rows, sorted; `∅` is NULL.
    async fn query(&self, sql: &str) -> Result<Vec<String>> {
        let batches = self.context(2)?.sql(sql).await?.collect().await?;
        let mut rows = Vec::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let text = |column: &ArrayRef| array_value_to_string(column, row).unwrap();
                let cell = |column: &ArrayRef| if column.is_null(row) { "∅".to_owned() } else { text(column) };
                rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
            }
        }
        rows.sort();
        Ok(rows)
    }

    async fn error(&self, sql: &str) -> String {
        self.query(sql).await.unwrap_err().to_string()
    }

    async fn plan(&self, sql: &str) -> String {
        let plan = self.context(2).unwrap().sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        displayable(plan.as_ref()).indent(false).to_string()
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn every_file_below_the_location_is_read_but_hidden_ones() {
    let fixture = Fixture::open_csv();
    fixture.put("t/1.csv", "a,b\n1,x\n");
    fixture.put("t/deeper/still/2.csv", "\u{feff}a,b\r\n2,\"y,\"\"z\"\"\"\r\n");
    fixture.put("t/3.csv.gz", gzip("a,b\n3,gz"));
    fixture.put("t/4.csv", "a,b");
    fixture.put("t/5.csv", "");
    fixture.put("t/_temporary/6.csv", "a,b\n6,hidden\n");
    fixture.put("t/.7.csv", "a,b\n7,hidden\n");
    fixture.put("t2/8.csv", "a,b\n8,elsewhere\n");
    assert_eq!(fixture.query("SELECT * FROM t").await.unwrap(), ["1|x", "2|y,\"z\"", "3|gz"]);
    assert_eq!(fixture.query("SELECT b, a FROM t").await.unwrap(), ["gz|3", "x|1", "y,\"z\"|2"]);
    assert_eq!(fixture.query("SELECT count(*) FROM t").await.unwrap(), ["3"]);
    assert_eq!(fixture.query("SELECT count(*) FROM t WHERE a = '2'").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn an_empty_table_has_no_rows() {
    let fixture = Fixture::open_csv();
    assert_eq!(fixture.query("SELECT count(*) FROM t").await.unwrap(), ["0"]);
    assert_eq!(fixture.query("SELECT * FROM t").await.unwrap(), [""; 0]);
    fixture.put("t/1.csv", "a,b\n");
    assert_eq!(fixture.query("SELECT * FROM t").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn short_and_long_rows() {
    let fixture = Fixture::open_csv();
    fixture.put("t/1.csv", "a,b\n1\n2,\n3,x,more\n\n\"4");
    assert_eq!(fixture.query("SELECT * FROM t").await.unwrap(), ["1|∅", "2|", "3|x", "∅|∅", "∅|∅"]);
}

#[tokio::test]
async fn typed_columns_of_delimited_text() {
    let types = "i int; d double; n decimal(6,2); t timestamp; o boolean; s string; e date";
    let fixture =
        Fixture::new(LAZY_SIMPLE, &[("field.delim", "|"), ("escape.delim", "\\")], types, "").without_header();
    fixture.put("t/1.txt", "1|2.5|3.456|2026-01-31 01:02:03.5|true|a\\|b|2026-02-28\nx|x|x|x|x|\\N|x\n2\n");
    assert_eq!(
        fixture.query("SELECT * FROM t").await.unwrap(),
        ["1|2.5|3.46|2026-01-31T01:02:03.500|true|a|b|2026-02-28", "2|∅|∅|∅|∅|∅|∅", "∅|∅|∅|∅|∅|∅|∅",]
    );
    assert_eq!(fixture.query("SELECT sum(i), max(e) FROM t").await.unwrap(), ["3|2026-02-28"]);
}

#[tokio::test]
async fn a_bad_number_is_named_with_file_and_line() {
    let mut fixture = Fixture::new(OPEN_CSV, &[], "a string; n int", "");
    fixture.put("t/1.csv", "a,n\r\nx,1\r\ny,12x\r\n");
    let error = fixture.error("SELECT sum(n) FROM t").await;
    assert!(error.contains("HIVE_BAD_DATA: Error parsing field value '12x' for field 1"), "{error}");
    assert!(error.contains("s3://lake/t/1.csv, line 3"), "{error}");
    assert_eq!(fixture.query("SELECT a FROM t").await.unwrap(), ["x", "y"]);
    fixture.table.parameters.insert("use.null.for.invalid.data".to_owned(), "true".to_owned());
    assert_eq!(fixture.query("SELECT sum(n) FROM t").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_fail_whatever_is_asked() {
    let fixture = Fixture::open_csv();
    fixture.put("t/1.csv", b"a,b\n1,x\n2,\xff\n");
    for sql in ["SELECT a FROM t", "SELECT count(*) FROM t"] {
        let error = fixture.error(sql).await;
        assert!(error.contains("HIVE_BAD_DATA: the text is not UTF-8 (s3://lake/t/1.csv, line 3)"), "{error}");
    }
}

#[tokio::test]
async fn damaged_and_unknown_compressions_are_errors() {
    let fixture = Fixture::open_csv();
    fixture.put("t/1.csv.gz", &gzip(&"a,b\n".repeat(1000))[..30]);
    let error = fixture.error("SELECT * FROM t").await;
    assert!(error.contains("HIVE_BAD_DATA: s3://lake/t/1.csv.gz"), "{error}");
    let fixture = Fixture::open_csv();
    fixture.put("t/1.csv.bz2", "BZh");
    let error = fixture.error("SELECT * FROM t").await;
    assert!(error.contains("does not support text compressed as .bz2"), "{error}");
}

fn views() -> Fixture {
    let mut fixture = Fixture::new(OPEN_CSV, &[], "id string; url string", "year string; month string; day string");
    for day in ["01", "02", "03"] {
        let folder = format!("t/year=2026/month=01/day={day}");
        fixture.put(&format!("{folder}/1.csv"), format!("id,url\n{day}a,/x\n{day}b,/y\n"));
        if day != "03" {
            fixture.register(&["2026", "01", day], &folder);
        }
    }
    fixture
}

#[tokio::test]
async fn only_registered_partitions_are_seen() {
    let mut fixture = views();
    let expected = ["01a|2026|01|01", "01b|2026|01|01", "02a|2026|01|02", "02b|2026|01|02"];
    assert_eq!(fixture.query("SELECT id, year, month, day FROM t").await.unwrap(), expected);
    fixture.register(&["2025", "12", "31"], "t/year=2026/month=01/day=03");
    assert_eq!(fixture.query("SELECT max(year || day) FROM t WHERE day = '31'").await.unwrap(), ["202531"]);
}

#[tokio::test]
async fn partition_filters_decide_what_is_read() {
    let fixture = views();
    let one_file = "id,url\n01a,/x\n01b,/y\n".len() as u64;
    for (filter, files) in [
        ("day = '02'", 1),
        ("year || month || day >= '20260102'", 1),
        ("CAST(year || '-' || month || '-' || day AS DATE) < DATE '2026-01-02'", 1),
        ("day IN ('01', '02') AND id <> ''", 2),
        ("day = '02' OR id = '01a'", 2),
        ("day = '09'", 0),
    ] {
        let before = fixture.meter.bytes();
        fixture.query(&format!("SELECT id FROM t WHERE {filter}")).await.unwrap();
        assert_eq!(fixture.meter.bytes() - before, files * one_file, "{filter}");
    }
    let plan = fixture.plan("SELECT id FROM t WHERE day = '02'").await;
    assert!(!plan.contains("FilterExec") && plan.contains("files=1"), "{plan}");
}

#[tokio::test]
async fn expressions_over_partition_columns_are_computed_once_a_partition() {
    let fixture = views();
    let date = "CAST(year || '-' || month || '-' || day AS DATE)";
    let sql = format!("SELECT {date} AS d, upper(url) AS u, id, day FROM t");
    let plan = fixture.plan(&sql).await;
    assert!(plan.contains("CsvScan: table=t, columns=[d, id, day, url]"), "{plan}");
    let expected = ["2026-01-01|/X|01a|01", "2026-01-01|/Y|01b|01", "2026-01-02|/X|02a|02", "2026-01-02|/Y|02b|02"];
    assert_eq!(fixture.query(&sql).await.unwrap(), expected);
    let sql = format!("SELECT url AS path, {date} AS d, count(*) FROM t GROUP BY 1, 2");
    let expected = ["/x|2026-01-01|1", "/x|2026-01-02|1", "/y|2026-01-01|1", "/y|2026-01-02|1"];
    assert_eq!(fixture.query(&sql).await.unwrap(), expected);
}

#[tokio::test]
async fn an_expression_that_fails_for_a_partition_fails_where_it_stands() {
    let mut fixture = views();
    fixture.register(&["2026", "01", "xx"], "t/year=2026/month=01/day=03");
    let cast = "SELECT CAST(day AS INT) + 1 AS next FROM t";
    assert!(fixture.error(cast).await.contains("xx"));
    let filtered = "SELECT next FROM (SELECT CAST(day AS INT) + 1 AS next, day FROM t) WHERE day < '03'";
    assert_eq!(fixture.query(filtered).await.unwrap(), ["2", "2", "3", "3"]);
}

#[tokio::test]
async fn typed_partition_columns() {
    let mut fixture = Fixture::new(OPEN_CSV, &[], "a string", "n int; d date");
    fixture.put("t/x/1.csv", "a\nx\n");
    fixture.register(&["7", "2026-01-31"], "t/x");
    fixture.register(&["__HIVE_DEFAULT_PARTITION__", "2026-01-31"], "t/x");
    assert_eq!(fixture.query("SELECT a, n + 1, d FROM t").await.unwrap(), ["x|8|2026-01-31", "x|∅|2026-01-31"]);
    assert_eq!(fixture.query("SELECT a FROM t WHERE n IS NULL").await.unwrap(), ["x"]);
    fixture.register(&["seven", "2026-01-31"], "t/x");
    let error = fixture.error("SELECT a FROM t").await;
    assert!(error.starts_with("HIVE_INVALID_PARTITION_VALUE: Invalid partition value 'seven'"), "{error}");
}

#[tokio::test]
async fn large_files_are_shared_among_streams() {
    let fixture = Fixture::open_csv();
    let row = |row| format!("{row},https://example.com/some/longer/path/{}", row % 7);
    let text = "a,b\n".to_owned() + &(0..600_000).map(row).collect::<Vec<_>>().join("\n");
    fixture.put("t/1.csv", &text);
    fixture.put("t/2.csv.gz", gzip("a,b\n-1,x\n"));
    let sql = "SELECT count(*), sum(CAST(a AS BIGINT)), count(DISTINCT b) FROM t";
    assert_eq!(fixture.query(sql).await.unwrap(), ["600001|179999699999|8"]);
    assert!(fixture.plan(sql).await.contains("streams=2"));
    assert_eq!(fixture.meter.rows(), 600_001);
    assert_eq!(fixture.query("SELECT a FROM t WHERE b = 'x' LIMIT 3").await.unwrap(), ["-1"]);
}

#[tokio::test]
async fn a_plan_can_be_executed_again() {
    let fixture = views();
    let context = fixture.context(2).unwrap();
    let plan = context.sql("SELECT count(*) FROM t").await.unwrap().create_physical_plan().await.unwrap();
    for _ in 0..2 {
        let plan = reset_plan_states(Arc::clone(&plan)).unwrap();
        let rows = datafusion::physical_plan::collect(plan, context.task_ctx()).await.unwrap();
        assert_eq!(array_value_to_string(rows[0].column(0), 0).unwrap(), "4");
    }
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_an_error() {
    let fixture = views();
    let context = fixture.context(1).unwrap();
    let plan = context.sql("SELECT * FROM t").await.unwrap().create_physical_plan().await.unwrap();
    fixture.put("t/year=2026/month=01/day=02/1.csv", "id,url\n");
    let error = datafusion::physical_plan::collect(plan, context.task_ctx()).await.unwrap_err().to_string();
    assert!(error.contains("HIVE_CURSOR_ERROR") && error.contains("day=02/1.csv was changed"), "{error}");
}

#[tokio::test]
async fn what_is_not_supported_is_named() {
    for (serde, types, expected) in [
        (LAZY_SIMPLE, "a array<int>", "columns of type array<int> in text files (column a)"),
        (OPEN_CSV, "a decimal(5,2)", "columns of type decimal(5,2) with OpenCSVSerDe (column a)"),
        ("org.apache.hive.hcatalog.data.JsonSerDe", "a string", "the SerDe org.apache.hive.hcatalog.data.JsonSerDe"),
    ] {
        let fixture = Fixture::new(serde, &[], types, "");
        let error = fixture.context(1).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
