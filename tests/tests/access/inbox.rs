//! Files that are dropped into the inbox, in every way that asks `extract-load` for a right of its role.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::{Value, json};
use tests::Cloud;

/// Customers with a column that is new.
const CUSTOMERS: &str = "customer_id,name,email,created_at,country,age\n1,Ann,a@example.com,2026-01-01,USA,30\n";
/// Page views with a column that is new.
const PAGEVIEWS: &str = "view_id,customer_id,url,viewed_at,millis\n1,1,/,2026-01-30 10:00:00,12\n";

/// Drops files: small ones, a large one twice, and one that an earlier attempt had divided otherwise.
pub async fn drop_files(cloud: &Cloud) {
    let _ = load(cloud, "inbox/customers/small.csv", CUSTOMERS.as_bytes()).await;
    let small = load(cloud, "inbox/pageviews/small.csv", PAGEVIEWS.as_bytes()).await;
    assert_eq!(small["status"], "loaded");
    let large = large();
    let first = load(cloud, "inbox/pageviews/large.csv", &large).await;
    assert_eq!((&first["status"], first["rows_rejected"].as_u64()), (&json!("loaded"), Some(90_000)));
    // Its parts of raw files and of rejects are begun before it is known that they are not needed.
    assert_eq!(load(cloud, "inbox/pageviews/again.csv", &large).await["status"], "duplicate");
    forget(cloud, small["source"].as_str().expect("a source")).await;
    assert_eq!(load(cloud, "inbox/pageviews/small.csv", PAGEVIEWS.as_bytes()).await["status"], "loaded");
}

/// More than a part of raw rows for one day, and more than a part of rejects.
fn large() -> Vec<u8> {
    let mut text = b"view_id,customer_id,url,viewed_at\n".to_vec();
    for number in 0..90_000 {
        let url = "/a/page/with/a/long/address".repeat(3);
        text.extend_from_slice(format!("{number},1,{url},2026-01-30 11:00:00\n{number},1,{url},never\n").as_bytes());
    }
    text
}

/// Drops a file, and tells the function a second time when it is loaded; what became of the file.
async fn load(cloud: &Cloud, key: &str, content: &[u8]) -> Value {
    let bucket = cloud.bucket().await;
    let body = ByteStream::from(content.to_vec());
    let put = cloud.s3().put_object().bucket(&bucket).key(key).body(body).send().await.expect("the file is dropped");
    cloud.idle().await;
    let tag = put.e_tag().unwrap_or_default().trim_matches('"').to_owned();
    let object = json!({"key": key, "size": content.len(), "eTag": tag, "sequencer": "1"});
    let event = json!({"Records": [{"eventVersion": "2.1", "eventName": "ObjectCreated:Put",
        "eventTime": "2026-02-01T00:00:00.000Z", "s3": {"bucket": {"name": bucket}, "object": object}}]});
    let payload = Blob::new(event.to_string());
    let lambda = aws_sdk_lambda::Client::new(&cloud.config);
    let invoked = lambda.invoke().function_name("extract-load").payload(payload).send().await.expect("an answer");
    let answer = invoked.payload().map(|answer| String::from_utf8_lossy(answer.as_ref()).into_owned());
    assert_eq!(invoked.function_error(), None, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.unwrap_or_default()).expect("JSON");
    answer["sources"][0].clone()
}

/// As if a source had died before its summary, and an earlier deployment had divided it into more files.
async fn forget(cloud: &Cloud, source: &str) {
    let (s3, bucket) = (cloud.s3(), cloud.bucket().await);
    let summary = format!("loads/pageviews/{source}.json");
    let read = s3.get_object().bucket(&bucket).key(&summary).send().await.expect("the summary");
    let read = read.body.collect().await.expect("the summary").to_vec();
    let read: Value = serde_json::from_slice(&read).expect("JSON");
    let key = format!("loads/content/{}.json", read["sha256"].as_str().expect("a digest"));
    let stale = format!("raw/pageviews/year=2026/month=01/day=30/{source}-0001.csv");
    let claim = json!({"source": source, "table": "pageviews", "files": [stale]}).to_string();
    s3.put_object().bucket(&bucket).key(key).body(claim.into_bytes().into()).send().await.expect("the claim");
    s3.delete_object().bucket(&bucket).key(summary).send().await.expect("no summary");
}
