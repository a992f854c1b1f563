//! Registers every `year=/month=/day=` folder of the page view CSVs as a partition.
//!
//! Input: nothing. Output: the query and how many days there are. Reads no table; writes the partitions of `pageviews`.
//! Safe to run twice: discovery only adds.
//!
//! `MSCK REPAIR TABLE` passes over what it does not understand without a word, and a folder that is no date would stop
//! the transform half way. Worse, `month=1` would be read and then missed by the incremental load, which compares the
//! keys as text. So every folder is looked at first, and one that is not a date with two digits for month and day is an
//! error before anything is changed.
//! <https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html>

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared::config::Variables;
use shared::sql::Location;
use shared::{Context, Error, Result, config, sql};

const LOAD_PARTITIONS: sql::Template = sql::hive("load_partitions", include_str!("../sql/load_partitions.sql"));

/// Where the CSVs are.
#[derive(Debug)]
pub(crate) struct Settings {
    location: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        Some(Self { location: variables.get("PAGEVIEWS_LOCATION")? })
    }
}

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What was run, and over how many days.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    days: usize,
}

/// Looks at the folders, then registers them.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    let days = count_days(context).await?;
    let finished = context.athena.run(&LOAD_PARTITIONS.render(&[])?).await?;
    Ok(Output { query_execution_id: finished.query_execution_id, days })
}

/// One call for the years, one per year, one per month: seldom more than a hundred.
async fn count_days(context: &Context<Settings>) -> Result<usize> {
    let mut days = 0;
    let root = &context.settings.location;
    for (year, months) in keys(context, root, "year=", 4).await? {
        for (month, dates) in keys(context, &months, "month=", 2).await? {
            for (day, folder) in keys(context, &dates, "day=", 2).await? {
                NaiveDate::from_ymd_opt(i32::try_from(year).unwrap_or(0), month, day)
                    .filter(|_| year > 0)
                    .ok_or_else(|| invalid(&[folder.as_str(), " is not a date"]))?;
                days += 1;
            }
        }
    }
    Ok(days)
}

/// The folders in `location`, each of which must be `key` and a number of so many digits.
async fn keys(
    context: &Context<Settings>,
    location: &Location,
    key: &str,
    digits: usize,
) -> Result<Vec<(u32, Location)>> {
    let listing = context.lake.list(location).await?;
    if let Some(file) = listing.visible_files().next() {
        return Err(invalid(&[location.as_str(), file, " lies outside every day= folder, where no query sees it"]));
    }
    let folders = listing.folders.iter().map(|folder| {
        let number = folder.strip_prefix(key).filter(|number| number.len() == digits).and_then(parse);
        let problem =
            || invalid(&[location.as_str(), folder, "/ is not ", key, " and ", &digits.to_string(), " digits"]);
        Ok((number.ok_or_else(problem)?, location.join(folder).map_err(|_| problem())?))
    });
    folders.collect()
}

/// Digits only: Rust's own parser takes a sign.
fn parse(digits: &str) -> Option<u32> {
    digits.chars().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn invalid(parts: &[&str]) -> Error {
    Error::InvalidLake { problem: parts.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, Reply, athena, s3};

    const ROOT: &str = "raw/pageviews/";

    fn settings() -> Settings {
        Settings { location: canned::location("s3://lake/raw/pageviews/") }
    }

    fn folders(prefix: &str, folders: &[&str]) -> Reply {
        s3::listing(&[ROOT, prefix].concat(), folders, &[])
    }

    #[tokio::test]
    async fn the_days_are_counted_and_registered() {
        let listings = vec![
            folders("", &["year=2025", "year=2026"]),
            folders("year=2025/", &["month=12"]),
            folders("year=2025/month=12/", &["day=31"]),
            folders("year=2026/", &["month=01"]),
            folders("year=2026/month=01/", &["day=01", "day=02"]),
        ];
        let aws = Aws::new([listings, athena::run("q-1", 0).to_vec()].concat());

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!(output, Output { query_execution_id: "q-1".to_owned(), days: 3 });
        assert_eq!(aws.statements(), ["msck repair table `pageviews`"]);
        aws.assert_finished();
    }

    #[tokio::test]
    async fn an_empty_lake_is_fine() {
        let aws = Aws::new([vec![folders("", &[])], athena::run("q-1", 0).to_vec()].concat());

        assert_eq!(handle(&aws.context(settings()), Input {}).await.unwrap().days, 0);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_a_date_is_named_before_anything_is_changed() {
        let day = |day| {
            vec![
                folders("", &["year=2026"]),
                folders("year=2026/", &["month=02"]),
                folders("year=2026/month=02/", &[day]),
            ]
        };
        let cases = [
            (vec![folders("", &["2026"])], "raw/pageviews/2026/ is not year= and 4 digits"),
            (vec![folders("", &["year=26"])], "year=26/"),
            (vec![folders("", &["year=2026"]), folders("year=2026/", &["month=1"])], "month=1/"),
            (day("day=30"), "day=30/ is not a date"),
            (day("day=+1"), "day=+1/"),
            (vec![s3::listing(ROOT, &[], &["views.csv"])], "views.csv lies outside"),
        ];
        for (replies, expected) in cases {
            let aws = Aws::new(replies);

            let error = handle(&aws.context(settings()), Input {}).await.unwrap_err();

            assert_eq!(error.code(), "InvalidLake");
            assert!(error.to_string().contains(expected), "{error}");
            aws.assert_finished();
        }
    }
}
