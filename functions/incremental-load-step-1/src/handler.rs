//! Copies the trusted rows, those of the days before the watermark, into this run's temporary table.
//!
//! Input: the watermark. Output: the temporary table, its location, and how many rows it holds.
//! Reads `pageviews_daily`; writes `pageviews_daily_<run>`.
//!
//! A day before the watermark has the files that it was made of, so it is copied and not computed. With the watermark
//! before all days (a full refresh) nothing is trusted and the table begins empty.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The function dies while the CTAS runs, or its reply is lost.* The same token leads back to the same query.
//! - *The CTAS has succeeded and Athena has forgotten the token, or the execution was redriven.* The table exists; its
//!   name is the run's own and Athena makes it visible when it is complete, so it is taken as it is.
//! - *The CTAS failed.* It may have left files, and Athena refuses a location that is not empty, so each attempt has a
//!   location of its own: <https://docs.aws.amazon.com/athena/latest/ug/ctas-considerations-limitations.html>

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared::athena::Finished;
use shared::catalog::Table;
use shared::config::Variables;
use shared::context::is_attempt_of;
use shared::sql::{Identifier, Location, Statement};
use shared::{Context, Error, Result, config, lease, sql};

const COPY_TRUSTED: sql::Template = sql::trino("copy_trusted", include_str!("../sql/copy_trusted.sql"));
const COUNT_TRUSTED: sql::Template = sql::trino("count_trusted", include_str!("../sql/count_trusted.sql"));

/// Where the generations of the output table and the lease are.
#[derive(Debug)]
pub(crate) struct Settings {
    location: Location,
    lease: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (location, lease) = (variables.get("PAGEVIEWS_DAILY_LOCATION"), variables.get("LEASE_LOCATION"));
        Some(Self { location: location?, lease: lease? })
    }
}

/// The first day that is not trusted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    watermark: NaiveDate,
}

/// The table that the next steps complete and swap in.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    temporary_table: Identifier,
    temporary_location: String,
    rows: u64,
    bytes_scanned: u64,
}

/// Copies, unless that has been done.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    lease::renew(context, &context.settings.lease).await?;
    let name = context.temporary_table()?;
    let (table, finished, rows) = match context.catalog.table(name.as_str()).await? {
        Some(table) => {
            prove_ours(context, &table)?;
            let (finished, rows) = count(context, &name, input.watermark).await?;
            (table, finished, rows)
        }
        None => copy(context, &name, input.watermark).await?,
    };
    let Finished { query_execution_id, bytes_scanned } = finished;
    let temporary_location = table.location().to_owned();
    Ok(Output { query_execution_id, temporary_table: name, temporary_location, rows, bytes_scanned })
}

/// A table that has this run's name must lie in this run's folder: else somebody else made it, with whatever in it.
fn prove_ours(context: &Context<Settings>, table: &Table) -> Result<()> {
    let (generations, run) = (&context.settings.location, context.invocation.run());
    let folder = table.location().strip_prefix(generations.as_str());
    if folder.is_some_and(|folder| is_attempt_of(&run, folder)) && table.metadata_location().is_some() {
        return Ok(());
    }
    let problem =
        format!("it lies at '{}', and this run's tables lie at {generations}{run}-…; remove it", table.location());
    Err(Error::InvalidOutput { table: table.name().to_owned(), problem })
}

async fn copy(context: &Context<Settings>, name: &Identifier, watermark: NaiveDate) -> Result<(Table, Finished, u64)> {
    let finished = context.athena.run_once(&|attempt| copy_trusted(context, name, watermark, attempt)).await?;
    let rows = context.athena.rows_written(&finished).await?;
    let gone = || Error::OutputChanged { problem: format!("the temporary table {name} was removed") };
    Ok((context.catalog.table(name.as_str()).await?.ok_or_else(gone)?, finished, rows))
}

fn copy_trusted(
    context: &Context<Settings>,
    name: &Identifier,
    watermark: NaiveDate,
    attempt: u32,
) -> Result<Statement> {
    let folder = [context.invocation.run(), attempt.to_string()].join("-");
    let location = context.settings.location.join(&folder).map_err(|problem| Error::InvalidInput { problem })?;
    COPY_TRUSTED.render(&[
        ("database", (&context.config.database).into()),
        ("table", name.into()),
        ("location", (&location).into()),
        ("watermark", watermark.into()),
    ])
}

async fn count(context: &Context<Settings>, name: &Identifier, watermark: NaiveDate) -> Result<(Finished, u64)> {
    let statement = COUNT_TRUSTED.render(&[
        ("database", (&context.config.database).into()),
        ("table", name.into()),
        ("watermark", watermark.into()),
    ])?;
    let finished = context.athena.run(&statement).await?;
    let [rows] = context.athena.counts(&finished).await?;
    Ok((finished, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, RUN, athena, glue};
    use serde_json::Value;

    fn settings() -> Settings {
        Settings {
            location: canned::location("s3://lake/curated/pageviews_daily/"),
            lease: canned::location("s3://lake/lease/"),
        }
    }

    fn input() -> Input {
        Input { watermark: NaiveDate::from_ymd_opt(2026, 1, 30).unwrap() }
    }

    fn folder(attempt: u32) -> String {
        format!("s3://lake/curated/pageviews_daily/{RUN}-{attempt}")
    }

    fn temporary(attempt: u32) -> Value {
        glue::iceberg(&format!("pageviews_daily_{RUN}"), "0", &format!("{}/", folder(attempt)), "s3://lake/m.json")
    }

    #[tokio::test]
    async fn trusted_rows_are_copied_into_the_runs_own_table_and_folder() {
        let aws = Aws::holding_lease([
            glue::absent(),
            athena::started("q-1"),
            athena::succeeded("q-1", 500),
            athena::rows_written(9),
            glue::table(&temporary(0)),
        ]);

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!((output.rows, output.bytes_scanned), (9, 500));
        assert_eq!(output.temporary_location, folder(0));
        let statement = &aws.statements()[0];
        assert!(statement.starts_with(&format!("create table appdb.pageviews_daily_{RUN}\n")), "{statement}");
        assert!(statement.contains(&format!("location = '{}/'", folder(0))));
        assert!(statement.ends_with("where view_date < date '2026-01-30'"));
    }

    #[tokio::test]
    async fn a_table_that_is_there_is_taken_as_it_is() {
        let aws = Aws::holding_lease([
            glue::table(&temporary(0)),
            athena::started("q-2"),
            athena::succeeded("q-2", 0),
            athena::row(&[Some("9")]),
        ])
        .redriven(1);

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!((output.rows, output.temporary_location), (9, folder(0)));
        assert!(aws.statements()[0].starts_with("select count(*)"));
    }

    #[tokio::test]
    async fn each_attempt_has_a_folder_of_its_own() {
        let aws = Aws::holding_lease([
            glue::absent(),
            athena::started("q-1"),
            athena::failed("q-1", "slow down", 1403, false),
            athena::started("q-2"),
            athena::succeeded("q-2", 500),
            athena::rows_written(9),
            glue::table(&temporary(1)),
        ]);

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(output.temporary_location, folder(1));
        assert!(aws.statements()[1].contains(&format!("'{}/'", folder(1))));
    }

    #[tokio::test]
    async fn a_running_copy_is_attached_to() {
        let aws = Aws::holding_lease([
            glue::absent(),
            athena::started("q-1"),
            athena::running("q-1"),
            athena::succeeded("q-1", 500),
            athena::rows_written(9),
            glue::table(&temporary(0)),
        ])
        .redriven(1);
        let first = Aws::holding_lease([glue::absent(), athena::started("q-1"), athena::cancelled("q-1")]);

        handle(&first.context(settings()), input()).await.unwrap_err();
        handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(first.tokens()[0], aws.tokens()[0]);
    }
}
