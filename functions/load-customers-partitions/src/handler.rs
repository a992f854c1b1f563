//! Registers every `country=` folder of the customer CSVs as a partition.
//!
//! Input: nothing. Output: how many folders there are, and how many were new. Reads the partitions of `customers`; writes
//! those that are missing. Safe to run twice: it only adds, and what somebody else has added meanwhile is there, which is
//! all that is wanted.
//!
//! What is new is added, and nothing is discovered: `MSCK REPAIR TABLE` lists every file, where the folders are enough, and
//! passes over what it does not understand without a word; a query then misses those rows, also without a word. So a
//! folder that would be missed is an error, before anything is changed.
//! <https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html>

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::catalog::Partition;
use shared::config::Variables;
use shared::lake::Listing;
use shared::sql::Location;
use shared::{Context, Error, Result, config};

const TABLE: &str = "customers";

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

/// How many folders there are, and how many of them were not registered.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    folders: usize,
    added: usize,
}

/// Compares the folders with the partitions, and adds the rest.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    let location = &context.settings.location;
    let folders = partitions(location, &context.lake.list(location).await?)?;
    let absent = || Error::InvalidLake { problem: format!("the table {TABLE} was removed") };
    let table = context.catalog.table(TABLE).await?.ok_or_else(absent)?;
    let registered = context.catalog.partitions(&table).await?;
    let new: Vec<Partition> = folders.iter().filter(|folder| !registered.contains(&folder.values)).cloned().collect();
    context.catalog.add_partitions(&table, &new).await?;
    Ok(Output { folders: folders.len(), added: new.len() })
}

/// The partition of each folder. Everything must be in one, and no two folders may be the same partition.
fn partitions(location: &Location, listing: &Listing) -> Result<Vec<Partition>> {
    if let Some(file) = listing.visible_files().next() {
        let problem = format!("{location}{file} lies outside every country= folder, where no query sees it");
        return Err(Error::InvalidLake { problem });
    }
    let mut by_country = BTreeMap::new();
    for folder in &listing.folders {
        let country = country(folder).ok_or_else(|| Error::InvalidLake {
            problem: format!("{location}{folder}/ is no country, as in country=USA/"),
        })?;
        if let Some(other) = by_country.insert(country, folder) {
            let problem = format!("{location}{folder}/ and {location}{other}/ are the same country");
            return Err(Error::InvalidLake { problem });
        }
    }
    let partition = |(country, folder): (String, &String)| Partition {
        values: vec![country],
        location: [location.as_str(), folder, "/"].concat(),
    };
    Ok(by_country.into_iter().map(partition).collect())
}

/// The country of a folder, in which Hive's writers escape some characters (`%3A`). Discovery would pass over a bare
/// colon, and a path of Hive's cannot hold one.
fn country(folder: &str) -> Option<String> {
    let escaped = folder.strip_prefix("country=").filter(|country| !country.is_empty() && !country.contains(':'))?;
    unescape(escaped)
}

/// Undoes the escapes; `None` if the bytes are no UTF-8. A `%` that begins no escape stands for itself.
/// <https://github.com/apache/hive/blob/master/common/src/java/org/apache/hadoop/hive/common/FileUtils.java>
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        if let Some(byte) = part.get(..2).and_then(hexadecimal) {
            bytes.push(byte);
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        } else {
            bytes.push(b'%');
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    String::from_utf8(bytes).ok()
}

/// Two digits: Rust's own parser takes a sign.
fn hexadecimal(digits: &str) -> Option<u8> {
    digits.chars().all(|c| c.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, Reply, glue, s3};

    const PREFIX: &str = "raw/customers/";

    fn settings() -> Settings {
        Settings { location: canned::location("s3://lake/raw/customers/") }
    }

    fn table() -> Reply {
        glue::table(&glue::csv(TABLE, "s3://lake/raw/customers/"))
    }

    #[tokio::test]
    async fn only_folders_that_are_not_registered_are_added() {
        let listing = s3::listing(PREFIX, &["country=FRA", "country=USA"], &["_SUCCESS", ""]);
        let registered = glue::partitions(&[&["USA"], &["GONE"]]);
        let aws = Aws::new([listing, table(), registered, glue::refused_partitions(&[])]);

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!(output, Output { folders: 2, added: 1 });
        let added = &aws.bodies(glue::ADD_PARTITIONS)[0];
        assert_eq!((&added["DatabaseName"], &added["TableName"]), (&"appdb".into(), &"customers".into()));
        let partitions = added["PartitionInputList"].as_array().unwrap();
        assert_eq!(partitions.len(), 1);
        assert_eq!(partitions[0]["Values"], serde_json::json!(["FRA"]));
        assert_eq!(partitions[0]["StorageDescriptor"]["Location"], "s3://lake/raw/customers/country=FRA/");
        aws.assert_finished();
    }

    #[tokio::test]
    async fn an_empty_lake_is_fine() {
        let aws = Aws::new([s3::listing(PREFIX, &[], &[]), table(), glue::partitions(&[])]);

        let output = handle(&aws.context(settings()), Input {}).await.unwrap();

        assert_eq!(output, Output { folders: 0, added: 0 });
    }

    #[test]
    fn a_folder_stands_for_its_unescaped_country() {
        for (folder, expected) in [
            ("country=USA", Some("USA")),
            ("country=CÔTE D'IVOIRE", Some("CÔTE D'IVOIRE")),
            ("country=U%3AS%2f%3D", Some("U:S/=")),
            ("country=C%C3%94TE", Some("CÔTE")),
            ("country=50%", Some("50%")),
            ("country=50%+1%zz%é", Some("50%+1%zz%é")),
            ("country=%FF", None),
            ("country=U:S", None),
            ("country=", None),
            ("state=Ohio", None),
        ] {
            assert_eq!(country(folder).as_deref(), expected, "{folder}");
        }
    }

    #[tokio::test]
    async fn what_no_query_would_read_is_an_error_before_anything_is_changed() {
        for (folders, files) in [
            (vec!["country=USA", "state=Ohio"], vec![]),
            (vec!["country="], vec![]),
            (vec!["country=U:S"], vec![]),
            (vec!["country=USA", "country=U%53A"], vec![]),
            (vec!["country=USA"], vec!["customers.csv"]),
        ] {
            let aws = Aws::new([s3::listing(PREFIX, &folders, &files)]);

            let error = handle(&aws.context(settings()), Input {}).await.unwrap_err();

            assert_eq!(error.code(), "InvalidLake", "{folders:?} {files:?}");
            aws.assert_finished();
        }
    }
}
