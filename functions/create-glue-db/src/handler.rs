//! Creates the database if it is absent.
//!
//! Input: nothing. Output: the query. Reads and writes no table.
//! Safe to run twice: `IF NOT EXISTS`.
//! <https://docs.aws.amazon.com/athena/latest/ug/create-database.html>

use serde::{Deserialize, Serialize};
use shared::{Context, Result, sql};

/// Runs outside the database, which is not there yet.
const CREATE_DATABASE: sql::Template =
    sql::hive("create_database", include_str!("../sql/create_database.sql")).outside_database();

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What was run.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
}

/// Creates the database.
pub(crate) async fn handle(context: &Context, _: Input) -> Result<Output> {
    let statement = CREATE_DATABASE.render(&[("database", (&context.config.database).into())])?;
    let finished = context.athena.run(&statement).await?;
    Ok(Output { query_execution_id: finished.query_execution_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, athena};

    #[tokio::test]
    async fn the_database_is_created_without_being_the_context() {
        let aws = Aws::new(athena::run("q-1", 0));

        let output = handle(&aws.context(()), Input {}).await.unwrap();

        assert_eq!(output.query_execution_id, "q-1");
        assert!(aws.statements()[0].starts_with("create database if not exists `appdb`\n"));
        assert_eq!(aws.bodies(athena::START)[0]["QueryExecutionContext"].get("Database"), None);
    }

    #[tokio::test]
    async fn a_second_invocation_attaches_to_the_first_ones_query() {
        let aws = Aws::new([athena::run("q-1", 0), athena::run("q-1", 0)].concat());

        let first = handle(&aws.context(()), Input {}).await.unwrap();
        let second = handle(&aws.context(()), Input {}).await.unwrap();

        assert_eq!(first, second);
        assert_eq!(aws.tokens()[0], aws.tokens()[1]);
    }
}
