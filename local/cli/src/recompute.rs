//! The output, recomputed from the raw zone's CSV files in plain Rust: what the pipeline's table must equal.
//!
//! It shares nothing with the engine: it reads the files itself and counts in a hash map.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use crate::raw_zone;
use crate::rows::{self, RowError};

/// The country of a view whose customer is in no customer file.
const UNKNOWN: &str = "UNKNOWN";

/// Views per date (`2026-01-31`), URL and country.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DailyViews {
    counts: HashMap<Key, u64>,
    views: u64,
}

/// One row of the output without its count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// `view_date`, as `2026-01-31`.
    pub date: String,
    /// `url`.
    pub url: String,
    /// `country`.
    pub country: String,
}

/// The raw zone could not be recomputed.
#[derive(Debug, thiserror::Error)]
pub enum RecomputeError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not CSV.
    #[error("{path}, line {line}", path = path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why.
        source: RowError,
    },
    /// A line has too few fields.
    #[error("{path}, line {line}: there is no field {field}", path = path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        field: usize,
    },
    /// A folder that is not a partition.
    #[error("{path} is not a partition's folder", path = path.display())]
    Partition {
        /// The folder.
        path: PathBuf,
    },
}

type Result<T> = std::result::Result<T, RecomputeError>;

impl DailyViews {
    /// Counts `count` views.
    pub fn add(&mut self, key: Key, count: u64) {
        *self.counts.entry(key).or_default() += count;
        self.views += count;
    }

    /// Distinct dates, URLs and countries.
    pub fn rows(&self) -> usize {
        self.counts.len()
    }

    /// Views altogether.
    pub fn views(&self) -> u64 {
        self.views
    }

    /// The count of one row.
    pub fn get(&self, key: &Key) -> Option<u64> {
        self.counts.get(key).copied()
    }

    /// The first row, in order, in which the two differ, with both counts.
    pub fn first_difference(&self, other: &Self) -> Option<(Key, Option<u64>, Option<u64>)> {
        let all = self.counts.keys().chain(other.counts.keys());
        let key = all.filter(|key| self.get(key) != other.get(key)).min()?;
        Some((key.clone(), self.get(key), other.get(key)))
    }

    /// Recomputes the output from the raw zone in `folder`.
    ///
    /// # Errors
    /// [`RecomputeError`]: a file cannot be read, or is not what a checked raw zone holds.
    pub fn from_raw_zone(folder: &Path) -> Result<Self> {
        let countries = countries(&folder.join("customers"))?;
        let mut views = Self::default();
        let root = folder.join("pageviews");
        for path in csv_files(&root)? {
            let partition = path.parent().and_then(|parent| parent.strip_prefix(&root).ok());
            let date = partition.and_then(|partition| raw_zone::partition_date(&partition.to_string_lossy()));
            let date = date.ok_or_else(|| RecomputeError::Partition { path: path.clone() })?.to_string();
            for_each_row(&path, [1, 2], |[customer, url]| {
                let country = countries.get(customer).map_or(UNKNOWN, String::as_str);
                let key = Key { date: date.clone(), url: url.to_owned(), country: country.to_owned() };
                views.add(key, 1);
            })?;
        }
        Ok(views)
    }
}

/// Customer to country; who is listed in two belongs to the smaller one.
fn countries(root: &Path) -> Result<HashMap<String, String>> {
    let mut countries: HashMap<String, String> = HashMap::new();
    for path in csv_files(root)? {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let country = folder.strip_prefix("country=").map(str::to_owned);
        let country = country.ok_or_else(|| RecomputeError::Partition { path: path.clone() })?;
        for_each_row(&path, [0], |[customer]| match countries.entry(customer.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(country.clone());
            }
            Entry::Occupied(mut entry) => {
                if country < *entry.get() {
                    entry.insert(country.clone());
                }
            }
        })?;
    }
    Ok(countries)
}

/// Calls `row` with the chosen fields of every row behind the header.
fn for_each_row<const N: usize>(path: &Path, chosen: [usize; N], mut row: impl FnMut([&str; N])) -> Result<()> {
    let read = |source| RecomputeError::Read { path: path.to_owned(), source };
    let reader = io::BufReader::with_capacity(1 << 20, fs::File::open(path).map_err(read)?);
    for (index, line) in reader.lines().enumerate().skip(1) {
        let line = line.map_err(read)?;
        let number = index + 1;
        let fields = rows::fields(line.trim_end_matches('\r')).map_err(|source| RecomputeError::Row {
            path: path.to_owned(),
            line: number,
            source,
        })?;
        let mut values = [""; N];
        for (value, field) in values.iter_mut().zip(chosen) {
            *value = fields.get(field).ok_or_else(|| RecomputeError::Field {
                path: path.to_owned(),
                line: number,
                field: field + 1,
            })?;
        }
        row(values);
    }
    Ok(())
}

/// All `.csv` files below a folder, in order; none when there is no such folder.
fn csv_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let read = |source| RecomputeError::Read { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(read)?,
        };
        for entry in entries {
            let path = entry.map_err(read)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "csv") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
