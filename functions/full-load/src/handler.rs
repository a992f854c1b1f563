//! Fills the empty output from all raw data: joins, counts by date, URL and country, inserts.
//!
//! Input: nothing. Output: the query, the rows that it wrote, the bytes that it read.
//! Reads `pageviews`, `customers` and `pageviews_daily`; writes `pageviews_daily`.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The function dies after the INSERT was submitted, or its reply is lost.* The next invocation submits the same
//!   statement under the same token and is given the same query.
//! - *The state times out and the execution is redriven.* The token is new, but the earlier ones are tried first: a
//!   query that still runs is waited for, one that succeeded is the answer.
//! - *Athena has forgotten the token* (for how long it remembers is not documented). The statement itself inserts nothing
//!   into a table that has rows.
//! - *Two executions load at once.* Iceberg would let both append. So at the end the table must hold exactly the
//!   rows that this query wrote; anything else is `OutputChanged`, and `{"full_refresh": true}` mends it.
//! - *The INSERT fails.* An Iceberg commit is all or nothing; what was written and not committed, no reader sees.

use serde::{Deserialize, Serialize};
use shared::{Context, Error, Result, sql};

const FULL_LOAD: sql::Template = sql::trino("full_load", include_str!("../sql/full_load.sql"));
const COUNT: sql::Template = sql::trino("count", include_str!("../sql/count.sql"));

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What was written.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    rows: u64,
    bytes_scanned: u64,
}

/// Inserts, then proves that the table holds that and nothing else.
pub(crate) async fn handle(context: &Context, _: Input) -> Result<Output> {
    let statement = FULL_LOAD.render(&[("database", (&context.config.database).into())])?;
    let finished = context.athena.run_once(&|_| Ok(statement.clone())).await?;
    let rows = context.athena.rows_written(&finished).await?;
    prove(context, rows).await?;
    Ok(Output { query_execution_id: finished.query_execution_id, rows, bytes_scanned: finished.bytes_scanned })
}

/// That the query wrote nothing proves nothing: the lake may be empty, or the table may have had rows. The count tells.
async fn prove(context: &Context, written: u64) -> Result<()> {
    let statement = COUNT.render(&[("database", (&context.config.database).into())])?;
    let finished = context.athena.run(&statement).await?;
    let [held] = context.athena.counts(&finished).await?;
    if held == written {
        return Ok(());
    }
    let problem = format!("this run wrote {written} rows into the empty output, which now holds {held}");
    Err(Error::OutputChanged { problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, Reply, athena};

    fn load(query: &str, rows: u64) -> Vec<Reply> {
        [athena::run(query, 1000).to_vec(), vec![athena::rows_written(rows)]].concat()
    }

    fn count(rows: &str) -> Vec<Reply> {
        [athena::run("q-count", 0).to_vec(), vec![athena::row(&[Some(rows)])]].concat()
    }

    #[tokio::test]
    async fn everything_is_inserted_and_proven() {
        let aws = Aws::new([load("q-1", 42), count("42")].concat());

        let output = handle(&aws.context(()), Input {}).await.unwrap();

        assert_eq!(output, Output { query_execution_id: "q-1".to_owned(), rows: 42, bytes_scanned: 1000 });
        assert!(aws.statements()[0].starts_with(r#"insert into "appdb"."pageviews_daily" (view_date,"#));
        assert!(aws.statements()[0].ends_with(r#"where (select count(*) from "appdb"."pageviews_daily") = 0"#));
        aws.assert_finished();
    }

    #[tokio::test]
    async fn after_a_lost_reply_the_same_query_is_the_answer() {
        let aws = Aws::new([load("q-1", 42), count("42"), load("q-1", 42), count("42")].concat());

        let first = handle(&aws.context(()), Input {}).await.unwrap();
        let second = handle(&aws.context(()), Input {}).await.unwrap();

        assert_eq!(first, second);
        assert_eq!(aws.tokens()[0], aws.tokens()[2]);
    }

    #[tokio::test]
    async fn after_a_redrive_the_earlier_query_is_waited_for() {
        let earlier = Aws::new([load("q-1", 42), count("42")].concat());
        handle(&earlier.context(()), Input {}).await.unwrap();
        let replies = [vec![athena::started("q-1"), athena::running("q-1")], vec![athena::succeeded("q-1", 1000)]];
        let aws = Aws::new([replies.concat(), vec![athena::rows_written(42)], count("42")].concat()).redriven(1);

        let output = handle(&aws.context(()), Input {}).await.unwrap();

        assert_eq!(output.rows, 42);
        assert_eq!(aws.tokens()[0], earlier.tokens()[0]);
    }

    #[tokio::test]
    async fn after_a_redrive_what_failed_is_run_again() {
        let failed = [athena::started("q-1"), athena::failed("q-1", "PERMISSION_DENIED", 1500, false)];
        let aws = Aws::new([failed.to_vec(), load("q-2", 42), count("42")].concat()).redriven(1);

        let output = handle(&aws.context(()), Input {}).await.unwrap();

        assert_eq!(output.query_execution_id, "q-2");
        assert_ne!(aws.tokens()[0], aws.tokens()[1]);
    }

    #[tokio::test]
    async fn an_empty_lake_is_fine() {
        let aws = Aws::new([load("q-1", 0), count("0")].concat());

        assert_eq!(handle(&aws.context(()), Input {}).await.unwrap().rows, 0);
    }

    #[tokio::test]
    async fn rows_of_somebody_else_are_an_error() {
        for (written, held) in [(0, "7"), (42, "84")] {
            let aws = Aws::new([load("q-1", written), count(held)].concat());

            assert_eq!(handle(&aws.context(()), Input {}).await.unwrap_err().code(), "OutputChanged");
        }
    }
}
