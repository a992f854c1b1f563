//! How a statement is run to its end, against canned answers of Athena.

use std::time::Duration;

use canned::{Aws, Reply, athena};
use shared::athena::MAX_ATTEMPTS;
use shared::sql::{self, Statement};

fn statement() -> Statement {
    sql::trino("test", "select 1").render(&[]).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_statement_is_polled_to_its_end() {
    let running = std::iter::repeat_with(|| athena::running("q-1")).take(30);
    let replies = std::iter::once(athena::started("q-1")).chain(running).chain([athena::succeeded("q-1", 10)]);
    let aws = Aws::new(replies).with_seconds(900);

    let finished = aws.context(()).athena.run(&statement()).await.unwrap();

    assert_eq!((finished.query_execution_id.as_str(), finished.bytes_scanned), ("q-1", 10));
    assert!(aws.waited() > Duration::from_secs(30) && aws.waited() < Duration::from_secs(150), "{:?}", aws.waited());
    let started = &aws.bodies(athena::START)[0];
    assert_eq!(started["WorkGroup"], "pageviews");
    assert_eq!(started["QueryExecutionContext"]["Catalog"], "AwsDataCatalog");
}

#[tokio::test]
async fn the_first_look_comes_at_once_and_the_second_soon() {
    let aws = Aws::new([athena::started("q-1"), athena::running("q-1"), athena::succeeded("q-1", 0)]);

    aws.context(()).athena.run(&statement()).await.unwrap();

    assert!(aws.waited() <= Duration::from_millis(20), "{:?}", aws.waited());
}

#[tokio::test]
async fn the_token_follows_from_execution_redrive_state_statement_and_attempt() {
    let token = async |aws: Aws, statement: &Statement| {
        aws.context(()).athena.run(statement).await.unwrap();
        aws.tokens()[0].clone()
    };
    let aws = || Aws::new(athena::run("q-1", 0));
    let other = sql::trino("test", "select 2").render(&[]).unwrap();

    let first = token(aws(), &statement()).await;

    assert_eq!(first.len(), 64);
    assert_eq!(first, token(aws(), &statement()).await);
    assert_ne!(first, token(aws(), &other).await);
    assert_ne!(first, token(aws().redriven(1), &statement()).await);
}

#[tokio::test]
async fn what_athena_calls_passing_is_tried_again() {
    let passing = [
        athena::failed("q-1", "resources exhausted", 8, true),
        athena::failed("q-1", "Glue is throttled", 1401, false),
        athena::failed("q-1", "ICEBERG_COMMIT_ERROR: conflict", 233, false),
    ];
    for failure in passing {
        let aws = Aws::new([vec![athena::started("q-1"), failure], athena::run("q-2", 0).to_vec()].concat());

        let finished = aws.context(()).athena.run(&statement()).await.unwrap();

        assert_eq!(finished.query_execution_id, "q-2");
        assert_ne!(aws.tokens()[0], aws.tokens()[1]);
        assert!(aws.waited() >= Duration::from_secs(1));
    }
}

#[tokio::test]
async fn what_would_fail_again_is_not_tried_again() {
    let cases = [
        (athena::failed("q-1", "COLUMN_NOT_FOUND", 1006, false), "QueryFailed"),
        (athena::failed("q-1", "ICEBERG_BAD_DATA", 233, false), "QueryFailed"),
        (athena::cancelled("q-1"), "QueryCancelled"),
    ];
    for (ending, code) in cases {
        let aws = Aws::new([athena::started("q-1"), ending]);

        assert_eq!(aws.context(()).athena.run(&statement()).await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn attempts_are_counted() {
    let failures =
        (0..MAX_ATTEMPTS).flat_map(|_| [athena::started("q-1"), athena::failed("q-1", "resources exhausted", 8, true)]);
    let aws = Aws::new(failures);

    assert_eq!(aws.context(()).athena.run(&statement()).await.unwrap_err().code(), "QueryFailed");
    aws.assert_finished();
}

#[tokio::test]
async fn near_the_deadline_the_query_is_left_running_and_found_again() {
    let running = std::iter::repeat_with(|| athena::running("q-1")).take(100);
    let first = Aws::new(std::iter::once(athena::started("q-1")).chain(running)).with_seconds(60);
    let second = Aws::new(athena::run("q-1", 10));

    let error = first.context(()).athena.run(&statement()).await.unwrap_err();
    second.context(()).athena.run(&statement()).await.unwrap();

    assert_eq!(error.code(), "QueryStillRunning");
    assert!(first.waited() > Duration::from_secs(45) && first.waited() <= Duration::from_secs(54));
    assert_eq!(first.tokens(), second.tokens());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let cases = [
        (Reply::refused(athena::START, "TooManyRequestsException"), "QueryThrottled"),
        (Reply::refused(athena::START, "InvalidRequestException"), "QueryFailed"),
        (Reply::refused(athena::START, "AccessDeniedException"), "ServiceRefused"),
        (Reply::broken(athena::START), "ServiceError"),
    ];
    for (reply, code) in cases {
        let aws = Aws::new([reply]);

        let error = aws.context(()).athena.run(&statement()).await.unwrap_err();

        assert_eq!(error.code(), code, "{}", error.report());
    }
}
