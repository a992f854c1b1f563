//! `pageviews discover`: what files hold, for people and for programs.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;

const TEXT: &str = "Id,price,ok,day,at,note,code\n1,1.5,true,2026-01-31,2026-01-31 10:00:00,,007\n\
    2,2,false,2026-02-01,2026-02-01T10:00:00Z,\"a, b\",008\n3,x\n";

fn discover(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pageviews")).arg("discover").args(arguments).current_dir(folder).output().unwrap()
}

fn error(folder: &Path, arguments: &[&str]) -> String {
    let output = discover(folder, arguments);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_file_is_told_by_its_columns_and_its_ddl() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("My-orders.csv"), TEXT).unwrap();
    let mut archive = GzEncoder::new(Vec::new(), Compression::fast());
    archive.write_all(TEXT.as_bytes()).unwrap();
    fs::write(folder.path().join("packed"), archive.finish().unwrap()).unwrap();

    let output = discover(folder.path(), &["My-orders.csv", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!((report["rows"].as_u64(), report["broken_rows"].as_u64()), (Some(3), Some(1)));
    let columns = report["columns"].as_array().unwrap().iter();
    let columns: Vec<_> =
        columns.map(|column| ["name", "inferred", "column_type"].map(|key| column[key].as_str().unwrap())).collect();
    assert_eq!(
        columns,
        [
            ["id", "bigint", "bigint"],
            ["price", "double", "double"],
            ["ok", "boolean", "boolean"],
            ["day", "date", "string"],
            ["at", "timestamp", "string"],
            ["note", "string", "string"],
            ["code", "string", "string"],
        ]
    );
    assert_eq!(report["columns"][5]["null_share"], 0.5);
    let ddl = report["ddl"].as_str().unwrap();
    assert!(ddl.starts_with("create external table if not exists `my_orders` (\n    `id` bigint,\n"), "{ddl}");

    let packed = discover(folder.path(), &["packed", "--json", "--table", "my_orders"]);
    assert_eq!(String::from_utf8_lossy(&packed.stdout), String::from_utf8_lossy(&output.stdout));
    let human = String::from_utf8(discover(folder.path(), &["My-orders.csv"]).stdout).unwrap();
    for expected in ["50.0 %", "3 rows, 1 of them broken", "row format serde"] {
        assert!(human.contains(expected), "{expected} in {human}");
    }
    let first = discover(folder.path(), &["My-orders.csv", "--json", "--rows", "1"]);
    let first: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!((first["rows"].as_u64(), first["columns"][1]["inferred"].as_str()), (Some(1), Some("double")));
}

#[test]
fn what_cannot_be_told_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("two/x")).unwrap();
    fs::create_dir_all(root.join("none")).unwrap();
    for (name, text) in [
        ("empty.csv", ""),
        ("twice.csv", "a,A\n"),
        ("open.csv", "a,b\n1,\"x\n"),
        ("two/a.csv", "a,b\n1,2\n"),
        ("two/x/b.csv", "a,c\n1,2\n"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    for (path, expected) in [
        ("absent.csv", "absent.csv"),
        ("none", "no file in it ends with .csv"),
        ("empty.csv", "the file is empty"),
        ("twice.csv", "the column a is there twice"),
        ("open.csv", "line 2 is never closed"),
        ("two", "it has the header a,c, and the first file has the header a,b"),
    ] {
        let error = error(root, &[path]);
        assert!(error.contains(expected), "{path}: {error}");
    }
}
