//! Generated data is the same every time, part by part, and the recomputation counts it by the pipeline's rules.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use clap::ValueEnum as _;
use pageviews::generate::{Broken, Dataset, Half, Planting, Quirks, Selection};
use pageviews::recompute::{DailyViews, Key};
use pageviews::{load, raw_zone};

fn dataset() -> Dataset {
    Dataset {
        start: NaiveDate::from_ymd_opt(2026, 1, 30).unwrap(),
        days: 4,
        views: 10_000,
        customers: 100,
        quirks: Quirks { unknown_customers: 0.05, quoted: 0.1, non_ascii: 0.1, duplicate_customers: 10 },
        ..Dataset::default()
    }
}

/// Every file's text by its place.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let files = load::raw_files(folder).unwrap();
    files.into_iter().map(|file| (file.key, fs::read_to_string(file.path).unwrap())).collect()
}

fn write(dataset: &Dataset, folder: &Path, selection: &Selection, threads: usize) {
    dataset.write(folder, selection, threads, &|_| {}).unwrap();
}

#[test]
fn parts_that_arrive_later_are_the_same_bytes() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = dataset();
    write(&dataset, whole.path(), &dataset.everything(), 3);
    let mut days: Vec<_> = dataset.dates().map(|date| (date, None)).collect();
    let last = days.pop().unwrap().0;
    days.push((last, Some(Half::Early)));
    write(&dataset, parts.path(), &Selection { customers: true, days }, 1);
    assert_ne!(files(whole.path()), files(parts.path()));
    write(&dataset, parts.path(), &Selection { customers: false, days: vec![(last, Some(Half::Late))] }, 2);
    assert_eq!(files(whole.path()), files(parts.path()));
}

#[test]
fn generated_data_is_fit_to_be_loaded_and_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset();
    let written = dataset.write(folder.path(), &dataset.everything(), 2, &|_| {}).unwrap();
    let checked = load::check(&load::raw_files(folder.path()).unwrap(), 2, &|_| {}).unwrap();
    assert_eq!((checked.views, checked.customers), (10_000, 110));
    assert_eq!((checked.files, checked.bytes), (written.files, written.bytes));
    assert_eq!(DailyViews::from_raw_zone(folder.path()).unwrap().views(), 10_000);
    let text: String = files(folder.path()).into_values().collect();
    assert!(text.contains("\"\"") && text.contains("größe"), "quotes and letters beyond ASCII");
}

#[test]
fn the_recomputation_knows_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let put = |place: &str, rows: &str| {
        let path = folder.path().join(place).join("a.csv");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("header\n{rows}")).unwrap();
    };
    put(&raw_zone::customers_folder("USA"), "1,A,a,x\n2,B,b,x\n");
    put(&raw_zone::customers_folder("DEU"), "2,\"B, C\",b,x\r\n");
    let day = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
    put(&raw_zone::pageviews_folder(day), "1,1,/a,t\n2,2,/a,t\n3,9,\"/a,b\",t\n4,2,/a,1999-01-01 00:00:00\n");
    let views = DailyViews::from_raw_zone(folder.path()).unwrap();
    let count = |url: &str, country: &str| {
        views.get(&Key { date: "2026-02-01".to_owned(), url: url.to_owned(), country: country.to_owned() })
    };
    assert_eq!(count("/a", "USA"), Some(1));
    assert_eq!(count("/a", "DEU"), Some(2), "a customer in two countries belongs to the smaller one");
    assert_eq!(count("/a,b", "UNKNOWN"), Some(1));
    assert_eq!((views.rows(), views.views()), (3, 4));
    assert_eq!(views.first_difference(&views), None);
}

#[test]
fn plain_files_hold_the_same_rows_and_say_what_was_planted_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset();
    let everything = dataset.everything();
    let plain = |name: &str, planting: &Planting| {
        let out = folder.path().join(name);
        let files = dataset.write_plain(&out, &everything, planting, &|_| {}).unwrap();
        let rows: Vec<u64> = files.iter().map(|file| file.rows).collect();
        let planted: Vec<u64> = files.iter().map(|file| file.planted.values().sum()).collect();
        (rows, planted, ["customers.csv", "pageviews.csv"].map(|file| fs::read(out.join(file)).unwrap()))
    };
    let (rows, planted, clean) = plain("clean", &Planting::default());
    assert_eq!((rows, planted), (vec![110, 10_000], vec![0, 0]));
    write(&dataset, &folder.path().join("raw"), &everything, 1);
    let mut raw: Vec<String> = files(&folder.path().join("raw"))
        .into_iter()
        .filter(|(key, _)| key.starts_with("pageviews"))
        .flat_map(|(_, text)| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut views: Vec<String> =
        String::from_utf8(clean[1].clone()).unwrap().lines().skip(1).map(str::to_owned).collect();
    raw.sort();
    views.sort();
    assert_eq!(raw, views);

    let planting = Planting { kinds: Broken::value_variants().to_vec(), rows: 2 };
    let (rows, planted, broken) = plain("broken", &planting);
    assert_eq!(planted, [16, 18], "eight kinds among the customers, nine among the page views");
    assert_eq!(rows, [126, 10_018]);
    assert_eq!(plain("again", &planting).2, broken, "planted rows are the same every time");
    for (clean, broken) in clean.iter().zip(&broken) {
        let good = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()).count();
        assert!(good(broken) > good(clean));
    }
}
