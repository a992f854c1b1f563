//! Queries.

use aws_sdk_athena::Client;
use aws_sdk_athena::error::ProvideErrorMetadata;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionState, ResultConfiguration, WorkGroupConfiguration};

use crate::served::Served;

const OUTPUT: &str = "s3://lake/athena-results/";

fn output(location: &str) -> ResultConfiguration {
    ResultConfiguration::builder().output_location(location).build()
}

async fn start(athena: &Client, sql: &str) -> String {
    let start = athena.start_query_execution().query_string(sql).result_configuration(output(OUTPUT));
    start.send().await.unwrap().query_execution_id.unwrap()
}

async fn execution(athena: &Client, id: &str) -> QueryExecution {
    let got = athena.get_query_execution().query_execution_id(id).send().await.unwrap();
    got.query_execution.unwrap()
}

fn state(execution: &QueryExecution) -> QueryExecutionState {
    execution.status().unwrap().state().unwrap().clone()
}

async fn finished(athena: &Client, id: &str) -> QueryExecution {
    loop {
        let execution = execution(athena, id).await;
        if !matches!(state(&execution), QueryExecutionState::Queued | QueryExecutionState::Running) {
            return execution;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_token_starts_a_query_once_even_after_a_restart() {
    let served = Served::start().await;
    let token = "t".repeat(64);
    let start = |athena: Client, sql: &'static str| {
        let start = athena.start_query_execution().query_string(sql).result_configuration(output(OUTPUT));
        start.client_request_token(&token).send()
    };
    let first = start(served.athena(), "SELECT 1").await.unwrap();
    let again = start(served.athena(), "SELECT 1").await.unwrap();
    assert_eq!(first.query_execution_id(), again.query_execution_id());
    finished(&served.athena(), first.query_execution_id().unwrap()).await;
    let served = served.restart().await;
    let again = start(served.athena(), "SELECT 1").await.unwrap();
    assert_eq!(first.query_execution_id(), again.query_execution_id());
    let changed = start(served.athena(), "SELECT 2").await.unwrap_err();
    assert_eq!(changed.message(), Some("Idempotent parameters do not match"));
    let short = served.athena().start_query_execution().query_string("SELECT 1").client_request_token("short");
    assert_eq!(short.send().await.unwrap_err().code(), Some("InvalidRequestException"));
}

#[tokio::test]
async fn results_come_in_pages_and_in_a_file() {
    let served = Served::start().await;
    let athena = served.athena();
    let id = start(&athena, "SELECT x, nullif(x, 2) AS y FROM UNNEST(sequence(1, 1500)) AS t (x) ORDER BY x").await;
    let done = finished(&athena, &id).await;
    assert_eq!(state(&done), QueryExecutionState::Succeeded, "{done:?}");
    assert_eq!(done.result_configuration().unwrap().output_location(), Some(format!("{OUTPUT}{id}.csv").as_str()));
    let pages = athena.get_query_results().query_execution_id(&id).into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    let rows: Vec<_> = pages.iter().flat_map(|page| page.result_set().unwrap().rows()).collect();
    assert_eq!((pages.len(), rows.len()), (2, 1501));
    assert_eq!(rows[0].data()[0].var_char_value(), Some("x"));
    assert_eq!(rows[2].data()[1].var_char_value(), None);
    assert_eq!(rows[1500].data()[0].var_char_value(), Some("1500"));
    let column = &pages[0].result_set().unwrap().result_set_metadata().unwrap().column_info()[0];
    assert_eq!((column.name(), column.r#type()), ("x", "bigint"));
    let file = served.s3().get_object().bucket("lake").key(format!("athena-results/{id}.csv")).send().await.unwrap();
    let file = file.body.collect().await.unwrap().to_vec();
    assert!(file.starts_with(b"\"x\",\"y\"\n\"1\",\"1\"\n\"2\",\n\"3\",\"3\"\n"));
}

#[tokio::test]
async fn a_query_fails_where_athena_fails_it() {
    let served = Served::start().await;
    let athena = served.athena();
    let typo = athena.start_query_execution().query_string("SELEC 1").result_configuration(output(OUTPUT)).send();
    let typo = typo.await.unwrap_err().into_service_error();
    assert!(typo.is_invalid_request_exception() && typo.message().unwrap().starts_with("line 1:1"), "{typo:?}");
    let nowhere = athena.start_query_execution().query_string("SELECT 1").send().await.unwrap_err();
    assert!(nowhere.message().unwrap().contains("No output location provided"));
    finished(&athena, &start(&athena, "CREATE DATABASE appdb").await).await;
    let id = start(&athena, "SELECT * FROM appdb.nothing").await;
    let failed = finished(&athena, &id).await;
    assert_eq!(state(&failed), QueryExecutionState::Failed);
    let status = failed.status().unwrap();
    assert!(status.state_change_reason().unwrap().contains("TABLE_NOT_FOUND"), "{status:?}");
    assert_eq!(status.athena_error().unwrap().error_category(), Some(2));
    let results = athena.get_query_results().query_execution_id(&id).send().await.unwrap_err();
    assert_eq!(results.message(), Some("Query did not finish successfully. Final query state: FAILED"));
}

#[tokio::test]
async fn a_workgroup_decides_where_results_go() {
    let served = Served::start().await;
    let athena = served.athena();
    let configuration = WorkGroupConfiguration::builder().result_configuration(output("s3://lake/enforced/"));
    let configuration = configuration.enforce_work_group_configuration(true).build();
    athena.create_work_group().name("strict").configuration(configuration).send().await.unwrap();
    let start = athena.start_query_execution().query_string("SELECT 1").work_group("strict");
    let started = start.result_configuration(output(OUTPUT)).send().await.unwrap();
    let done = finished(&athena, started.query_execution_id().unwrap()).await;
    assert!(done.result_configuration().unwrap().output_location().unwrap().starts_with("s3://lake/enforced/"));
    let unknown = athena.start_query_execution().query_string("SELECT 1").work_group("unknown").send().await;
    assert!(unknown.unwrap_err().message().unwrap().contains("WorkGroup unknown is not found"));
}

const ENDLESS: &str = "SELECT count(*) FROM UNNEST(sequence(1, 10000)) AS a (x) \
    CROSS JOIN UNNEST(sequence(1, 10000)) AS b (y) CROSS JOIN UNNEST(sequence(1, 10000)) AS c (z) WHERE x * y = z";

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_query_is_cancelled() {
    let served = Served::start().await;
    let athena = served.athena();
    let id = start(&athena, ENDLESS).await;
    athena.stop_query_execution().query_execution_id(&id).send().await.unwrap();
    let stopped = finished(&athena, &id).await;
    assert_eq!(state(&stopped), QueryExecutionState::Cancelled);
    assert_eq!(stopped.status().unwrap().state_change_reason(), Some("Query cancelled by user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_query_may_be_tried_again() {
    let served = Served::start().await;
    let id = start(&served.athena(), ENDLESS).await;
    let served = served.restart().await;
    let interrupted = execution(&served.athena(), &id).await;
    assert_eq!(state(&interrupted), QueryExecutionState::Failed);
    assert!(interrupted.status().unwrap().athena_error().unwrap().retryable(), "{interrupted:?}");
}
