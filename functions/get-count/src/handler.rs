//! Waits for the count query and reads its one row.
//!
//! Input: the query. Output: the number of rows and the watermark, the day that the output ends with.
//! Reads the query's result; writes no table. Safe to run twice: it only reads.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared::athena::Finished;
use shared::context::OUTPUT;
use shared::{Context, Error, Result};

/// The query that `query-count` started.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    query_execution_id: String,
}

/// The count: a number, not text, since the state machine compares it with zero.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    row_count: u64,
    watermark: Option<NaiveDate>,
    bytes_scanned: u64,
}

/// Waits, then reads.
pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let finished = context.athena.wait(&input.query_execution_id).await?;
    let row = context.athena.first_row(&finished).await?;
    let (row_count, watermark) = read(&row).ok_or_else(|| unreadable(&finished, &row))?;
    if row_count > 0 && watermark.is_none() {
        let problem = "it has rows and none of them has a view_date".to_owned();
        return Err(Error::InvalidOutput { table: OUTPUT.to_owned(), problem });
    }
    let Finished { query_execution_id, bytes_scanned } = finished;
    Ok(Output { query_execution_id, row_count, watermark, bytes_scanned })
}

fn read(row: &[Option<String>]) -> Option<(u64, Option<NaiveDate>)> {
    let [Some(count), watermark] = row else { return None };
    let watermark = watermark.as_ref().map(|day| day.parse()).transpose().ok()?;
    Some((count.parse().ok()?, watermark))
}

fn unreadable(finished: &Finished, row: &[Option<String>]) -> Error {
    let reason = format!("its row is no count and day: {row:?}");
    Error::QueryFailed { query: finished.query_execution_id.clone(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, athena};

    fn input() -> Input {
        Input { query_execution_id: "q-1".to_owned() }
    }

    #[tokio::test]
    async fn the_count_is_a_number_and_the_watermark_a_day() {
        let row = athena::row(&[Some("1200"), Some("2026-01-30")]);
        let aws = Aws::new([athena::running("q-1"), athena::succeeded("q-1", 64), row]);

        let output = handle(&aws.context(()), input()).await.unwrap();

        let json = serde_json::to_value(&output).unwrap();
        assert_eq!(json["row_count"], 1200);
        assert_eq!(json["watermark"], "2026-01-30");
        assert_eq!(json["bytes_scanned"], 64);
    }

    #[tokio::test]
    async fn an_empty_output_has_no_watermark() {
        let aws = Aws::new([athena::succeeded("q-1", 0), athena::row(&[Some("0"), None])]);

        let output = handle(&aws.context(()), input()).await.unwrap();

        assert_eq!((output.row_count, output.watermark), (0, None));
    }

    #[tokio::test]
    async fn rows_without_a_day_were_not_made_here() {
        let aws = Aws::new([athena::succeeded("q-1", 0), athena::row(&[Some("3"), None])]);

        assert_eq!(handle(&aws.context(()), input()).await.unwrap_err().code(), "InvalidOutput");
    }

    #[tokio::test]
    async fn how_the_query_ended_decides_what_the_state_machine_does() {
        let cases = [
            (athena::failed("q-1", "exhausted resources", 0, true), "QueryRetryable"),
            (athena::failed("q-1", "TABLE_NOT_FOUND", 1110, false), "QueryFailed"),
            (athena::cancelled("q-1"), "QueryCancelled"),
        ];
        for (reply, code) in cases {
            let aws = Aws::new([reply]);

            assert_eq!(handle(&aws.context(()), input()).await.unwrap_err().code(), code);
        }
    }

    #[tokio::test]
    async fn a_result_that_is_no_count_is_an_error() {
        let aws = Aws::new([athena::succeeded("q-1", 0), athena::row(&[Some("many"), None])]);

        assert_eq!(handle(&aws.context(()), input()).await.unwrap_err().code(), "QueryFailed");
    }
}
