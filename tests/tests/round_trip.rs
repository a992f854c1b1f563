//! What `extract-load` writes, read back by the local engine: the cases of the function against the files that they came
//! from, which the crate `csv` reads. Quotes, backslashes, blanks and letters of any script must come back as they were.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use local_engine::{Engine, EngineConfig};
use tempfile::TempDir;
use tests::files;

type Rows = Vec<Vec<Option<String>>>;

/// A lake that holds what one case wrote.
struct Lake {
    engine: Engine,
    _folder: TempDir,
}

impl Lake {
    fn new(case: &Path) -> Self {
        let folder = TempDir::new().expect("a folder");
        for (name, path) in files(&case.join("expected")) {
            let target = folder.path().join("s3/lake").join(name);
            fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
            fs::copy(path, target).expect("a copy");
        }
        let config = EngineConfig { data_dir: folder.path().to_owned(), memory_limit: 256 << 20, threads: 1 };
        Self { engine: Engine::open(&config).expect("an engine"), _folder: folder }
    }

    async fn query(&self, sql: &str) -> Rows {
        let prepared = self.engine.prepare(sql, "appdb").unwrap_or_else(|error| panic!("{sql}: {error}"));
        let output = self.engine.execute(prepared).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let chunks: Vec<_> = output.rows.try_collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        chunks.into_iter().flatten().collect()
    }

    /// Makes a table by the statement of the function that makes it.
    async fn create(&self, function: &str, location: &str) {
        let path = format!("functions/{function}/sql/create_table.sql");
        let text = fs::read_to_string(root().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let text: String = text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        let text = text.replace("{{identifier:database}}", "`appdb`").replace("{{location:location}}", location);
        self.query(&text).await;
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cases() -> Vec<PathBuf> {
    let folder = root().join("functions/extract-load/cases");
    let entries = fs::read_dir(folder).expect("the cases");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    cases
}

fn text(value: Option<&String>) -> &str {
    value.map_or_else(|| panic!("NULL"), String::as_str)
}

/// The rows of `file` that are on none of these lines: the values of `columns`.
fn original(file: &[u8], columns: &[&str], without: &BTreeSet<u64>) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::Headers).from_reader(file);
    let names: Vec<String> = reader.headers().expect("a header").iter().map(str::to_ascii_lowercase).collect();
    let positions: Vec<usize> = columns
        .iter()
        .map(|column| names.iter().position(|name| name == column).unwrap_or_else(|| panic!("no {column}")))
        .collect();
    let records = reader.byte_records().map(|record| record.expect("a row"));
    let mut rows: Vec<Vec<String>> = records
        .filter(|record| !without.contains(&record.position().expect("a position").line()))
        .map(|record| positions.iter().map(|at| String::from_utf8_lossy(&record[*at]).into_owned()).collect())
        .collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn every_value_comes_back_as_it_was() {
    let mut compared = 0;
    for case in cases() {
        let (table, columns) = if case.join("expected/raw/customers").exists() {
            ("customers", &["customer_id", "name", "email", "created_at", "country"][..])
        } else if case.join("expected/raw/pageviews").exists() {
            ("pageviews", &["view_id", "customer_id", "url"][..])
        } else {
            continue;
        };
        let lake = Lake::new(&case);
        lake.query("create database appdb").await;
        lake.create(&format!("create-{table}-table"), &format!("'s3://lake/raw/{table}/'")).await;
        lake.create("create-rejects-table", "'s3://lake/rejects/'").await;
        lake.query(&format!("msck repair table `{table}`")).await;

        let rejects = lake.query("select line from rejects").await;
        let lines: BTreeSet<u64> = rejects.iter().map(|row| text(row[0].as_ref()).parse().expect("a line")).collect();
        let found = lake.query(&format!("select {} from {table}", columns.join(", "))).await;
        let mut found: Vec<Vec<String>> =
            found.iter().map(|row| row.iter().map(|value| text(value.as_ref()).to_owned()).collect()).collect();
        found.sort();
        let file = fs::read(case.join("file.csv")).expect("the file");
        let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&file);
        assert_eq!(found, original(file, columns, &lines), "{}", case.display());
        compared += found.len();
    }
    assert!(compared > 70, "only {compared} rows were compared");
}

/// A rejected row's text, as the row escapes it.
fn unescaped(raw: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escape, behind) = after.split_at(1);
        rest = behind;
        match escape {
            "n" => bytes.push(b'\n'),
            "r" => bytes.push(b'\r'),
            "\\" => bytes.push(b'\\'),
            _ => {
                let (digits, behind) = behind.split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                rest = behind;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[tokio::test]
async fn every_rejected_row_can_be_told_from_the_table_of_rejects() {
    let mut compared = 0;
    for case in cases().into_iter().filter(|case| case.join("expected/rejects").exists()) {
        let lake = Lake::new(&case);
        lake.query("create database appdb").await;
        lake.create("create-rejects-table", "'s3://lake/rejects/'").await;
        let file = fs::read(case.join("file.csv")).expect("the file");

        for row in lake.query("select source, line, reason, raw from rejects").await {
            let line: usize = text(row[1].as_ref()).parse().expect("a line");
            let start: usize = file.split_inclusive(|byte| *byte == b'\n').take(line - 1).map(<[u8]>::len).sum();
            assert_eq!(text(row[0].as_ref()), "source");
            let raw = unescaped(text(row[3].as_ref()));
            assert!(file[start..].starts_with(&raw), "{}: line {line}: {}", case.display(), text(row[3].as_ref()));
            assert!(!raw.is_empty());
            compared += 1;
        }
    }
    assert!(compared > 40, "only {compared} rows were compared");
}
