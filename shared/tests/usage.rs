//! What an invocation uses, over the real clients: every attempt of every call, every query once.

use canned::{Aws, Reply, athena, glue, s3};
use shared::usage::{Query, Requests};

#[tokio::test]
async fn every_call_and_every_query_is_counted() {
    let replies = [
        athena::running("q-1"),
        athena::succeeded("q-1", 64),
        athena::succeeded("q-1", 64),
        Reply::refused(glue::GET, "EntityNotFoundException"),
        s3::listing("raw/", &["a"], &[]),
    ];
    let aws = Aws::new(replies);
    let context = aws.context(());

    context.athena.wait("q-1").await.expect("a finished query");
    context.athena.wait("q-1").await.expect("a finished query");
    assert!(context.catalog.table("pageviews_daily").await.expect("an answer").is_none());
    context.lake.list(&canned::location("s3://lake/raw/")).await.expect("a listing");

    let usage = context.usage();
    assert_eq!(usage.requests, Requests { athena: 3, glue: 1, s3: 1, states: 0 });
    let query = Query { query_execution_id: "q-1".to_owned(), statement_type: "DML".to_owned(), bytes_scanned: 64 };
    assert_eq!(usage.queries, [query]);
    assert!(usage.millis >= 10, "the pause between two looks counts: {}", usage.millis);
}
