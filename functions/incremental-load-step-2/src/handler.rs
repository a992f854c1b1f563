//! Computes the watermark's day and all that came after it again from raw data, and adds it to the temporary table.
//!
//! Input: the watermark, the last day of the output, and whether this is a full refresh. Output: the query and how many
//! rows were added.
//! Reads `pageviews`, `customers` and the temporary table; writes `pageviews_daily_<run>`.
//!
//! The output's last day is always computed again; the watermark is earlier if files of earlier days have come, gone or
//! changed since the last run listed them. A day whose files are all gone is computed to nothing.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The function dies while the INSERT runs, or its reply is lost.* The same token leads back to the same query.
//! - *The execution is redriven.* The earlier tokens are tried first, so a query that still runs is waited for.
//! - *The INSERT has succeeded and Athena has forgotten its token.* Nobody else writes to this run's table, so rows from
//!   the watermark on can only come from this statement, which adds nothing to a table that has them.
//!
//! If the raw data of the output's last day is gone, the raw zone as it is now cannot be what analysts wait for: the run
//! fails and the output stays as it is. A full refresh trusts nothing and asks no such question.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared::lease::{self, Settings};
use shared::sql::{Identifier, Template};
use shared::{Context, Error, Result, sql};

const ADD_COMPUTED: Template = sql::trino("add_computed", include_str!("../sql/add_computed.sql"));
const COUNT_COMPUTED: Template = sql::trino("count_computed", include_str!("../sql/count_computed.sql"));

/// The first day to compute, and the last that the output has; none if it is empty, as only a full refresh finds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    watermark: NaiveDate,
    // With a function of its own, so that it may be null and may not be absent.
    #[serde(deserialize_with = "Option::deserialize")]
    latest_day: Option<NaiveDate>,
    full_refresh: bool,
}

/// What was added.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    rows: u64,
    bytes_scanned: u64,
}

/// Adds, then proves that it was added once.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    lease::renew(context, &context.settings.lease).await?;
    let table = context.temporary_table()?;
    let watermark = input.watermark;
    let statement = ADD_COMPUTED.render(&[
        ("database", (&context.config.database).into()),
        ("table", (&table).into()),
        ("watermark", watermark.into()),
    ])?;
    let finished = context.athena.run_once(&|_| Ok(statement.clone())).await?;
    let written = context.athena.rows_written(&finished).await?;
    let latest_day = input.latest_day.unwrap_or(watermark);
    let [rows, of_latest_day] = count(context, &table, watermark, latest_day).await?;
    if written > 0 && rows != written {
        let problem = format!("this run added {written} rows to its table {table}, which now holds {rows}");
        return Err(Error::OutputChanged { problem });
    }
    if of_latest_day == 0 && !input.full_refresh {
        let problem = format!(
            "the output ends with {latest_day}, for which no raw page views are left; restore them, or recompute \
             everything that raw data is left for with full_refresh"
        );
        return Err(Error::RawDataMissing { problem });
    }
    Ok(Output { query_execution_id: finished.query_execution_id, rows, bytes_scanned: finished.bytes_scanned })
}

/// How many computed rows the table holds, and how many of them are of the output's last day.
async fn count(
    context: &Context<Settings>,
    table: &Identifier,
    watermark: NaiveDate,
    latest_day: NaiveDate,
) -> Result<[u64; 2]> {
    let statement = COUNT_COMPUTED.render(&[
        ("database", (&context.config.database).into()),
        ("table", table.into()),
        ("watermark", watermark.into()),
        ("latest_day", latest_day.into()),
    ])?;
    let finished = context.athena.run(&statement).await?;
    context.athena.counts(&finished).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, RUN, Reply, athena, s3};

    fn settings() -> Settings {
        Settings { lease: canned::location("s3://lake/lease/") }
    }

    fn input(full_refresh: bool) -> Input {
        let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        Input { watermark: day(9), latest_day: Some(day(30)), full_refresh }
    }

    fn add(query: &str, rows: u64) -> Vec<Reply> {
        [athena::run(query, 700).to_vec(), vec![athena::rows_written(rows)]].concat()
    }

    fn count(computed: &str, of_latest_day: &str) -> Vec<Reply> {
        [athena::run("q-count", 0).to_vec(), vec![athena::row(&[Some(computed), Some(of_latest_day)])]].concat()
    }

    #[tokio::test]
    async fn days_from_the_watermark_on_are_added() {
        let aws = Aws::holding_lease([add("q-1", 12), count("12", "5")].concat());

        let output = handle(&aws.context(settings()), input(false)).await.unwrap();

        assert_eq!(output, Output { query_execution_id: "q-1".to_owned(), rows: 12, bytes_scanned: 700 });
        let statement = &aws.statements()[0];
        assert!(statement.starts_with(&format!(r#"insert into "appdb"."pageviews_daily_{RUN}" ("#)));
        assert!(statement.contains(
            "        where year > '2026'\n            or (year = '2026' and month > '01')\n            \
             or (year = '2026' and month = '01' and day >= '09')\n"
        ));
        let count = &aws.statements()[1];
        assert!(count.contains("case when view_date = date '2026-01-30'"), "{count}");
        assert!(count.ends_with("where view_date >= date '2026-01-09'"), "{count}");
    }

    #[tokio::test]
    async fn after_a_lost_reply_the_same_query_is_the_answer() {
        let once = || [add("q-1", 12), count("12", "5")].concat();
        let aws = Aws::holding_lease([once(), s3::renewed().to_vec(), once()].concat());

        let first = handle(&aws.context(settings()), input(false)).await.unwrap();
        let second = handle(&aws.context(settings()), input(false)).await.unwrap();

        assert_eq!(first, second);
        assert_eq!(aws.tokens()[0], aws.tokens()[2]);
    }

    #[tokio::test]
    async fn a_statement_that_ran_before_adds_nothing_and_that_is_success() {
        let aws = Aws::holding_lease([add("q-2", 0), count("12", "5")].concat());

        assert_eq!(handle(&aws.context(settings()), input(false)).await.unwrap().rows, 12);
    }

    #[tokio::test]
    async fn rows_that_were_added_twice_are_an_error() {
        let aws = Aws::holding_lease([add("q-1", 12), count("24", "10")].concat());

        assert_eq!(handle(&aws.context(settings()), input(false)).await.unwrap_err().code(), "OutputChanged");
    }

    #[tokio::test]
    async fn the_last_day_is_not_taken_from_the_analysts() {
        let aws = Aws::holding_lease([add("q-1", 3), count("3", "0")].concat());
        let error = handle(&aws.context(settings()), input(false)).await.unwrap_err();
        assert_eq!(error.code(), "RawDataMissing");

        let refresh = Aws::holding_lease([add("q-1", 3), count("3", "0")].concat());
        assert_eq!(handle(&refresh.context(settings()), input(true)).await.unwrap().rows, 3);
    }

    #[tokio::test]
    async fn after_a_redrive_what_failed_is_run_again() {
        let failed = [athena::started("q-1"), athena::failed("q-1", "HIVE_BAD_DATA", 100, false)];
        let aws = Aws::holding_lease([failed.to_vec(), add("q-2", 12), count("12", "5")].concat()).redriven(1);

        assert_eq!(handle(&aws.context(settings()), input(false)).await.unwrap().query_execution_id, "q-2");
    }
}
