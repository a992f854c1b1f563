//! What the parsers take, what they make of it, and how they refuse the rest.

use super::*;
use crate::catalog::{Database, SerDeInfo};

/// Each statement with Athena's name for it.
const PARSED: &[(&str, &str)] = &[
    ("CREATE DATABASE db", "CREATE_DATABASE"),
    (
        "create schema if not exists `db` comment 'c' location 's3://b/p/' with dbproperties ('a'='b', 'c'='d');",
        "CREATE_DATABASE",
    ),
    ("DROP DATABASE IF EXISTS db CASCADE", "DROP_DATABASE"),
    ("DROP SCHEMA db RESTRICT", "DROP_DATABASE"),
    (
        "CREATE TABLE t (a int, b string) PARTITIONED BY (a, bucket(16, b), truncate(b, 4), day(c)) LOCATION 's3://b/t/' TBLPROPERTIES ('table_type'='iceberg')",
        "CREATE_TABLE",
    ),
    (
        "CREATE TABLE t WITH (table_type='ICEBERG', location='s3://b/t/', is_external=false) AS SELECT 1 AS a",
        "CREATE_TABLE_AS_SELECT",
    ),
    (
        "CREATE TABLE \"db\".\"t\" WITH (table_type='ICEBERG', location='s3://b/t/', is_external=false, partitioning=ARRAY['day(a)', 'b']) AS (SELECT 1 AS a) WITH NO DATA",
        "CREATE_TABLE_AS_SELECT",
    ),
    ("INSERT INTO awsdatacatalog.db.t (a, b) SELECT 1, 2", "INSERT"),
    ("INSERT INTO t (SELECT 1)", "INSERT"),
    ("INSERT INTO t VALUES (1), (2)", "INSERT"),
    ("DROP TABLE IF EXISTS `db`.`t`", "DROP_TABLE"),
    ("MSCK REPAIR TABLE db.t", "MSCK_REPAIR_TABLE"),
    (
        "ALTER TABLE t ADD PARTITION (a='1', b=2) LOCATION 's3://b/x/' PARTITION (a='2', b=-3)",
        "ALTER_TABLE_ADD_PARTITION",
    ),
    ("ALTER TABLE t ADD IF NOT EXISTS PARTITION (a='1')", "ALTER_TABLE_ADD_PARTITION"),
    ("ALTER TABLE t DROP IF EXISTS PARTITION (a='1'), PARTITION (a='2')", "ALTER_TABLE_DROP_PARTITION"),
    ("ALTER TABLE t SET TBLPROPERTIES ('a'='b')", "ALTER_TABLE_SET_PROPERTIES"),
    ("ALTER TABLE t ADD COLUMNS (a int COMMENT 'x', b array<string>)", "ALTER_TABLE_ADD_COLUMNS"),
    ("ALTER TABLE t RENAME TO u", "ALTER_TABLE_RENAME"),
    ("SHOW DATABASES", "SHOW_DATABASES"),
    ("SHOW SCHEMAS LIKE 'a*'", "SHOW_DATABASES"),
    ("SHOW TABLES IN db 'a*|b'", "SHOW_TABLES"),
    ("SHOW VIEWS", "SHOW_VIEWS"),
    ("SHOW PARTITIONS db.t", "SHOW_PARTITIONS"),
    ("SHOW COLUMNS IN t FROM db", "SHOW_COLUMNS"),
    ("SHOW CREATE TABLE t", "SHOW_CREATE_TABLE"),
    ("SHOW CREATE VIEW v", "SHOW_CREATE_VIEW"),
    ("SHOW TBLPROPERTIES t('a')", "SHOW_TBLPROPERTIES"),
    ("DESCRIBE FORMATTED db.t", "DESCRIBE_TABLE"),
    ("desc extended t", "DESCRIBE_TABLE"),
    ("EXPLAIN SELECT 1", "EXPLAIN"),
    ("CREATE OR REPLACE VIEW v AS WITH a AS (SELECT 1 AS x) SELECT x FROM a", "CREATE_VIEW"),
    ("DROP VIEW IF EXISTS v", "DROP_VIEW"),
    ("(SELECT 1) UNION ALL SELECT 2", "SELECT"),
    ("VALUES 1, 2", "SELECT"),
];

#[test]
fn statements_are_known_by_their_words() {
    for (sql, name) in PARSED {
        let statement = parse(sql, "appdb").unwrap_or_else(|error| panic!("{sql}\n{error}"));
        assert_eq!(statement.name, *name, "{sql}");
    }
}

/// Each statement with the words of its refusal.
const REFUSED: &[(&str, &str)] = &[
    ("", "line 1:1: the statement is empty"),
    ("-- nothing\n;", "line 1:1: the statement is empty"),
    ("'abc", "line 1:1: Unterminated string literal"),
    ("SELEC 1", "line 1:1: mismatched input 'SELEC'. Expecting: 'ALTER', 'CREATE'"),
    ("CREATE TABEL t (a int)", "line 1:8: mismatched input 'TABEL'. Expecting: 'DATABASE', 'EXTERNAL'"),
    (
        "CREATE EXTERNAL TABLE \"t\" (a int) LOCATION 's3://b/t/'",
        "line 1:23: mismatched input '\"t\"'. Expecting: identifier (in DDL, names are quoted with backticks)",
    ),
    (
        "CREATE EXTERNAL TABLE t (date date) LOCATION 's3://b/t/'",
        "line 1:26: mismatched input 'date'. Expecting: identifier (a reserved word",
    ),
    (
        "CREATE EXTERNAL TABLE t (a integr) LOCATION 's3://b/t/'",
        "line 1:28: mismatched input 'integr'. Expecting: type",
    ),
    ("CREATE EXTERNAL TABLE t (a varchar) LOCATION 's3://b/t/'", "mismatched input ')'. Expecting: '('"),
    ("CREATE EXTERNAL TABLE t (a int,) LOCATION 's3://b/t/'", "mismatched input ')'. Expecting: identifier"),
    ("CREATE EXTERNAL TABLE t (a int)", "line 1:32: mismatched input '<EOF>'. Expecting: 'LOCATION'"),
    (
        "CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/t/' STORED AS TEXTFILE",
        "mismatched input 'STORED'. Expecting: <EOF>",
    ),
    (
        "CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/t/' TBLPROPERTIES (a='b')",
        "mismatched input 'a'. Expecting: string",
    ),
    ("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/t/", "line 1:42: Unterminated string literal"),
    (
        "CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/t/' TBLPROPERTIES ('table_type'='ICEBERG')",
        "FAILED: SemanticException External keyword not supported for table type ICEBERG",
    ),
    ("CREATE TABLE t (a int) LOCATION 's3://b/t/'", "FAILED: SemanticException CREATE TABLE without EXTERNAL"),
    ("CREATE EXTERNAL TABLE t (a int, A string) LOCATION 's3://b/t/'", "Duplicate column name: a"),
    (
        "CREATE EXTERNAL TABLE t (a int) PARTITIONED BY (a int) LOCATION 's3://b/t/'",
        "Column repeated in partitioning columns",
    ),
    (
        "CREATE EXTERNAL TABLE t (a int) PARTITIONED BY (month(a)) LOCATION 's3://b/t/'",
        "the partition key month(a) of a Hive table needs a type",
    ),
    (
        "CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET LOCATION 's3://b/t/'",
        "NOT_SUPPORTED: the local engine does not support Hive tables STORED AS PARQUET",
    ),
    (
        "CREATE EXTERNAL TABLE t (a int) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://b/t/'",
        "NOT_SUPPORTED: the local engine does not support the SerDe org.openx.data.jsonserde.JsonSerDe",
    ),
    ("CREATE EXTERNAL TABLE t (a int) CLUSTERED BY (a) INTO 4 BUCKETS LOCATION 's3://b/t/'", "NOT_SUPPORTED"),
    (
        "CREATE TABLE t AS SELECT 1 AS a",
        "NOT_SUPPORTED: the local engine does not support CREATE TABLE AS for Hive tables",
    ),
    ("CREATE TABLE t WITH (table_type='ICEBERG', is_external=false) AS SELECT 1 AS a", "location is required"),
    (
        "CREATE TABLE t WITH (table_type='ICEBERG', location='s3://b/t/') AS SELECT 1 AS a",
        "is_external = false is required",
    ),
    (
        "CREATE TABLE t WITH (table_type='ICEBERG', is_external=false, location='s3://b/t/', partitioned_by=ARRAY['a']) AS SELECT 1 AS a",
        "partitioned_by is not supported for table type ICEBERG",
    ),
    (
        "CREATE TABLE t WITH (table_type='ICEBERG', is_external=false, location='s3://b/t/') AS DELETE FROM t",
        "mismatched input 'DELETE'",
    ),
    (
        "CREATE TABLE `t` WITH (table_type='ICEBERG') AS SELECT 1 AS a",
        "line 1:14: backquoted identifiers are not supported",
    ),
    ("INSERT INTO `t` SELECT 1", "line 1:13: backquoted identifiers are not supported"),
    ("INSERT INTO t", "line 1:14: mismatched input '<EOF>'"),
    ("INSERT INTO t\n  SELECT 1 FROM", "line 2:"),
    ("INSERT OVERWRITE t SELECT 1", "NOT_SUPPORTED: the local engine does not support INSERT OVERWRITE statements"),
    ("DROP TABLE t u", "line 1:14: mismatched input 'u'. Expecting: <EOF>"),
    ("DROP TABLE t; DROP TABLE u", "line 1:13: mismatched input ';'. Expecting: <EOF>"),
    ("DROP TABLE other.db.t", "CATALOG_NOT_FOUND: Catalog 'other' not found"),
    ("MSCK REPAIR t", "line 1:13: mismatched input 't'. Expecting: 'TABLE'"),
    ("ALTER TABLE t ADD PARTITION (a > 1)", "mismatched input '>'. Expecting: '='"),
    (
        "ALTER TABLE t SET LOCATION 's3://b/'",
        "NOT_SUPPORTED: the local engine does not support ALTER TABLE SET LOCATION statements",
    ),
    ("ALTER TABLE t FROB", "line 1:15: mismatched input 'FROB'. Expecting: 'ADD', 'DROP', 'RENAME', 'SET'"),
    ("SHOW TABELS", "line 1:6: mismatched input 'TABELS'. Expecting: 'COLUMNS'"),
    ("DELETE t", "line 1:8: mismatched input 't'. Expecting: 'FROM'"),
    ("MERGE INTO t USING u ON a = b", "line 1:1: mismatched input '<EOF>'. Expecting: 'WHEN'"),
    ("UPDATE t SET a = 1 FROM u", "mismatched input 'FROM'"),
    ("OPTIMIZE t REWRITE DATA", "line 1:24: mismatched input '<EOF>'. Expecting: 'USING'"),
    ("OPTIMIZE t REWRITE DATA USING BIN_PACK\n  LIMIT 1", "line 2:3: mismatched input 'LIMIT'. Expecting: <EOF>"),
    ("VACUUM t u", "line 1:10: mismatched input 'u'. Expecting: <EOF>"),
    ("EXPLAIN ANALYZE SELECT 1", "NOT_SUPPORTED: the local engine does not support EXPLAIN ANALYZE statements"),
    ("CREATE VIEW v AS INSERT INTO t SELECT 1", "mismatched input 'INSERT'"),
];

#[test]
fn the_rest_is_refused_with_a_place_or_by_name() {
    for (sql, words) in REFUSED {
        match parse(sql, "appdb") {
            Ok(statement) => panic!("{sql}\nwas taken as {statement:?}"),
            Err(error) => assert!(error.to_string().contains(words), "{sql}\n{error}"),
        }
    }
}

fn session() -> (tempfile::TempDir, Session) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).unwrap();
    let lake = Lake::open(&folder.path().join("s3")).unwrap();
    lake.create_bucket("lake").unwrap();
    catalog.create_database(Database { name: "appdb".to_owned(), ..Database::default() }).unwrap();
    (folder, Session { catalog, lake })
}

fn made(sql: &str) -> Table {
    let (_folder, session) = session();
    let Action::Catalog(statement) = parse(sql, "AppDB").unwrap().action else { panic!("{sql}") };
    statement.run(&session).unwrap();
    session.catalog.list_tables("appdb").unwrap().remove(0)
}

#[test]
fn a_csv_table_is_entered_as_athena_does() {
    let table = made(
        r#"-- with everything
        CREATE EXTERNAL TABLE IF NOT EXISTS `Customers` (
            `Customer_ID` string COMMENT 'the key',
            tags array<struct<name:string,extra:map<string,array<int>>>>,
            price decimal(10, 2)
        )
        COMMENT 'who they are'
        PARTITIONED BY (country string COMMENT 'ISO')
        ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
        WITH SERDEPROPERTIES ('separatorChar' = ',', "quoteChar" = '"', 'escapeChar' = '\\')
        STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
        OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
        LOCATION 's3://lake/raw/customers/'
        TBLPROPERTIES ('skip.header.line.count' = '1')"#,
    );
    let names: Vec<_> = table
        .storage_descriptor
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.type_.as_str(), c.comment.as_deref()))
        .collect();
    let tags = "array<struct<name:string,extra:map<string,array<int>>>>";
    assert_eq!(
        names,
        [("customer_id", "string", Some("the key")), ("tags", tags, None), ("price", "decimal(10,2)", None)]
    );
    assert_eq!((table.name.as_str(), table.table_type.as_deref()), ("customers", Some("EXTERNAL_TABLE")));
    assert_eq!(table.partition_keys[0].comment.as_deref(), Some("ISO"));
    let SerDeInfo { serialization_library, parameters, .. } = table.storage_descriptor.serde_info.unwrap();
    assert_eq!(serialization_library.as_deref(), Some("org.apache.hadoop.hive.serde2.OpenCSVSerde"));
    let parameters: Vec<_> = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(parameters, [("escapeChar", "\\"), ("quoteChar", "\""), ("separatorChar", ",")]);
    assert_eq!(table.parameters["skip.header.line.count"], "1");
    assert_eq!((table.parameters["EXTERNAL"].as_str(), table.parameters["comment"].as_str()), ("TRUE", "who they are"));
}

#[test]
fn delimited_text_becomes_the_serdes_properties() {
    let table = made(
        r"CREATE EXTERNAL TABLE t (a string) ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' ESCAPED BY '\\'
          COLLECTION ITEMS TERMINATED BY '\002' MAP KEYS TERMINATED BY '\003' LINES TERMINATED BY '\n'
          NULL DEFINED AS 'NULL' STORED AS TEXTFILE LOCATION 's3://lake/t/'",
    );
    let serde = table.storage_descriptor.serde_info.unwrap();
    assert_eq!(serde.serialization_library.as_deref(), Some("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"));
    for (key, value) in [
        ("field.delim", "\t"),
        ("serialization.format", "\t"),
        ("escape.delim", "\\"),
        ("colelction.delim", "\u{2}"),
        ("mapkey.delim", "\u{3}"),
        ("line.delim", "\n"),
        ("serialization.null.format", "NULL"),
    ] {
        assert_eq!(serde.parameters[key], value, "{key}");
    }
}

#[test]
fn an_iceberg_table_keeps_its_transforms_and_properties() {
    let sql =
        "CREATE TABLE other.t (`date` date, b string COMMENT 'x') PARTITIONED BY (month(`date`), bucket(16, b), b)
               LOCATION 's3://lake/t/' TBLPROPERTIES ('table_type'='ICEBERG', 'write_compression'='snappy')";
    let Action::CreateIcebergTable(table) = parse(sql, "appdb").unwrap().action else { panic!() };
    let new = table.into_iceberg().unwrap();
    assert_eq!((new.database.as_str(), new.name.as_str(), new.location.as_str()), ("other", "t", "s3://lake/t/"));
    assert_eq!(new.partitioning, ["month(date)", "bucket(16, b)", "b"]);
    assert_eq!(new.properties["write_compression"], "snappy");
    let hive_only = sql.replace("LOCATION", "STORED AS PARQUET LOCATION");
    let Action::CreateIcebergTable(table) = parse(&hive_only, "appdb").unwrap().action else { panic!() };
    assert!(table.into_iceberg().unwrap_err().to_string().contains("not supported for table type ICEBERG"));
}
