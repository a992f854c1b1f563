//! `local/SUPPORT.md` says what is true: what it lists as an operation is known, what it lists as refused is refused by name.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::json;
use tests::Cloud;

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/SUPPORT.md"))
        .expect("local/SUPPORT.md")
}

/// The names in backticks of `text`.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `(target prefix, operations)` of each paragraph that begins with `Operations of`.
fn operations(document: &str) -> Vec<(String, Vec<String>)> {
    let paragraphs = document.split("\n\n").filter(|paragraph| paragraph.starts_with("Operations of"));
    paragraphs
        .map(|paragraph| {
            let mut names = code(paragraph).map(str::to_owned);
            (names.next().expect("the service's target"), names.collect())
        })
        .collect()
}

/// The statements of the table of refused ones.
fn refused(document: &str) -> Vec<String> {
    let (_, table) = document.split_once("| Refused statement |").expect("the table of refused statements");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| code(row).next().expect("a statement").to_owned()).collect()
}

/// Calls an operation with an empty input, as the operator or as a function, and gives the whole answer.
fn call(cloud: &Cloud, target: &str, function: Option<&str>) -> String {
    let address = cloud.endpoint.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let key = function.map_or_else(|| "operator".to_owned(), Cloud::key_of);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.1\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/any/aws4_request\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_document_says_is_true() {
    let document = document();
    let cloud = Cloud::start().await;
    let _ = cloud.run(&json!({})).await.succeeded();

    let services = operations(&document);
    assert_eq!(services.len(), 5, "{services:?}");
    for (prefix, names) in services {
        for name in names {
            let answer = call(&cloud, &format!("{prefix}.{name}"), None);
            assert!(!answer.contains("UnknownOperationException"), "{prefix}.{name}: {answer}");
            // What a role needs for it is known, but for what AWS does not have.
            let answer = call(&cloud, &format!("{prefix}.{name}"), Some("incremental-load-step-5"));
            let unknown = answer.contains("AccessDeniedException") && answer.contains("does not know which rights");
            assert_eq!(unknown, prefix == "LocalCloud", "{prefix}.{name}: {answer}");
        }
        let answer = call(&cloud, &format!("{prefix}.DescribeTheWeather"), Some("incremental-load-step-5"));
        assert!(answer.contains("AccessDeniedException") && answer.contains("DescribeTheWeather"), "{answer}");
        let answer = call(&cloud, &format!("{prefix}.DescribeTheWeather"), None);
        assert!(answer.contains("UnknownOperationException") && answer.contains("DescribeTheWeather"), "{answer}");
    }

    let statements = refused(&document);
    assert!(statements.len() > 10, "{statements:?}");
    for statement in statements {
        match cloud.try_query(&statement).await {
            Ok(rows) => panic!("{statement}: is supported after all: {rows:?}"),
            Err(reason) => assert!(
                reason.contains("NOT_SUPPORTED") || reason.contains("does not support"),
                "{statement}: {reason}"
            ),
        }
    }
}
