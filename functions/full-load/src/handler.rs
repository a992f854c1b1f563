//! Fills the empty output from all raw data: joins, counts by date, URL and country, inserts.
//!
//! Input: the output's location and this run's manifest. Output: the query, the rows that it wrote, the bytes that it read.
//! Reads `pageviews`, `customers` and `pageviews_daily`; writes `pageviews_daily`, and notes in its entry which files it was
//! made of.
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
//! - *The function dies before the manifest is noted, or the note's reply is lost.* The note is made again; if it never
//!   is, the output does not say what it was made of, and the next run computes everything again.
//! - *Somebody changes the table meanwhile.* The entry is read before the count, and the note is guarded by its version: it
//!   is made of that very table which was proven to hold this query's rows, or not at all.
//! - *The INSERT fails.* An Iceberg commit is all or nothing; what was written and not committed, no reader sees.

use serde::{Deserialize, Serialize};
use shared::athena::Finished;
use shared::catalog::Published;
use shared::lease::{self, Settings};
use shared::{Context, Error, Result, sql};

const FULL_LOAD: sql::Template = sql::trino("full_load", include_str!("../sql/full_load.sql"));
const COUNT: sql::Template = sql::trino("count", include_str!("../sql/count.sql"));

/// Where the output is, and what this run has seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    output_location: String,
    seen_location: String,
}

/// What was written.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    rows: u64,
    bytes_scanned: u64,
    published: Published,
}

/// Inserts, proves that the table holds that and nothing else, and notes what it was made of.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    lease::renew(context, &context.settings.lease).await?;
    let temporary_table = context.temporary_table()?;
    let statement = FULL_LOAD
        .render(&[("database", (&context.config.database).into()), ("temporary_table", (&temporary_table).into())])?;
    let finished = context.athena.run_once(&|_| Ok(statement.clone())).await?;
    let rows = context.athena.rows_written(&finished).await?;
    let loaded = context.catalog.output_at(&input.output_location).await?;
    prove(context, rows).await?;
    context.catalog.note_seen_once(&loaded, &input.seen_location).await?;
    let Finished { query_execution_id, bytes_scanned } = finished;
    Ok(Output { query_execution_id, rows, bytes_scanned, published: Published::from(&loaded) })
}

/// That the query wrote nothing proves nothing: the lake may be empty, or the table may have had rows. The count tells.
async fn prove(context: &Context<Settings>, written: u64) -> Result<()> {
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
    use canned::{Aws, RUN, Reply, athena, glue, s3};
    use shared::context::OUTPUT;

    fn settings() -> Settings {
        Settings { lease: canned::location("s3://lake/lease/") }
    }

    const SEEN: &str = "s3://lake/curated/seen/0a.json";

    fn input() -> Input {
        Input { output_location: "s3://lake/curated/a".to_owned(), seen_location: SEEN.to_owned() }
    }

    fn load(query: &str, rows: u64) -> Vec<Reply> {
        [athena::run(query, 1000).to_vec(), vec![athena::rows_written(rows)]].concat()
    }

    fn entry(location: &str, seen: Option<&str>) -> Reply {
        let mut table = glue::iceberg(OUTPUT, "7", location, "s3://lake/curated/a/metadata/2.json");
        if let Some(seen) = seen {
            table["Parameters"]["pageviews_seen"] = seen.into();
        }
        glue::table(&table)
    }

    fn loaded() -> Vec<Reply> {
        vec![entry("s3://lake/curated/a/", None)]
    }

    fn count(rows: &str) -> Vec<Reply> {
        [athena::run("q-count", 0).to_vec(), vec![athena::row(&[Some(rows)])]].concat()
    }

    fn noted() -> Vec<Reply> {
        vec![glue::done(glue::UPDATE)]
    }

    #[tokio::test]
    async fn everything_is_inserted_proven_and_noted() {
        let aws = Aws::holding_lease([load("q-1", 42), loaded(), count("42"), noted()].concat());

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!((output.query_execution_id.as_str(), output.rows, output.bytes_scanned), ("q-1", 42, 1000));
        assert_eq!(output.published.location, "s3://lake/curated/a");
        assert_eq!(output.published.metadata_location, "s3://lake/curated/a/metadata/2.json");
        assert!(aws.statements()[0].starts_with(r#"insert into "appdb"."pageviews_daily" (view_date,"#));
        let end = "where (select count(*) from \"appdb\".\"pageviews_daily\") = 0\n/* pageviews_daily_";
        assert!(aws.statements()[0].contains(&[end, RUN, " */"].concat()), "{}", aws.statements()[0]);
        let note = &aws.bodies(glue::UPDATE)[0];
        assert_eq!((&note["VersionId"], &note["SkipArchive"]), (&"7".into(), &true.into()));
        let (entry, parameters) = (&note["TableInput"], &note["TableInput"]["Parameters"]);
        assert_eq!(parameters["pageviews_seen"], SEEN);
        assert_eq!(parameters["metadata_location"], "s3://lake/curated/a/metadata/2.json", "the data stays");
        assert_eq!(entry["StorageDescriptor"]["Location"], "s3://lake/curated/a/");
        aws.assert_finished();
    }

    #[tokio::test]
    async fn after_a_lost_reply_the_same_query_is_the_answer() {
        let again = vec![entry("s3://lake/curated/a/", Some(SEEN))];
        let first = [load("q-1", 42), loaded(), count("42"), noted()].concat();
        let aws = Aws::holding_lease([first, s3::renewed().to_vec(), load("q-1", 42), again, count("42")].concat());

        let first = handle(&aws.context(settings()), input()).await.unwrap();
        let second = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(first, second);
        assert_eq!(aws.tokens()[0], aws.tokens()[2]);
        assert_eq!(aws.bodies(glue::UPDATE).len(), 1, "what is noted is not noted again");
    }

    #[tokio::test]
    async fn after_a_redrive_the_earlier_query_is_waited_for() {
        let earlier = Aws::holding_lease([load("q-1", 42), loaded(), count("42"), noted()].concat());
        handle(&earlier.context(settings()), input()).await.unwrap();
        let replies = [vec![athena::started("q-1"), athena::running("q-1")], vec![athena::succeeded("q-1", 1000)]];
        let rest = [vec![athena::rows_written(42)], loaded(), count("42"), noted()].concat();
        let aws = Aws::holding_lease([replies.concat(), rest].concat()).redriven(1);

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(output.rows, 42);
        assert_eq!(aws.tokens()[0], earlier.tokens()[0]);
    }

    #[tokio::test]
    async fn after_a_redrive_what_failed_is_run_again() {
        let failed = [athena::started("q-1"), athena::failed("q-1", "PERMISSION_DENIED", 1500, false)];
        let aws =
            Aws::holding_lease([failed.to_vec(), load("q-2", 42), loaded(), count("42"), noted()].concat()).redriven(1);

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(output.query_execution_id, "q-2");
        assert_ne!(aws.tokens()[0], aws.tokens()[1]);
    }

    #[tokio::test]
    async fn an_empty_lake_is_fine() {
        let aws = Aws::holding_lease([load("q-1", 0), loaded(), count("0"), noted()].concat());

        assert_eq!(handle(&aws.context(settings()), input()).await.unwrap().rows, 0);
    }

    #[tokio::test]
    async fn rows_of_somebody_else_are_an_error() {
        for (written, held) in [(0, "7"), (42, "84")] {
            let aws = Aws::holding_lease([load("q-1", written), loaded(), count(held)].concat());

            assert_eq!(handle(&aws.context(settings()), input()).await.unwrap_err().code(), "OutputChanged");
            aws.assert_finished();
        }
    }

    #[tokio::test]
    async fn a_lost_reply_to_our_own_note_is_recognised() {
        let refused = Reply::refused(glue::UPDATE, "ConcurrentModificationException");
        let rest = vec![refused, entry("s3://lake/curated/a/", Some(SEEN))];
        let aws = Aws::holding_lease([load("q-1", 42), loaded(), count("42"), rest].concat());

        assert_eq!(handle(&aws.context(settings()), input()).await.unwrap().rows, 42);
    }

    #[tokio::test]
    async fn a_table_that_somebody_changed_meanwhile_is_not_overwritten() {
        let refused = || Reply::refused(glue::UPDATE, "ConcurrentModificationException");
        let elsewhere = || entry("s3://lake/curated/b/", Some("s3://lake/curated/seen/0b.json"));
        let cases = [
            [load("q-1", 42), vec![elsewhere()]].concat(),
            [load("q-1", 42), vec![glue::absent()]].concat(),
            [load("q-1", 42), loaded(), count("42"), vec![refused(), entry("s3://lake/curated/a/", None)]].concat(),
            [load("q-1", 42), loaded(), count("42"), vec![refused(), elsewhere()]].concat(),
        ];
        for replies in cases {
            let aws = Aws::holding_lease(replies);

            assert_eq!(handle(&aws.context(settings()), input()).await.unwrap_err().code(), "OutputChanged");
            aws.assert_finished();
        }
    }
}
