//! Files of every kind, each against what must become of it.
//!
//! A case is a folder of `cases/`: `file.csv`, `case.json` where it departs from the usual, and `expected/` with the
//! summary's facts and every file that is written. `UPDATE_CASES=1` writes `expected/` anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;
use crate::buffers::{BUDGET, Piece};

fn plan(table: Table) -> Plan {
    Plan {
        table,
        source: "source".to_owned(),
        arrived: Timestamp::parse(b"2026-02-01 00:00:00").unwrap().seconds,
        catalog: None,
        new_columns: NewColumns::Report,
        raw_prefix: format!("raw/{}/", table.name()),
        rejects_prefix: "rejects/".to_owned(),
        max_rejected_percent: 100,
        budget: BUDGET,
    }
}

struct Shared(Arc<Mutex<Vec<Piece>>>);

impl Sink for Shared {
    fn take(&mut self, piece: Piece) -> bool {
        self.0.lock().unwrap().push(piece);
        true
    }
}

/// What becomes of a file that arrives in pieces of `size`: what is found, and the files by key.
fn run(plan: &Plan, file: &[u8], size: usize) -> (Found, BTreeMap<String, Vec<u8>>) {
    let pieces = Arc::<Mutex<Vec<Piece>>>::default();
    let mut extract = Extract::new(plan.clone(), Shared(Arc::clone(&pieces)));
    let mut rest = file.chunks(size.max(1));
    while rest.next().is_some_and(|piece| extract.push(piece)) {}
    let found = extract.finish();
    assert_eq!(found.rows.loaded + found.rows.rejected, found.rows.read, "{found:?}");
    assert_eq!(found.rejected.values().sum::<u64>(), found.rows.rejected, "{found:?}");
    assert_eq!(found.partitions.values().sum::<u64>(), found.rows.loaded, "{found:?}");
    let mut files = BTreeMap::<String, Vec<u8>>::new();
    for piece in pieces.lock().unwrap().drain(..) {
        files.entry(piece.key).or_default().extend(piece.bytes);
    }
    if found.refusal.is_some() {
        files.retain(|key, _| key.starts_with("rejects/"));
    }
    (found, files)
}

fn rows_of(files: &BTreeMap<String, Vec<u8>>, prefix: &str) -> u64 {
    let files = files.iter().filter(|(key, _)| key.starts_with(prefix));
    files.map(|(_, file)| memchr::memchr_iter(b'\n', file).count() as u64 - 1).sum()
}

fn gzip(file: &[u8]) -> Vec<u8> {
    let mut archive = GzEncoder::new(Vec::new(), Compression::fast());
    archive.write_all(file).unwrap();
    archive.finish().unwrap()
}

/// The file of a case that says what is found.
const FACTS: &str = "found.json";

fn facts(found: &Found) -> Value {
    json!({
        "refusal": found.refusal,
        "rows": found.rows,
        "blank_lines": found.blank_lines,
        "rejected": found.rejected,
        "partitions": found.partitions,
        "columns": found.columns,
    })
}

fn case_plan(folder: &Path) -> Plan {
    let text = fs::read_to_string(folder.join("case.json")).unwrap_or_else(|_| "{}".to_owned());
    let case: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let mut plan = plan(Table::Pageviews);
    for (name, value) in case {
        match name.as_str() {
            "table" => plan = self::plan(*Table::ALL.iter().find(|table| value == table.name()).unwrap()),
            "max_rejected_percent" => plan.max_rejected_percent = value.as_u64().unwrap().try_into().unwrap(),
            "new_columns" => plan.new_columns = value.as_str().unwrap().parse().unwrap(),
            "catalog" => plan.catalog = Some(serde_json::from_value(value).unwrap()),
            _ => panic!("{}: {name} is not known", folder.display()),
        }
    }
    plan
}

fn read_tree(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_tree(root, &path, files);
        } else {
            let key = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.insert(key, fs::read(&path).unwrap());
        }
    }
}

#[test]
fn every_case_becomes_what_is_expected() {
    let mut cases: Vec<PathBuf> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() > 20);
    for folder in cases {
        let (plan, file) = (case_plan(&folder), fs::read(folder.join("file.csv")).unwrap());
        let (found, mut files) = run(&plan, &file, file.len());
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(run(&plan, &file, size), (found.clone(), files.clone()), "{} by {size}", folder.display());
        }
        let packed = gzip(&file);
        for size in [1, 5, packed.len()] {
            let (unpacked, unpacked_files) = run(&plan, &packed, size);
            assert_eq!(facts(&unpacked), facts(&found), "{} packed", folder.display());
            assert_eq!((unpacked_files, unpacked.gzip), (files.clone(), true), "{} packed", folder.display());
        }
        let text = serde_json::to_string_pretty(&facts(&found)).unwrap() + "\n";
        files.insert(FACTS.to_owned(), text.into_bytes());
        let expected = folder.join("expected");
        if std::env::var_os("UPDATE_CASES").is_some() {
            let _absent_the_first_time = fs::remove_dir_all(&expected);
            for (key, content) in &files {
                fs::create_dir_all(expected.join(key).parent().unwrap()).unwrap();
                fs::write(expected.join(key), content).unwrap();
            }
        }
        let mut tree = BTreeMap::new();
        read_tree(&expected, &expected, &mut tree);
        let told: Value = serde_json::from_slice(&tree.remove(FACTS).unwrap()).unwrap();
        assert_eq!(facts(&found), told, "{}", folder.display());
        files.remove(FACTS);
        let shown = |files: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, String> {
            files.iter().map(|(key, content)| (key.clone(), String::from_utf8_lossy(content).into_owned())).collect()
        };
        assert_eq!(shown(&files), shown(&tree), "{}", folder.display());
    }
}

const HEADER: &str = "view_id,customer_id,url,viewed_at\n";

#[test]
fn a_line_of_a_hundred_megabytes_is_one_reject_and_takes_no_memory() {
    let mut extract = Extract::new(plan(Table::Pageviews), Vec::new());
    extract.push([HEADER, "1,a,/,2026-01-01 00:00:00\n2,a,"].concat().as_bytes());
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        extract.push(&megabyte);
        assert!(extract.text.sample.capacity() + extract.text.reader.pending() < 8 << 20);
    }
    extract.push(b",2026-01-01 00:00:00\n3,a,/,2026-01-01 00:00:00\n");
    let found = extract.finish();
    assert_eq!(found.rows, Rows { read: 3, loaded: 2, rejected: 1 });
    assert_eq!(found.rejected, BTreeMap::from([("row_too_long", 1)]));
}

#[test]
fn a_field_may_be_long_but_not_too_long() {
    let row = |length| [HEADER, "1,a,", &"x".repeat(length), ",2026-01-01 00:00:00\n"].concat();
    assert_eq!(run(&plan(Table::Pageviews), row(MAX_FIELD).as_bytes(), 1 << 16).0.rows.loaded, 1);
    let (found, files) = run(&plan(Table::Pageviews), row(MAX_FIELD + 1).as_bytes(), 1 << 16);
    assert_eq!(found.rejected, BTreeMap::from([("field_too_long", 1)]));
    assert!(files["rejects/pageviews/source/0000.csv"].len() < schema::BROKEN_TEXT + 200);
}

#[test]
fn an_archive_that_is_damaged_cut_off_or_followed_by_something_is_refused() {
    let text = [HEADER, &"1,a,/,2026-01-01 00:00:00\n".repeat(10_000)].concat();
    let archive = gzip(text.as_bytes());
    let mut damaged = archive.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xFF);
    let followed = [&archive[..], b"more"].concat();
    for (name, file) in [("cut", &archive[..archive.len() - 4]), ("damaged", &damaged), ("followed", &followed)] {
        let (found, files) = run(&plan(Table::Pageviews), file, 1000);
        assert_eq!(found.refusal.map(|refusal| refusal.reason), Some("damaged_archive"), "{name}");
        assert_eq!((found.rows.loaded, rows_of(&files, "raw/")), (0, 0), "{name}");
    }
    let twice = [gzip(HEADER.as_bytes()), gzip(b"1,a,/,2026-01-01 00:00:00\n")].concat();
    assert_eq!(run(&plan(Table::Pageviews), &twice, 9).0.rows.loaded, 1, "members follow one another");
}

#[test]
fn an_archive_that_unpacks_to_a_thousand_times_its_size_takes_no_memory() {
    let text = [HEADER, "1,a,", &"x".repeat(200 << 20), ",2026-01-01 00:00:00\n2,a,/,2026-01-01 00:00:00\n"].concat();
    let archive = gzip(text.as_bytes());
    drop(text);
    let mut extract = Extract::new(plan(Table::Pageviews), Vec::new());
    for piece in archive.chunks(1 << 20) {
        extract.push(piece);
        let unpacked = extract.gzip.as_ref().unwrap().get_ref().capacity();
        assert!(unpacked + extract.text.reader.pending() < 24 << 20);
    }
    assert_eq!(extract.finish().rows, Rows { read: 2, loaded: 1, rejected: 1 });
}

#[test]
fn a_file_for_too_many_partitions_is_refused() {
    let mut text = b"customer_id,name,email,created_at,country\n".to_vec();
    (0..=MOST_PARTITIONS).for_each(|number| text.extend(format!("{number},n,e,c,C{number}\n").into_bytes()));
    let (found, files) = run(&plan(Table::Customers), &text, 1 << 16);
    assert_eq!(found.refusal.unwrap().reason, "too_many_partitions");
    assert_eq!(rows_of(&files, "raw/"), 0);
}

#[test]
fn little_memory_makes_more_files_with_the_same_rows() {
    let mut text = HEADER.as_bytes().to_vec();
    for number in 0..200_000 {
        let day = number * 11 % 28 + 1;
        text.extend(format!("{number},customer,/page/{number},2026-01-{day:02} 00:00:00\n").into_bytes());
    }
    let (found, files) = run(&plan(Table::Pageviews), &text, 1 << 16);
    let little = Plan { budget: 2 << 20, ..plan(Table::Pageviews) };
    let (found_by_little, more_files) = run(&little, &text, 1 << 16);
    assert_eq!(facts(&found), facts(&found_by_little));
    assert_eq!((files.len(), rows_of(&files, "raw/")), (28, 200_000));
    assert!(more_files.len() > 28);
    assert_eq!(rows_of(&more_files, "raw/"), 200_000);
    assert_eq!(run(&little, &text, 777).1, more_files, "however the bytes arrive");
}
