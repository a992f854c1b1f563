//! Which raw files a state of the output was made of: the manifest that lets a refresh find late files without reading any.
//!
//! A manifest is a small JSON file that holds one digest per day, over the key, the `ETag` and the size of each of the
//! day's files: a file that comes, goes or is replaced changes its day's digest. The output's entry in Glue names the
//! manifest of its state in the parameter `pageviews_seen` ([`crate::catalog::Table::pageviews_seen`]).

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::context::hex;
use crate::lake::{Lake, Listed, is_visible};
use crate::objects::Address;
use crate::sql::Location;
use crate::{Context, Error, Result};

/// The form of the file. Another one is not understood, so that everything is computed again.
const VERSION: u32 = 1;
/// Bytes of a digest that are kept: enough that two contents of a day never share them by chance.
const DIGEST_BYTES: usize = 16;

/// The days that have raw files, each with the digest of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    days: BTreeMap<NaiveDate, String>,
}

impl Manifest {
    /// Reads the file; `None` if it is not a manifest of this form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|manifest: &Self| manifest.version == VERSION)
    }

    /// The file.
    ///
    /// # Errors
    /// None in practice: days and text are always JSON.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// The days that have files, the oldest first.
    pub fn days(&self) -> impl ExactSizeIterator<Item = NaiveDate> + '_ {
        self.days.keys().copied()
    }

    /// The days whose files are not those that `before` saw, the oldest first; a day that has lost all its files is one
    /// of them.
    pub fn changed_since(&self, before: &Self) -> Vec<NaiveDate> {
        let mut changed: Vec<NaiveDate> = self
            .days
            .iter()
            .filter(|(day, digest)| before.days.get(day) != Some(digest))
            .map(|(day, _)| *day)
            .collect();
        changed.extend(before.days().filter(|day| !self.days.contains_key(day)));
        changed.sort_unstable();
        changed
    }
}

/// Makes a manifest of a listing.
#[derive(Debug, Default)]
pub struct Looking {
    days: BTreeMap<NaiveDate, Sha256>,
    files: u64,
}

impl Looking {
    /// A file of `day`. A day's files must come in the same order each time, which is how S3 lists them.
    pub fn add(&mut self, day: NaiveDate, file: Listed<'_>) {
        let digest = self.days.entry(day).or_default();
        for part in [file.name, file.etag, &file.size.to_string()] {
            // No key holds a zero byte, and the parts cannot run into each other.
            digest.update(part);
            digest.update([0]);
        }
        self.files += 1;
    }

    /// How many files there are.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// What was seen.
    pub fn manifest(self) -> Manifest {
        let digest = |hash: Sha256| hex(&hash.finalize()[..DIGEST_BYTES]);
        Manifest { version: VERSION, days: self.days.into_iter().map(|(day, hash)| (day, digest(hash))).collect() }
    }
}

/// Lists every raw page view file below `root`, and takes note of each under its day.
///
/// # Errors
/// [`Error::InvalidLake`] naming a file that no query would read, or whose folder is no date; [`Error::ServiceError`] and
/// [`Error::ServiceRefused`].
pub async fn list(lake: &Lake, root: &Location) -> Result<Looking> {
    let mut looking = Looking::default();
    let visit = |file: Listed<'_>| {
        let day = day_of(file.name)
            .map_err(|problem| Error::InvalidLake { problem: [root.as_str(), file.name, " ", &problem].concat() })?;
        if let Some(day) = day {
            looking.add(day, file);
        }
        Ok(())
    };
    lake.visit(root, visit).await?;
    Ok(looking)
}

/// The day of the file with this key below the root; `None` for what no query reads: hidden files and the marker objects
/// that some tools leave for folders.
pub fn day_of(key: &str) -> Result<Option<NaiveDate>, String> {
    const KEYS: [(&str, usize); 3] = [("year=", 4), ("month=", 2), ("day=", 2)];
    let (mut rest, mut numbers) = (key, [0; 3]);
    for ((key, digits), number) in KEYS.into_iter().zip(&mut numbers) {
        let Some((folder, below)) = rest.split_once('/') else {
            return if is_visible(rest) && !rest.is_empty() {
                Err("lies outside every day= folder, where no query sees it".to_owned())
            } else {
                Ok(None)
            };
        };
        *number = folder
            .strip_prefix(key)
            .filter(|number| number.len() == digits)
            .and_then(parse)
            .ok_or_else(|| format!("lies in {folder}/, which is not {key} and {digits} digits"))?;
        rest = below;
    }
    let [year, month, day] = numbers;
    let day = NaiveDate::from_ymd_opt(i32::try_from(year).unwrap_or(0), month, day).filter(|_| year > 0);
    let day = day.ok_or_else(|| "lies in a folder that is not a date".to_owned())?;
    let name = rest.rsplit('/').next().unwrap_or_default();
    Ok((is_visible(name) && !name.is_empty()).then_some(day))
}

/// Digits only: Rust's own parser takes a sign.
fn parse(digits: &str) -> Option<u32> {
    digits.chars().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The file at `address`, whatever it holds; `None` if it is not there, or is none of ours.
///
/// # Errors
/// [`Error::ServiceError`](crate::Error::ServiceError) and [`Error::ServiceRefused`](crate::Error::ServiceRefused).
pub async fn read<S>(context: &Context<S>, location: &Location, address: &str) -> Result<Option<Vec<u8>>> {
    let Some(name) = name_in(location, address) else { return Ok(None) };
    if !context.lake.has(location, name).await? {
        return Ok(None);
    }
    let found = context.objects.get(&Address::within(location, name)).await?;
    Ok(found.map(|(content, _)| content))
}

/// The name of a run's manifest.
pub fn file_name(run: &str) -> String {
    [run, ".json"].concat()
}

/// The name of the manifest at `address`, if it lies in `location` and is called as this code calls it.
pub fn name_in<'a>(location: &Location, address: &'a str) -> Option<&'a str> {
    let name = address.strip_prefix(location.as_str())?;
    let run = name.strip_suffix(".json")?;
    (!run.is_empty() && run.chars().all(|c| c.is_ascii_hexdigit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
    }

    fn manifest(files: &[(u32, &str, &str, i64)]) -> Manifest {
        let mut looking = Looking::default();
        for (date, name, etag, size) in files {
            looking.add(day(*date), Listed { name, etag, size: *size, modified: None });
        }
        looking.manifest()
    }

    #[test]
    fn a_file_that_comes_goes_or_is_replaced_changes_its_day_and_no_other() {
        let before = manifest(&[(1, "a", "x", 1), (2, "a", "x", 1), (2, "b", "y", 2)]);
        let cases = [
            (vec![(1, "a", "x", 1), (2, "a", "x", 1), (2, "b", "y", 2)], vec![]),
            (vec![(1, "a", "x", 1), (2, "a", "x", 1), (2, "b", "y", 2), (3, "a", "x", 1)], vec![day(3)]),
            (vec![(1, "a", "x", 1), (2, "a", "x", 1)], vec![day(2)]),
            (vec![(1, "a", "z", 1), (2, "a", "x", 1), (2, "b", "y", 3)], vec![day(1), day(2)]),
            (vec![(2, "a", "x", 1), (2, "b", "y", 2)], vec![day(1)]),
            (vec![(1, "a", "x", 1), (2, "ab", "x", 1), (2, "", "y", 2)], vec![day(2)]),
            (vec![], vec![day(1), day(2)]),
        ];
        for (files, expected) in cases {
            assert_eq!(manifest(&files).changed_since(&before), expected, "{files:?}");
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_nothing_else_is() {
        let written = manifest(&[(1, "a", "x", 1), (2, "b", "y", 2)]);
        let bytes = written.to_bytes().unwrap();

        assert_eq!(Manifest::from_bytes(&bytes), Some(written));
        assert_eq!(Manifest::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Manifest::from_bytes(br#"{"version":2,"days":{}}"#), None);
        assert_eq!(Manifest::from_bytes(b""), None);
    }

    #[test]
    fn only_manifests_of_this_code_have_a_name() {
        let location: Location = "s3://lake/seen/".parse().unwrap();
        assert_eq!(name_in(&location, "s3://lake/seen/0123456789ab.json"), Some("0123456789ab.json"));
        for address in [
            "s3://lake/seen/../a.json",
            "s3://lake/other/0.json",
            "s3://lake/seen/.json",
            "",
            "s3://lake/seen/a/b.json",
        ] {
            assert_eq!(name_in(&location, address), None, "{address}");
        }
    }
}
