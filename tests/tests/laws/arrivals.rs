//! Law: a file that is dropped into the inbox counts once and whole, whatever goes wrong while it is loaded. A file that was
//! given up waits in the queue, and counts once and whole when it is dropped again.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::Cloud;

use crate::figures;
use crate::laboratory::Laboratory;
use crate::random::rules;
use crate::trial;

/// Schedules, each with other files.
const SCHEDULES: u64 = 8;
/// Rows of the files: so many that the broken ones are too few for a refusal.
const VIEWS: u64 = 800;
const CUSTOMERS: u64 = 500;

pub fn trials() -> Vec<Trial> {
    let schedule = |seed| trial(format!("a_dropped_file_counts_once::{seed:04}"), move || dropped(seed));
    (0..SCHEDULES).map(schedule).collect()
}

async fn dropped(seed: u64) {
    let laboratory = Laboratory::open().await;
    let cloud = &laboratory.cloud;
    let folder = TempDir::new().expect("a temporary folder");
    let planted = generate(folder.path(), seed);
    laboratory.plan(seed, &rules(seed), false);
    for file in ["customers", "pageviews"] {
        put(cloud, folder.path(), file).await;
    }
    cloud.idle().await;
    figures::injected(&laboratory.told().0);
    laboratory.plan(0, &[], false);
    // Whoever sees a file in the queue drops it again; the others may come twice, too.
    for file in ["pageviews", "customers"] {
        put(cloud, folder.path(), file).await;
    }
    cloud.idle().await;

    let _ = laboratory.run(&json!({})).await.succeeded();
    let counts = "select (select count(*) from pageviews), (select count(*) from customers), (select count(*) from rejects), \
                  (select sum(view_count) from pageviews_daily)";
    let counted = cloud.query(counts).await;
    let expected = [VIEWS, CUSTOMERS, planted, VIEWS].map(|count| Some(count.to_string()));
    assert_eq!(counted, [expected.to_vec()], "views, customers, rejected rows, views in the output");
}

/// Plain files; how many broken rows they have.
fn generate(folder: &Path, seed: u64) -> u64 {
    let output = Cloud::command()
        .args(["--json", "generate", "--plain", "--plant", "all", "--planted", "1", "--days", "3"])
        .args([
            "--customers",
            &CUSTOMERS.to_string(),
            "--views",
            &VIEWS.to_string(),
            "--seed",
            &seed.to_string(),
            "--out",
        ])
        .arg(folder)
        .output()
        .expect("pageviews generates");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let counts = report["plain"].as_array().into_iter().flatten().filter_map(|file| file["planted"].as_object());
    counts.flat_map(|kinds| kinds.values()).filter_map(Value::as_u64).sum()
}

async fn put(cloud: &Cloud, folder: &Path, table: &str) {
    let content = std::fs::read(folder.join(format!("{table}.csv"))).expect("a readable file");
    let put = cloud.s3().put_object().bucket(cloud.bucket().await).key(format!("inbox/{table}/{table}.csv"));
    put.body(content.into()).send().await.expect("the object is put");
}
