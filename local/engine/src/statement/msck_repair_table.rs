//! `MSCK REPAIR TABLE`: discovers the `key=value` folders that the catalog does not know. It only adds.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html>

use std::collections::{BTreeMap, BTreeSet};

use super::name::TableName;
use super::tokens::Tokens;
use super::{Answer, CatalogStatement, Session, Statement, semantic};
use crate::Result;
use crate::catalog::{Column, Partition, Table};
use crate::lake::S3Uri;

#[derive(Debug)]
struct MsckRepairTable {
    name: TableName,
}

/// `MSCK REPAIR TABLE name`
pub(super) fn parse(tokens: &mut Tokens<'_>, database: &str) -> Result<Statement> {
    tokens.expect("MSCK REPAIR TABLE")?;
    let name = TableName::parse(tokens, database)?;
    Ok(Statement::catalog("MSCK_REPAIR_TABLE", MsckRepairTable { name }))
}

impl CatalogStatement for MsckRepairTable {
    fn run(&self, session: &Session) -> Result<Answer> {
        let table = session.table(&self.name)?;
        if table.partition_keys.is_empty() {
            return Err(semantic(format!("table is not partitioned: {}", self.name)));
        }
        let location = S3Uri::parse(table.storage_descriptor.location.as_deref().unwrap_or_default())?.folder();
        let folders = discover(session, &location, &table.partition_keys)?;
        let known = session.catalog.list_partitions(&table.database_name, &table.name)?;
        let known: BTreeSet<Vec<String>> = known.into_iter().map(|partition| partition.values).collect();
        let missing: Vec<(Vec<String>, String)> =
            folders.partitions.into_iter().filter(|(values, _)| !known.contains(values)).collect();
        let partitions =
            missing.iter().map(|(values, folder)| partition(&table, values, &location.join(folder))).collect();
        // One that somebody else has added meanwhile is there, which is all that was asked.
        session.catalog.batch_create_partitions(&table.database_name, &table.name, partitions)?;
        Ok(Answer::new(&["result"], report(&table.name, &missing, &folders.unfit)))
    }
}

/// What lies below a table's location.
#[derive(Debug, Default)]
struct Folders {
    /// By values: the folder, relative to the location, with a slash at its end.
    partitions: BTreeMap<Vec<String>, String>,
    /// Folders and files that belong to no partition.
    unfit: BTreeSet<String>,
}

fn discover(session: &Session, location: &S3Uri, keys: &[Column]) -> Result<Folders> {
    let mut folders = Folders::default();
    let mut last_folder = String::new();
    for object in session.lake.list(&location.bucket, &location.key)? {
        let relative = &object.key[location.key.len()..];
        // The listing is sorted: the files of one folder follow each other.
        if !last_folder.is_empty() && relative.starts_with(&last_folder) {
            continue;
        }
        match fit(relative, keys) {
            Fit::Partition(values, folder) => {
                last_folder.clone_from(&folder);
                folders.partitions.entry(values).or_insert(folder);
            }
            Fit::Hidden => {}
            Fit::Not(part) => {
                folders.unfit.insert(part);
            }
        }
    }
    Ok(folders)
}

enum Fit {
    Partition(Vec<String>, String),
    /// Hive takes no notice of names that begin with a dot or an underscore.
    Hidden,
    /// What does not fit, up to the first folder that is wrong.
    Not(String),
}

/// The values in a key below a table's location: one `key=value` folder for each partition key, in their order.
fn fit(relative: &str, keys: &[Column]) -> Fit {
    let mut values = Vec::with_capacity(keys.len());
    let mut folder = String::new();
    let mut rest = relative;
    for key in keys {
        let Some((segment, below)) = rest.split_once('/') else {
            let marker = rest.is_empty() || rest.starts_with(['.', '_']) || rest.ends_with("_$folder$");
            return if marker { Fit::Hidden } else { Fit::Not(relative.to_owned()) };
        };
        if segment.starts_with(['.', '_']) {
            return Fit::Hidden;
        }
        folder.push_str(segment);
        folder.push('/');
        let value = segment.split_once('=').filter(|(name, _)| *name == key.name).and_then(|(_, value)| decode(value));
        match value.filter(|value| !value.is_empty()) {
            Some(value) => values.push(value),
            None => return Fit::Not(folder),
        }
        rest = below;
    }
    Fit::Partition(values, folder)
}

/// Undoes the percent-encoding of a folder's value; `None` if it is not UTF-8.
fn decode(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten().and_then(|digits| {
            let digits =
                std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()))?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// A partition stored as its table is.
pub(super) fn partition(table: &Table, values: &[String], location: &S3Uri) -> Partition {
    let mut storage_descriptor = table.storage_descriptor.clone();
    storage_descriptor.location = Some(location.to_string());
    Partition { values: values.to_vec(), storage_descriptor, ..Partition::default() }
}

fn report(table: &str, added: &[(Vec<String>, String)], unfit: &BTreeSet<String>) -> Vec<String> {
    let name = |folder: &str| format!("{table}:{}", folder.trim_end_matches('/'));
    let mut lines = Vec::new();
    if !added.is_empty() {
        let names: Vec<String> = added.iter().map(|(_, folder)| name(folder)).collect();
        lines.push(format!("Partitions not in metastore:\t{}", names.join("\t")));
    }
    if !unfit.is_empty() {
        let names: Vec<String> = unfit.iter().map(|folder| name(folder)).collect();
        lines.push(format!("Not a partition of this table, and not read:\t{}", names.join("\t")));
    }
    lines.extend(added.iter().map(|(_, folder)| format!("Repair: Added partition to metastore {}", name(folder))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Column> {
        ["year", "month"].map(|name| Column { name: name.to_owned(), ..Column::default() }).to_vec()
    }

    #[test]
    fn folders_fit_in_the_declared_order() {
        for (key, expected) in [
            ("year=2026/month=01/a.csv", Some("2026,01")),
            ("year=2026/month=01/deeper/a.csv", Some("2026,01")),
            ("year=a%3Ab/month=C%C3%B4te%/", Some("a:b,Côte%")),
            ("month=01/year=2026/a.csv", None),
            ("Year=2026/month=01/a.csv", None),
            ("year=2026/a.csv", None),
            ("year=/month=01/a.csv", None),
            ("year=%FF/month=01/a.csv", None),
            ("2026/01/a.csv", None),
        ] {
            let values = match fit(key, &keys()) {
                Fit::Partition(values, _) => Some(values.join(",")),
                Fit::Not(_) => None,
                Fit::Hidden => panic!("{key} is hidden"),
            };
            assert_eq!(values.as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn hidden_names_are_no_partitions() {
        for key in ["_temporary/0/a.csv", ".hive/a", "year=2026/_SUCCESS", "", "year=2026/", "year=2026_$folder$"] {
            assert!(matches!(fit(key, &keys()), Fit::Hidden), "{key}");
        }
    }
}
