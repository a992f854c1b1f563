//! Notes which version of the output this run begins with, and starts the count query.
//!
//! Input: the manifest that this run's listing was compared with. Output: the query, and the output's version, location,
//! metadata file and manifest.
//! Reads `pageviews_daily`; writes no table. Safe to run twice: it only reads.
//!
//! The version is read before the count. Whoever changes the output between the two, or later, changes the version, and
//! the swap at the end refuses to replace a version other than this one. If this state runs again (its reply was lost),
//! it may note a later version next to the older count: the watermark is then earlier than it could be, so more is
//! computed again than need be, and the result is the same.
//!
//! What is unseen was told by the manifest that the output named when the files were listed. If it names another one now,
//! another run has published meanwhile, and the comparison says nothing of its output: this run ends.

use serde::{Deserialize, Serialize};
use shared::catalog::{OutputVersion, Table};
use shared::context::OUTPUT;
use shared::{Context, Error, Result, sql};

const COUNT: sql::Template = sql::trino("count", include_str!("../sql/count.sql"));

/// The output's columns, as `create-pageviews-daily-table` makes them.
const COLUMNS: [(&str, &str); 4] =
    [("view_date", "date"), ("url", "string"), ("country", "string"), ("view_count", "bigint")];

/// What the output was made of when the files were listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    // With a function of its own, so that it may be null and may not be absent.
    #[serde(deserialize_with = "Option::deserialize")]
    seen_before: Option<String>,
}

/// Where to read the count, and what the run begins with.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    output: OutputVersion,
}

/// Notes the version, then starts the count.
pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let output = version(context.catalog.table(OUTPUT).await?.as_ref())?;
    if output.pageviews_seen != input.seen_before {
        let (now, then) = (&output.pageviews_seen, &input.seen_before);
        let problem = format!("it is made of the files of {now:?}; when the files were listed it was {then:?}");
        return Err(Error::OutputChanged { problem });
    }
    let statement = COUNT.render(&[("database", (&context.config.database).into())])?;
    let query_execution_id = context.athena.start(&statement).await?;
    Ok(Output { query_execution_id, output })
}

/// The table must be the one that this pipeline makes: the transform would fail half way on another, or mix its own
/// rows with somebody's.
fn version(table: Option<&Table>) -> Result<OutputVersion> {
    let altered = |problem: String| Error::InvalidOutput { table: OUTPUT.to_owned(), problem };
    let table = table.ok_or_else(|| altered("it does not exist".to_owned()))?;
    let metadata = table.metadata_location().ok_or_else(|| altered("it is not an Iceberg table".to_owned()))?;
    if table.columns() != COLUMNS {
        return Err(altered(format!("its columns are {:?}, expected {COLUMNS:?}", table.columns())));
    }
    Ok(OutputVersion {
        version: table.version().to_owned(),
        location: table.location().to_owned(),
        metadata_location: metadata.to_owned(),
        pageviews_seen: table.pageviews_seen().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, athena, glue};
    use serde_json::json;

    fn input() -> Input {
        Input { seen_before: None }
    }

    fn live() -> serde_json::Value {
        glue::iceberg(OUTPUT, "7", "s3://lake/curated/pageviews_daily/a/", "s3://lake/m.json")
    }

    #[tokio::test]
    async fn the_version_is_read_before_the_count_begins() {
        let aws = Aws::new([glue::table(&live()), athena::started("q-1"), athena::running("q-1")]);

        let output = handle(&aws.context(()), input()).await.unwrap();

        assert_eq!(output.query_execution_id, "q-1");
        assert_eq!(output.output.version, "7");
        assert_eq!(output.output.location, "s3://lake/curated/pageviews_daily/a");
        assert_eq!(output.output.metadata_location, "s3://lake/m.json");
        assert!(aws.statements()[0].ends_with(r#"from "appdb"."pageviews_daily""#));
    }

    #[tokio::test]
    async fn a_count_that_failed_for_now_is_started_again() {
        let aws = Aws::new([
            glue::table(&live()),
            athena::started("q-1"),
            athena::failed("q-1", "exhausted resources", 0, true),
            athena::started("q-2"),
            athena::running("q-2"),
        ]);

        let output = handle(&aws.context(()), input()).await.unwrap();

        assert_eq!(output.query_execution_id, "q-2");
        assert_ne!(aws.tokens()[0], aws.tokens()[1]);
    }

    #[tokio::test]
    async fn an_output_of_another_manifest_is_not_the_one_that_was_compared() {
        let mut made_of_two = live();
        made_of_two["Parameters"]["pageviews_seen"] = json!("s3://lake/seen/2.json");
        for (entry, seen_before, expected) in [
            (&made_of_two, Some("s3://lake/seen/1.json"), Some("OutputChanged")),
            (&made_of_two, None, Some("OutputChanged")),
            (&live(), Some("s3://lake/seen/1.json"), Some("OutputChanged")),
            (&made_of_two, Some("s3://lake/seen/2.json"), None),
        ] {
            let aws = Aws::new([glue::table(entry), athena::started("q-1"), athena::running("q-1")]);
            let input = Input { seen_before: seen_before.map(str::to_owned) };

            let result = handle(&aws.context(()), input).await;

            assert_eq!(result.as_ref().err().map(Error::code), expected);
            assert_eq!(result.ok().and_then(|output| output.output.pageviews_seen).is_some(), expected.is_none());
        }
    }

    #[test]
    fn what_the_listing_was_compared_with_may_be_null_and_not_absent() {
        assert!(serde_json::from_value::<Input>(json!({"seen_before": null})).is_ok());
        assert!(serde_json::from_value::<Input>(json!({})).is_err());
    }

    #[tokio::test]
    async fn a_table_altered_by_hand_is_refused() {
        let mut renamed = live();
        renamed["StorageDescriptor"]["Columns"][3]["Name"] = json!("views");
        let mut no_iceberg = live();
        no_iceberg["Parameters"] = json!({});
        for reply in [glue::absent(), glue::table(&renamed), glue::table(&no_iceberg)] {
            let aws = Aws::new([reply]);

            let error = handle(&aws.context(()), input()).await.unwrap_err();

            assert_eq!(error.code(), "InvalidOutput");
            assert!(aws.statements().is_empty());
        }
    }
}
