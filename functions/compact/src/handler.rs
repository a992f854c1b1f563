//! Puts small files together when they have piled up, and removes what old snapshots alone need.
//!
//! Input: nothing. Output: what was done. Reads and rewrites files of `pageviews_daily`; its rows stay as they are.
//!
//! Every merge adds a small file to the months that it touches, and leaves a snapshot that keeps the files it has replaced. Below a
//! number of files in one partition nothing is worth doing. `OPTIMIZE` and `VACUUM` each do a bounded part and say by an error
//! that there is more to do; each is repeated until it has none.
//! <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html>
//!
//! Safe to run twice: the tokens of the rounds lead back to the same queries, and a table that is compact is left as it is. How
//! many snapshots stay for a rollback is said by the table's properties, not here.

use serde::{Deserialize, Serialize};
use shared::athena::has_more_to_do;
use shared::config::Variables;
use shared::sql::{self, Location, Template};
use shared::{Context, Error, Result, config, lease};

const MOST_FILES: Template = sql::trino("most_files", include_str!("../sql/most_files.sql"));
const OPTIMIZE: Template = sql::trino("optimize", include_str!("../sql/optimize.sql"));
const VACUUM: Template = sql::trino("vacuum", include_str!("../sql/vacuum.sql"));

/// More rounds than any table needs; the next run goes on.
const MOST_ROUNDS: u64 = 100;

/// How many files are too many, and where the lease is.
#[derive(Debug)]
pub(crate) struct Settings {
    files: u64,
    lease: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (files, lease) = (variables.get("COMPACT_ABOVE_FILES"), variables.get("LEASE_LOCATION"));
        Some(Self { files: files?, lease: lease? })
    }
}

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What was done.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    /// Files of the partition that has the most.
    most_files: u64,
    /// How often each statement ran; 0 if there was no need.
    optimize_rounds: u64,
    vacuum_rounds: u64,
    bytes_scanned: u64,
}

/// Looks, and compacts if there is need.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    lease::renew(context, &context.settings.lease).await?;
    let finished = context.athena.run(&MOST_FILES.render(&[("database", (&context.config.database).into())])?).await?;
    let [most_files] = context.athena.counts(&finished).await?;
    let mut output = Output { most_files, optimize_rounds: 0, vacuum_rounds: 0, bytes_scanned: finished.bytes_scanned };
    if most_files > context.settings.files {
        output.optimize_rounds = repeat(context, OPTIMIZE, &mut output.bytes_scanned).await?;
        output.vacuum_rounds = repeat(context, VACUUM, &mut output.bytes_scanned).await?;
    }
    Ok(output)
}

/// Runs a statement until it has nothing left to do; how often.
async fn repeat(context: &Context<Settings>, template: Template, bytes_scanned: &mut u64) -> Result<u64> {
    for round in 1..=MOST_ROUNDS {
        let values = [("database", (&context.config.database).into()), ("round", round.into())];
        match context.athena.run(&template.render(&values)?).await {
            Ok(finished) => {
                *bytes_scanned += finished.bytes_scanned;
                return Ok(round);
            }
            Err(Error::QueryFailed { reason, .. }) if has_more_to_do(&reason) => {
                tracing::info!(statement = template.name(), round, "there is more to do");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(MOST_ROUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, Reply, athena};

    fn settings() -> Settings {
        Settings { files: 20, lease: canned::location("s3://lake/lease/") }
    }

    fn most(files: &str) -> Vec<Reply> {
        athena::run("q-0", 10).into_iter().chain([athena::row(&[Some(files)])]).collect()
    }

    fn more(query: &str, what: &str) -> Vec<Reply> {
        let reason = format!("ICEBERG_{what}_MORE_RUNS_NEEDED: run it again");
        vec![athena::started(query), athena::failed(query, &reason, 233, false)]
    }

    #[tokio::test]
    async fn a_table_of_few_files_is_left_alone() {
        let aws = Aws::holding_lease(most("20"));

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!((output.most_files, output.optimize_rounds, output.vacuum_rounds), (20, 0, 0));
        aws.assert_finished();
    }

    #[tokio::test]
    async fn each_statement_is_repeated_until_it_is_done() {
        let done = |query| athena::run(query, 100).to_vec();
        let optimize = [more("q-1", "OPTIMIZE"), more("q-2", "OPTIMIZE"), done("q-3")].concat();
        let aws = Aws::holding_lease([most("21"), optimize, more("q-4", "VACUUM"), done("q-5")].concat());

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!((output.optimize_rounds, output.vacuum_rounds, output.bytes_scanned), (3, 2, 210));
        let mut tokens = aws.tokens();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 6, "each round is a query of its own");
        aws.assert_finished();
    }

    #[tokio::test]
    async fn another_failure_is_one() {
        let failed = vec![athena::started("q-1"), athena::failed("q-1", "PERMISSION_DENIED", 1500, false)];
        let aws = Aws::holding_lease([most("21"), failed].concat());

        assert_eq!(handle(&aws.context(settings()), Input {}).await.unwrap_err().code(), "QueryFailed");
    }
}
