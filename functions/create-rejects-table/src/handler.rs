//! Points Athena at the rows that were not loaded.
//!
//! Input: nothing. Output: the query. Reads no table; writes the entry of `rejects`.
//! Safe to run twice: `IF NOT EXISTS`.
//!
//! The table has no partitions: its files lie in a folder for each table and source, which Athena reads to any depth, and
//! there are few of them as long as files are good.
//! <https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html>

use serde::{Deserialize, Serialize};
use shared::config::Variables;
use shared::sql::Location;
use shared::{Context, Result, config, sql};

const CREATE_TABLE: sql::Template = sql::hive("create_table", include_str!("../sql/create_table.sql"));

/// Where the rows are.
#[derive(Debug)]
pub(crate) struct Settings {
    location: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        Some(Self { location: variables.get("REJECTS_LOCATION")? })
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

/// Creates the table's entry.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    let statement = CREATE_TABLE.render(&[
        ("database", (&context.config.database).into()),
        ("location", (&context.settings.location).into()),
    ])?;
    let finished = context.athena.run(&statement).await?;
    Ok(Output { query_execution_id: finished.query_execution_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, athena};

    fn settings() -> Settings {
        Settings { location: canned::location("s3://lake/rejects/") }
    }

    #[tokio::test]
    async fn the_table_is_text_behind_a_header() {
        let aws = Aws::new(athena::run("q-1", 0));

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        let statement = &aws.statements()[0];
        assert_eq!(output.query_execution_id, "q-1");
        assert!(statement.starts_with("create external table if not exists `appdb`.`rejects` (\n"));
        assert!(statement.contains("location 's3://lake/rejects/'"));
        assert!(statement.contains(r"'escapeChar' = '\\'"));
        assert!(statement.ends_with("tblproperties ('skip.header.line.count' = '1')"));
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
