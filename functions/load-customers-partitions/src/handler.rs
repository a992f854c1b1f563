//! Registers every `country=` folder of the customer CSVs as a partition.
//!
//! Input: nothing. Output: the query and how many folders there are. Reads no table; writes the partitions of
//! `customers`. Safe to run twice: discovery only adds.
//!
//! `MSCK REPAIR TABLE` passes over what it does not understand without a word, and a query then misses those rows, also
//! without a word. So the folders are looked at first, and one that would be missed is an error:
//! <https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html>

use serde::{Deserialize, Serialize};
use shared::config::Variables;
use shared::lake::Listing;
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
        Some(Self { location: variables.get("CUSTOMERS_LOCATION")? })
    }
}

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What was run, and over how many folders.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    query_execution_id: String,
    folders: usize,
}

/// Looks at the folders, then registers them.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    let location = &context.settings.location;
    let listing = context.lake.list(location).await?;
    check(location, &listing)?;
    let finished = context.athena.run(&LOAD_PARTITIONS.render(&[])?).await?;
    Ok(Output { query_execution_id: finished.query_execution_id, folders: listing.folders.len() })
}

fn check(location: &Location, listing: &Listing) -> Result<()> {
    if let Some(file) = listing.visible_files().next() {
        let problem = format!("{location}{file} lies outside every country= folder, where no query sees it");
        return Err(Error::InvalidLake { problem });
    }
    match listing.folders.iter().find(|folder| !is_partition(folder)) {
        Some(folder) => {
            Err(Error::InvalidLake { problem: format!("{location}{folder}/ is no country, as in country=USA/") })
        }
        None => Ok(()),
    }
}

/// A colon in a value makes discovery pass over the folder.
fn is_partition(folder: &str) -> bool {
    folder.strip_prefix("country=").is_some_and(|country| !country.is_empty() && !country.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, athena, s3};

    const PREFIX: &str = "raw/customers/";

    fn settings() -> Settings {
        Settings { location: canned::location("s3://lake/raw/customers/") }
    }

    #[tokio::test]
    async fn the_folders_are_counted_and_registered() {
        let listing = s3::listing(PREFIX, &["country=FRA", "country=USA"], &["_SUCCESS", ""]);
        let aws = Aws::new([vec![listing], athena::run("q-1", 0).to_vec()].concat());

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!(output, Output { query_execution_id: "q-1".to_owned(), folders: 2 });
        assert_eq!(aws.statements(), ["msck repair table `customers`"]);
        assert_eq!(aws.bodies(athena::START)[0]["QueryExecutionContext"]["Database"], "appdb");
    }

    #[tokio::test]
    async fn an_empty_lake_is_fine() {
        let aws = Aws::new([vec![s3::listing(PREFIX, &[], &[])], athena::run("q-1", 0).to_vec()].concat());

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!(output.folders, 0);
    }

    #[tokio::test]
    async fn what_discovery_would_pass_over_is_an_error_before_anything_is_changed() {
        for (folders, files) in [
            (vec!["country=USA", "state=Ohio"], vec![]),
            (vec!["country="], vec![]),
            (vec!["country=U:S"], vec![]),
            (vec!["country=USA"], vec!["customers.csv"]),
        ] {
            let aws = Aws::new([s3::listing(PREFIX, &folders, &files)]);

            let error = handle(&aws.context(settings()), Input {}).await.unwrap_err();

            assert_eq!(error.code(), "InvalidLake", "{folders:?} {files:?}");
        }
    }
}
