//! The way in: plain files through the inbox to the raw zone and the output, each row counted once, whatever happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::Cloud;

use crate::trial;

/// One trial a story.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("inbox_every_row_of_a_plain_file_is_loaded_or_rejected_and_counted_once", every_row),
        trial("inbox_the_same_event_twice_changes_nothing", same_event_twice),
        trial("inbox_a_killed_cloud_loads_what_had_arrived", killed),
        trial("inbox_a_refused_file_ends_in_the_queue_with_its_reason", refused),
        trial("inbox_the_same_file_under_two_names_counts_once", two_names),
    ]
}

/// Plain files, and how many rows of each were planted.
struct Files {
    folder: TempDir,
    customers: PathBuf,
    pageviews: PathBuf,
    planted: u64,
    views: u64,
}

fn generate(views: u64, planted: u64) -> Files {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = Cloud::command();
    command.args(["--json", "generate", "--plain", "--customers", "500", "--days", "5", "--out"]).arg(folder.path());
    command.args(["--views", &views.to_string()]);
    if planted > 0 {
        command.args(["--plant", "all", "--planted", &planted.to_string()]);
    }
    let output = command.output().expect("pageviews generates");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let counts = report["plain"].as_array().into_iter().flatten().filter_map(|file| file["planted"].as_object());
    let planted = counts.flat_map(|kinds| kinds.values()).filter_map(Value::as_u64).sum();
    let (customers, pageviews) = (folder.path().join("customers.csv"), folder.path().join("pageviews.csv"));
    Files { folder, customers, pageviews, planted, views }
}

/// `pageviews load`, against a running cloud: its exit code, its report, and what it complains of.
fn load(cloud: &Cloud, paths: &[&Path]) -> (Option<i32>, Value, String) {
    let mut command = Cloud::command();
    command.args(["--json", "load", "--endpoint", &cloud.endpoint, "--template"]).arg(Cloud::template()).args(paths);
    let output = command.output().expect("pageviews loads");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {error}"));
    (output.status.code(), report, error)
}

/// Every object below a prefix: key to `ETag`.
async fn objects(cloud: &Cloud, prefix: &str) -> BTreeMap<String, String> {
    let bucket = cloud.bucket().await;
    let mut pages = cloud.s3().list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        found.extend(page.contents().iter().filter_map(|one| Some((one.key()?.to_owned(), one.e_tag()?.to_owned()))));
    }
    found
}

async fn put(cloud: &Cloud, key: &str, path: &Path) -> String {
    let body = aws_sdk_s3::primitives::ByteStream::from(std::fs::read(path).expect("a readable file"));
    let put = cloud.s3().put_object().bucket(cloud.bucket().await).key(key).body(body).send().await;
    put.expect("the object is put").e_tag().expect("an ETag").trim_matches('"').to_owned()
}

/// Rows of raw page views, by the engine.
async fn raw_views(cloud: &Cloud) -> u64 {
    let rows = cloud.query("select count(*) from pageviews").await;
    rows[0][0].as_deref().and_then(|count| count.parse().ok()).expect("a count")
}

async fn every_row() {
    let cloud = Cloud::start().await;
    let files = generate(5000, 2);
    let (code, report, error) = load(&cloud, &[&files.customers, &files.pageviews]);
    assert_eq!(code, Some(0), "{error}");
    let sum = |name: &str| -> u64 {
        report["files"].as_array().into_iter().flatten().filter_map(|file| file["summary"]["rows"][name].as_u64()).sum()
    };
    assert_eq!(sum("read"), sum("loaded") + sum("rejected"), "{report}");
    assert_eq!((sum("loaded"), sum("rejected")), (files.views + 500, files.planted), "{report}");

    let _ = cloud.run(&json!({})).await.succeeded();
    assert_eq!(raw_views(&cloud).await, files.views);
    let counted = cloud.query("select sum(view_count) from pageviews_daily").await;
    assert_eq!(counted, [[Some(files.views.to_string())]]);
    let rejects = cloud.query("select count(*), count(distinct reason) from rejects").await;
    assert_eq!(rejects, [[Some(files.planted.to_string()), Some("10".to_owned())]], "every kind was planted");

    // Once more: the same files under the same names.
    let before = objects(&cloud, "").await;
    let (code, again, error) = load(&cloud, &[&files.customers, &files.pageviews]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(again["files"][1]["summary"]["rows"], report["files"][1]["summary"]["rows"]);
    assert_eq!(objects(&cloud, "raw/").await, before.into_iter().filter(|(key, _)| key.starts_with("raw/")).collect());
}

async fn same_event_twice() {
    let cloud = Cloud::start().await;
    let files = generate(2000, 1);
    let etag = put(&cloud, "inbox/pageviews/a b=c.csv", &files.pageviews).await;
    cloud.idle().await;
    let once = objects(&cloud, "").await;
    let event = json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-25T12:00:00.000Z", "eventName": "ObjectCreated:Put",
        "s3": { "s3SchemaVersion": "1.0", "bucket": { "name": cloud.bucket().await }, "object": {
            "key": "inbox/pageviews/a+b%3Dc.csv", "eTag": etag, "sequencer": "01",
            "size": std::fs::metadata(&files.pageviews).expect("its size").len(),
        }},
    }]});
    let lambda = aws_sdk_lambda::Client::new(&cloud.config);
    for _ in 0..2 {
        let invoked = lambda.invoke().function_name("extract-load").invocation_type(InvocationType::Event);
        invoked.payload(Blob::new(event.to_string())).send().await.expect("the event is accepted");
    }
    cloud.idle().await;
    assert_eq!(objects(&cloud, "").await, once);
    assert!(once.keys().any(|key| key.starts_with("raw/pageviews/year=2026/")), "{once:?}");
    assert_eq!(cloud.call("LocalCloud.ListEvents", &json!({}))["Failures"], json!([]));
}

async fn killed() {
    let files = generate(100_000, 1);
    // The later, the further the function has come.
    for millis in [0, 100, 400] {
        let cloud = Cloud::start().await;
        let _ = put(&cloud, "inbox/pageviews/pageviews.csv", &files.pageviews).await;
        let _ = put(&cloud, "inbox/customers/customers.csv", &files.customers).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let cloud = cloud.kill_and_restart().await;
        cloud.idle().await;
        assert_eq!(cloud.call("LocalCloud.ListEvents", &json!({}))["Failures"], json!([]));
        assert_eq!(objects(&cloud, "loads/pageviews/").await.len(), 1);
        let _ = cloud.run(&json!({})).await.succeeded();
        assert_eq!(raw_views(&cloud).await, files.views, "killed after {millis} ms");
    }
}

async fn refused() {
    let cloud = Cloud::start().await;
    let files = generate(500, 0);
    let wrong = files.folder.path().join("pageviews-wrong.csv");
    std::fs::write(&wrong, "view_id,customer,url,viewed_at\n1,2,/,2026-01-01 00:00:00\n").expect("a file");
    let (code, report, error) = load(&cloud, &[&files.customers, &wrong, &files.pageviews]);
    assert_eq!(code, Some(1));
    let last = error.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: 1 of 3 files were not loaded: ") && last.contains("customer_id"), "{error}");
    assert_eq!(report["files"][2]["summary"]["rows"]["loaded"], files.views, "the others are loaded");
    let url = cloud.call("AmazonSQS.GetQueueUrl", &json!({ "QueueName": Cloud::UNLOADED_FILES }));
    let asked = json!({ "QueueUrl": url["QueueUrl"], "WaitTimeSeconds": 20 });
    let received = cloud.call("AmazonSQS.ReceiveMessage", &asked);
    let record = received["Messages"][0]["Body"].as_str().unwrap_or_else(|| panic!("no message: {received}"));
    let record: Value = serde_json::from_str(record).expect("a record");
    let object = &record["requestPayload"]["Records"][0]["s3"]["object"];
    assert_eq!(object["key"], "inbox/pageviews/pageviews-wrong.csv");
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["responsePayload"]["errorType"], "SourceRefused", "{record}");
    assert_eq!(objects(&cloud, "raw/pageviews/").await.keys().filter(|key| key.contains("wrong")).count(), 0);
}

async fn two_names() {
    let cloud = Cloud::start().await;
    let files = generate(3000, 0);
    let copy = files.folder.path().join("pageviews-copy.csv");
    std::fs::copy(&files.pageviews, &copy).expect("a copy");
    // Both at once: one of them waits for the other.
    let (code, report, error) = load(&cloud, &[&files.pageviews, &copy]);
    assert_eq!(code, Some(0), "{error}");
    let status = |index: usize| report["files"][index]["summary"]["status"].as_str().unwrap_or_default().to_owned();
    let mut both = [status(0), status(1)];
    both.sort();
    assert_eq!(both, ["duplicate", "loaded"], "{report}");
    let _ = cloud.run(&json!({})).await.succeeded();
    assert_eq!(raw_views(&cloud).await, files.views);
}
