//! Registers every day that has raw page view files as a partition.
//!
//! Input: the manifest of this run, which names those days. Output: how many days there are, and how many were new.
//! Reads the manifest and the partitions of `pageviews`; writes those that are missing. Safe to run twice: it only adds,
//! and what somebody else has added meanwhile is there, which is all that is wanted.
//!
//! What is new is added, and nothing is discovered: `MSCK REPAIR TABLE` lists every file again, and at some size it no
//! longer ends. <https://repost.aws/knowledge-center/athena-msck-repair-table-time-out>
//! The listing was done once, by the state `List Pageviews Files`; a folder that has appeared since waits for the next
//! run, which finds it unseen.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use shared::catalog::Partition;
use shared::config::Variables;
use shared::seen::{self, Manifest};
use shared::sql::Location;
use shared::{Context, Error, Result, config};

const TABLE: &str = "pageviews";

/// Where the files and the manifests are.
#[derive(Debug)]
pub(crate) struct Settings {
    pageviews: Location,
    seen: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (pageviews, seen) = (variables.get("PAGEVIEWS_LOCATION"), variables.get("PAGEVIEWS_SEEN_LOCATION"));
        Some(Self { pageviews: pageviews?, seen: seen? })
    }
}

/// What this run has seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    seen_location: String,
}

/// How many days there are, and how many of them were not registered.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    days: usize,
    added: usize,
}

/// Compares the days that have files with those that are registered, and adds the rest.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    let manifest = manifest(context, &input.seen_location).await?;
    let absent = || Error::InvalidLake { problem: format!("the table {TABLE} was removed") };
    let table = context.catalog.table(TABLE).await?.ok_or_else(absent)?;
    let registered = context.catalog.partitions(&table).await?;
    let days = manifest.days().map(|day| partition(&context.settings.pageviews, day)).collect::<Result<Vec<_>>>()?;
    let new: Vec<Partition> = days.iter().filter(|day| !registered.contains(&day.values)).cloned().collect();
    context.catalog.add_partitions(&table, &new).await?;
    Ok(Output { days: days.len(), added: new.len() })
}

/// The state before wrote it; without it nobody knows which days there are.
async fn manifest(context: &Context<Settings>, address: &str) -> Result<Manifest> {
    let location = &context.settings.seen;
    let foreign = || Error::InvalidInput { problem: format!("seen_location {address} is no manifest in {location}") };
    seen::name_in(location, address).ok_or_else(foreign)?;
    let bytes = seen::read(context, location, address).await?;
    bytes.as_deref().and_then(Manifest::from_bytes).ok_or_else(|| Error::InvalidLake {
        problem: format!("this run's list of files, {address}, was removed or altered; run again"),
    })
}

fn partition(root: &Location, day: NaiveDate) -> Result<Partition> {
    let values = [format!("{:04}", day.year()), format!("{:02}", day.month()), format!("{:02}", day.day())];
    let [year, month, date] = &values;
    let location = root.join(&format!("year={year}/month={month}/day={date}"));
    let location = location.map_err(|problem| Error::InvalidLake { problem })?;
    Ok(Partition { values: values.to_vec(), location: location.as_str().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, Reply, glue, s3};

    const SEEN: &str = "s3://lake/curated/seen/";

    fn settings() -> Settings {
        Settings { pageviews: canned::location("s3://lake/raw/pageviews/"), seen: canned::location(SEEN) }
    }

    fn input() -> Input {
        Input { seen_location: [SEEN, "0a.json"].concat() }
    }

    fn manifest(days: &[&str]) -> [Reply; 2] {
        let days: Vec<String> = days.iter().map(|day| format!("\"{day}\":\"00\"")).collect();
        let text = format!("{{\"version\":1,\"days\":{{{}}}}}", days.join(","));
        [s3::objects("curated/seen/", &[("0a.json", "\"m\"")]), s3::file(text.as_bytes())]
    }

    fn table() -> Reply {
        glue::table(&glue::csv(TABLE, "s3://lake/raw/pageviews/"))
    }

    #[tokio::test]
    async fn only_days_that_are_not_registered_are_added() {
        let registered = glue::partitions(&[&["2025", "12", "31"], &["2026", "01", "01"]]);
        let rest = vec![table(), registered, glue::refused_partitions(&[])];
        let aws = Aws::new([manifest(&["2025-12-31", "2026-01-01", "2026-01-02"]).to_vec(), rest].concat());

        let output = handle(&aws.context(settings()), input()).await.unwrap();

        assert_eq!(output, Output { days: 3, added: 1 });
        assert_eq!(aws.bodies(glue::PARTITIONS)[0]["ExcludeColumnSchema"], true);
        let added = &aws.bodies(glue::ADD_PARTITIONS)[0];
        assert_eq!(added["TableName"], "pageviews");
        let partitions = added["PartitionInputList"].as_array().unwrap();
        assert_eq!(partitions.len(), 1);
        assert_eq!(partitions[0]["Values"], serde_json::json!(["2026", "01", "02"]));
        let storage = &partitions[0]["StorageDescriptor"];
        assert_eq!(storage["Location"], "s3://lake/raw/pageviews/year=2026/month=01/day=02/");
        assert_eq!(storage["Columns"][0]["Name"], "customer_id", "stored as the table is");
        aws.assert_finished();
    }

    #[tokio::test]
    async fn with_nothing_new_nothing_is_written() {
        for (days, registered) in [(vec![], vec![]), (vec!["2026-01-01"], vec!["2026", "01", "01"])] {
            let registered: Vec<&[&str]> = if registered.is_empty() { vec![] } else { vec![&registered] };
            let rest = vec![table(), glue::partitions(&registered)];
            let aws = Aws::new([manifest(&days).to_vec(), rest].concat());

            assert_eq!(handle(&aws.context(settings()), input()).await.unwrap().added, 0);
            aws.assert_finished();
        }
    }

    #[tokio::test]
    async fn many_days_are_added_in_batches() {
        let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let days: Vec<String> = start.iter_days().take(201).map(|day| day.to_string()).collect();
        let days: Vec<&str> = days.iter().map(String::as_str).collect();
        let batches = vec![glue::refused_partitions(&[]); 3];
        let aws = Aws::new([manifest(&days).to_vec(), vec![table(), glue::partitions(&[])], batches].concat());

        assert_eq!(handle(&aws.context(settings()), input()).await.unwrap().added, 201);
        let sizes: Vec<usize> = aws
            .bodies(glue::ADD_PARTITIONS)
            .iter()
            .map(|body| body["PartitionInputList"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [100, 100, 1]);
    }

    #[tokio::test]
    async fn what_somebody_else_has_added_meanwhile_is_there() {
        let refusals: [(&[&str], &str, Option<&str>); 3] = [
            (&["2026", "01", "01"], "AlreadyExistsException", None),
            (&["2026", "01", "01"], "InternalServiceException", Some("ServiceError")),
            (&["2026", "01", "01"], "InvalidInputException", Some("ServiceRefused")),
        ];
        for (values, code, expected) in refusals {
            let rest = vec![table(), glue::partitions(&[]), glue::refused_partitions(&[(values, code)])];
            let aws = Aws::new([manifest(&["2026-01-01"]).to_vec(), rest].concat());

            let result = handle(&aws.context(settings()), input()).await;

            assert_eq!(result.err().map(|error| error.code()), expected, "{code}");
        }
    }

    #[tokio::test]
    async fn without_the_list_of_files_nothing_is_registered() {
        let cases = [
            (vec![s3::objects("curated/seen/", &[])], input(), "InvalidLake"),
            (vec![s3::objects("curated/seen/", &[("0a.json", "\"m\"")]), s3::file(b"{}")], input(), "InvalidLake"),
            (vec![], Input { seen_location: "s3://elsewhere/0a.json".to_owned() }, "InvalidInput"),
        ];
        for (replies, input, code) in cases {
            let aws = Aws::new(replies);

            assert_eq!(handle(&aws.context(settings()), input).await.unwrap_err().code(), code);
            aws.assert_finished();
        }
    }
}
