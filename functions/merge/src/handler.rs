//! The other way to publish: the days from the watermark on are merged into the output in one commit.
//!
//! Input: the watermark, this run's manifest, and the output as the run found it. Output: what is live now, and how many rows
//! were changed.
//! Reads the temporary table; changes `pageviews_daily` by one MERGE, and notes in its entry which files it was made of.
//!
//! Readers see the snapshot before or the one after. The table stays the table that it is, with its snapshots, grants and
//! optimizers, and its history is neither read nor written: what a refresh costs does not grow with it.
//!
//! The merge is not guarded by the entry's version, as the swap is, since Athena knows no such condition. The version is
//! compared right before, while the lease is held; and of two merges that commit at once Iceberg refuses one.
//!
//! A key that the output has twice would be counted twice in both its rows, without a word. So that is looked for first.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The function dies while the MERGE runs, or its reply is lost.* The same token leads back to the same query.
//! - *Athena has forgotten the token, or the execution was redriven.* Run again, the statement finds nothing to change.
//! - *The function dies before the manifest is noted.* The note is made again; if it never is, the next run computes the same
//!   days again.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared::catalog::{OutputVersion, Published, Table};
use shared::context::OUTPUT;
use shared::lease::{self, Settings};
use shared::{Context, Error, Result, sql};

const MERGE: sql::Template = sql::trino("merge", include_str!("../sql/merge.sql"));
const COUNT: sql::Template = sql::trino("count", include_str!("../sql/count.sql"));
const DUPLICATES: sql::Template = sql::trino("duplicates", include_str!("../sql/duplicates.sql"));

/// What to merge, and into which version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    watermark: NaiveDate,
    seen_location: String,
    output: OutputVersion,
}

/// What was changed.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    /// Rows that were added, changed or removed.
    rows_changed: u64,
    /// Rows of the output now.
    rows: u64,
    bytes_scanned: u64,
    published: Published,
}

/// Looks for doubled keys, merges, notes.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    lease::renew(context, &context.settings.lease).await?;
    let before = context.catalog.output_at(&input.output.location).await?;
    check_version(&before, &input)?;
    refuse_duplicates(context, &input).await?;
    let table = context.temporary_table()?;
    let statement = MERGE.render(&[
        ("database", (&context.config.database).into()),
        ("table", (&table).into()),
        ("watermark", input.watermark.into()),
    ])?;
    let finished = context.athena.run_once(&|_| Ok(statement.clone())).await?;
    let rows_changed = context.athena.rows_written(&finished).await?;
    let live = context.catalog.output_at(&input.output.location).await?;
    context.catalog.note_seen_once(&live, &input.seen_location).await?;
    let counted = context.athena.run(&COUNT.render(&[("database", (&context.config.database).into())])?).await?;
    let [rows] = context.athena.counts(&counted).await?;
    Ok(Output {
        query_execution_id: finished.query_execution_id,
        rows_changed,
        rows,
        bytes_scanned: finished.bytes_scanned,
        published: Published::from(&live),
    })
}

/// The output must be the one that the run began with, or be so but for what an earlier try of this very state has done: the
/// one commit that replaced that version, the note.
fn check_version(live: &Table, input: &Input) -> Result<()> {
    let began = Some(input.output.metadata_location.as_str());
    let is_merged = live.previous_metadata_location() == began;
    let is_same = live.metadata_location() == began;
    let is_noted = live.pageviews_seen() == Some(&input.seen_location);
    if is_merged || is_same && (live.version() == input.output.version || is_noted) {
        return Ok(());
    }
    let problem = format!("{OUTPUT} is at version {}, the run began with {}", live.version(), input.output.version);
    Err(Error::OutputChanged { problem })
}

async fn refuse_duplicates(context: &Context<Settings>, input: &Input) -> Result<()> {
    let values = [("database", (&context.config.database).into()), ("watermark", input.watermark.into())];
    let finished = context.athena.run(&DUPLICATES.render(&values)?).await?;
    let row = context.athena.first_row(&finished).await?;
    let mut row = row.into_iter().map(Option::unwrap_or_default);
    let (duplicates, examples) = (row.next().unwrap_or_default(), row.next().unwrap_or_default());
    if duplicates == "0" {
        return Ok(());
    }
    let problem = format!(
        "it has {duplicates} keys more than once ({examples}), which a merge would count twice; a refresh by swap with \
         full_refresh makes it anew"
    );
    Err(Error::InvalidOutput { table: OUTPUT.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, RUN, Reply, athena, glue, s3};
    use serde_json::Value;

    const FOLDER: &str = "s3://lake/curated/a/";
    const SEEN: &str = "s3://lake/seen/2.json";

    fn settings() -> Settings {
        Settings { lease: canned::location("s3://lake/lease/") }
    }

    fn metadata(number: u32) -> String {
        format!("{FOLDER}metadata/{number}.json")
    }

    fn input() -> Input {
        Input {
            watermark: NaiveDate::from_ymd_opt(2026, 1, 30).unwrap(),
            seen_location: SEEN.to_owned(),
            output: OutputVersion {
                version: "7".to_owned(),
                location: FOLDER.to_owned(),
                metadata_location: metadata(1),
                pageviews_seen: None,
            },
        }
    }

    /// The output at a version, with the metadata that it replaced and its manifest.
    fn table(version: &str, now: u32, before: u32, seen: &str) -> Value {
        let mut table = glue::iceberg(OUTPUT, version, FOLDER, &metadata(now));
        table["Parameters"]["previous_metadata_location"] = metadata(before).into();
        table["Parameters"]["pageviews_seen"] = seen.into();
        table
    }

    fn output(version: &str, now: u32, before: u32, seen: &str) -> Reply {
        glue::table(&table(version, now, before, seen))
    }

    fn duplicates(count: &str, examples: Option<&str>) -> Vec<Reply> {
        athena::run("q-0", 0).into_iter().chain([athena::row(&[Some(count), examples])]).collect()
    }

    fn count() -> Vec<Reply> {
        athena::run("q-2", 0).into_iter().chain([athena::row(&[Some("12")])]).collect()
    }

    fn merged(rows: u64) -> Vec<Reply> {
        athena::run("q-1", 500).into_iter().chain([athena::rows_written(rows)]).collect()
    }

    #[tokio::test]
    async fn the_days_are_merged_by_one_statement_and_the_manifest_is_noted() {
        let after = vec![output("8", 2, 1, "s3://lake/seen/1.json"), glue::done(glue::UPDATE)];
        let before = vec![output("7", 1, 0, "s3://lake/seen/1.json")];
        let aws = Aws::holding_lease([before, duplicates("0", None), merged(9), after, count()].concat());

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!((output.rows_changed, output.rows, output.bytes_scanned), (9, 12, 500));
        assert_eq!(output.published.metadata_location, metadata(2));
        let statement = &aws.statements()[1];
        assert!(statement.starts_with("merge into \"appdb\".\"pageviews_daily\" as output\n"), "{statement}");
        assert!(statement.contains(&format!("\"pageviews_daily_{RUN}\"")), "{statement}");
        assert!(statement.contains("and output.view_date >= date '2026-01-30'"), "{statement}");
        let note = &aws.bodies(glue::UPDATE)[0];
        assert_eq!(
            (note["VersionId"].as_str(), note["TableInput"]["Parameters"]["pageviews_seen"].as_str()),
            (Some("8"), Some(SEEN))
        );
        aws.assert_finished();
    }

    #[tokio::test]
    async fn an_earlier_try_is_recognised() {
        let cases = [
            // It had merged, and not noted.
            [vec![output("8", 2, 1, "s3://lake/seen/1.json")], duplicates("0", None), merged(0)].concat(),
            // There was nothing to merge, and it had noted.
            [vec![output("8", 1, 0, SEEN)], duplicates("0", None), merged(0)].concat(),
        ];
        for replies in cases {
            let aws = Aws::holding_lease([replies, vec![output("9", 2, 1, SEEN)], count()].concat());
            assert_eq!(handle(&aws.context(settings()), input()).await.unwrap().rows_changed, 0);
            aws.assert_finished();
        }
    }

    #[tokio::test]
    async fn an_output_that_somebody_changed_is_not_merged_into() {
        let moved = glue::table(&glue::iceberg(OUTPUT, "7", "s3://lake/curated/b/", "s3://lake/curated/b/m.json"));
        let cases = [
            output("9", 3, 2, "s3://lake/seen/3.json"),
            output("8", 1, 0, "s3://lake/seen/3.json"),
            moved,
            glue::absent(),
        ];
        for changed in cases {
            let aws = Aws::holding_lease([changed]);
            assert_eq!(handle(&aws.context(settings()), input()).await.unwrap_err().code(), "OutputChanged");
            aws.assert_finished();
        }
    }

    #[tokio::test]
    async fn keys_that_the_output_has_twice_are_named_and_nothing_is_merged() {
        let aws = Aws::holding_lease([vec![output("7", 1, 0, "")], duplicates("2", Some("2026-01-30 /a US"))].concat());

        let error = handle(&aws.context(settings()), input()).await.unwrap_err();

        assert_eq!(error.code(), "InvalidOutput");
        assert!(error.to_string().contains("2 keys more than once (2026-01-30 /a US)"), "{error}");
        aws.assert_finished();
    }

    #[tokio::test]
    async fn a_lost_lease_ends_it() {
        let aws = Aws::new(s3::lease("arn:aws:states:us-east-1:000000000000:execution:PageViewsTransform:other"));
        assert_eq!(handle(&aws.context(settings()), input()).await.unwrap_err().code(), "AnotherRunInProgress");
    }
}
