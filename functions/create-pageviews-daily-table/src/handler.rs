//! Creates the empty Iceberg output table if it is absent.
//!
//! Input: nothing. Output: the query. Reads no table; writes the entry and first metadata of `pageviews_daily`.
//! Safe to run twice: `IF NOT EXISTS`.
//!
//! The table lies in a folder of this run's own, like every later generation of it, so that removing one generation can
//! never touch another.
//! <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html>

use serde::{Deserialize, Serialize};
use shared::config::Variables;
use shared::sql::Location;
use shared::{Context, Error, Result, config, sql};

const CREATE_TABLE: sql::Template = sql::hive("create_table", include_str!("../sql/create_table.sql"));

/// Where the generations of the output table are.
#[derive(Debug)]
pub(crate) struct Settings {
    location: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        Some(Self { location: variables.get("PAGEVIEWS_DAILY_LOCATION")? })
    }
}

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What was run.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
}

/// Creates the table.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    let run = context.invocation.run();
    let location = context.settings.location.join(&run).map_err(|problem| Error::InvalidInput { problem })?;
    let statement =
        CREATE_TABLE.render(&[("database", (&context.config.database).into()), ("location", (&location).into())])?;
    let finished = context.athena.run(&statement).await?;
    Ok(Output { query_execution_id: finished.query_execution_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, athena};

    fn settings() -> Settings {
        Settings { location: canned::location("s3://lake/curated/pageviews_daily/") }
    }

    #[tokio::test]
    async fn the_table_lies_in_the_runs_own_folder() {
        let aws = Aws::new(athena::run("q-1", 0));

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        let statement = &aws.statements()[0];
        assert_eq!(output.query_execution_id, "q-1");
        assert!(statement.starts_with("create table if not exists `appdb`.`pageviews_daily` (\n"));
        assert!(statement.contains(&["location 's3://lake/curated/pageviews_daily/", canned::RUN, "/'"].concat()));
        assert!(statement.contains("partitioned by (month(view_date))"));
    }

    #[tokio::test]
    async fn a_second_invocation_attaches_to_the_first_ones_query() {
        let aws = Aws::new([athena::run("q-1", 0), athena::run("q-1", 0)].concat());

        let first = handle(&aws.context(settings()), Input {}).await.unwrap();
        let second = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!(first, second);
        assert_eq!(aws.tokens()[0], aws.tokens()[1]);
    }
}
