//! [`Dataset`]: what there is to generate, and which part of it is written where.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{Datelike as _, Days, NaiveDate};

use super::customers;
use super::urls::Urls;
use super::views::PartWriter;
use super::zipf::Zipf;

/// Page views by weekday, Monday first, against 100 on a Monday: a chart of days has a shape.
const WEEKDAY_WEIGHTS: [u64; 7] = [100, 105, 108, 106, 100, 80, 75];

/// What is to be generated.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// First day.
    pub start: NaiveDate,
    /// Days, one partition each.
    pub days: u32,
    /// Page views over all days together.
    pub views: u64,
    /// Known customers, numbered from 1.
    pub customers: u64,
    /// Distinct URLs, by Zipf's law: the second is viewed half as often as the first.
    pub urls: u32,
    /// CSV files that a day is split into, by time of day; even, so that a day has two halves.
    pub files_per_day: u32,
    /// Another seed gives other data of the same shape.
    pub seed: u64,
    /// The awkward values that real data has.
    pub quirks: Quirks,
}

/// How much of the data is awkward.
#[derive(Debug, Clone, PartialEq)]
pub struct Quirks {
    /// Share of views (0 to 1) whose customer is in no customer file.
    pub unknown_customers: f64,
    /// Share of URLs (0 to 1) that hold commas and quotation marks, so that CSV must quote them.
    pub quoted: f64,
    /// Share of URLs (0 to 1) that hold letters beyond ASCII.
    pub non_ascii: f64,
    /// Customers that are listed in two countries.
    pub duplicate_customers: u64,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { unknown_customers: 0.01, quoted: 0.02, non_ascii: 0.02, duplicate_customers: 0 }
    }
}

impl Default for Dataset {
    fn default() -> Self {
        Self {
            start: NaiveDate::default(),
            days: 30,
            views: 100_000,
            customers: 1_000,
            urls: 500,
            files_per_day: 4,
            seed: 1,
            quirks: Quirks::default(),
        }
    }
}

/// A part of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Before noon.
    Early,
    /// From noon on.
    Late,
}

/// Which part of the dataset is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The customer files.
    pub customers: bool,
    /// These days (each within the dataset), with one half or both.
    pub days: Vec<(NaiveDate, Option<Half>)>,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// CSV files.
    pub files: u64,
    /// Page views.
    pub views: u64,
    /// Customer rows; a customer in two countries is two rows.
    pub customer_rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The data could not be generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The description makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A file could not be written.
    #[error("{path} could not be written")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Written {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.views += other.views;
        self.customer_rows += other.customer_rows;
        self.bytes += other.bytes;
    }
}

impl Dataset {
    /// Everything.
    pub fn everything(&self) -> Selection {
        let days = self.dates().map(|date| (date, None)).collect();
        Selection { customers: true, days }
    }

    /// The dates, in order.
    pub fn dates(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.start.iter_days().take(self.days as usize)
    }

    /// The date `index` days after the first.
    pub fn date(&self, index: u32) -> NaiveDate {
        self.start.checked_add_days(Days::new(u64::from(index))).unwrap_or(NaiveDate::MAX)
    }

    /// Writes the selected part below `out` on `threads` threads. `progress` hears of every file's bytes.
    ///
    /// # Errors
    /// [`GenerateError::Invalid`] before anything is written; [`GenerateError::Write`] when the disk says no.
    pub fn write(
        &self,
        out: &Path,
        selection: &Selection,
        threads: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Written, GenerateError> {
        self.check(selection)?;
        let mut written = Written::default();
        if selection.customers {
            written.add(customers::write(self, out, progress)?);
        }
        written.add(self.write_views(out, &self.parts(selection), threads.max(1), progress)?);
        Ok(written)
    }

    /// Refuses a description or a selection that makes no sense.
    pub(super) fn check(&self, selection: &Selection) -> Result<(), GenerateError> {
        let refuse = |reason: &str| Err(GenerateError::Invalid(reason.to_owned()));
        let shares = [self.quirks.unknown_customers, self.quirks.quoted, self.quirks.non_ascii];
        if self.days == 0 {
            return refuse("at least one day must be generated");
        }
        if self.customers == 0 || self.urls == 0 {
            return refuse("at least one customer and one URL are needed");
        }
        if self.files_per_day == 0 || !self.files_per_day.is_multiple_of(2) || self.files_per_day > 1440 {
            return refuse("the number of files per day must be even, at least 2 and at most 1440");
        }
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return refuse("a share must lie between 0 and 1");
        }
        if self.quirks.duplicate_customers > self.customers {
            return refuse("there cannot be more duplicate customers than customers");
        }
        let outside = selection.days.iter().find(|(date, _)| !self.dates().any(|known| known == *date));
        outside.map_or(Ok(()), |(date, _)| {
            Err(GenerateError::Invalid(format!("{date} is not one of the {} days from {}", self.days, self.start)))
        })
    }

    /// The files to write.
    pub(super) fn parts(&self, selection: &Selection) -> Vec<Part> {
        let counts = self.views_per_day();
        let mut first_ids = vec![1_u64];
        for count in &counts {
            first_ids.push(first_ids.last().copied().unwrap_or(1) + count);
        }
        let mut parts = Vec::new();
        for (day, date) in self.dates().enumerate() {
            let Some((_, half)) = selection.days.iter().find(|(selected, _)| *selected == date) else { continue };
            let middle = self.files_per_day / 2;
            let wanted = match half {
                None => 0..self.files_per_day,
                Some(Half::Early) => 0..middle,
                Some(Half::Late) => middle..self.files_per_day,
            };
            for position in wanted {
                let boundary = |file: u32| counts[day] * u64::from(file) / u64::from(self.files_per_day);
                let rows = boundary(position + 1) - boundary(position);
                parts.push(Part { date, day, position, first_view_id: first_ids[day] + boundary(position), rows });
            }
        }
        parts
    }

    /// Views of each day; their sum is exactly [`Dataset::views`].
    fn views_per_day(&self) -> Vec<u64> {
        let weight = |date: NaiveDate| WEEKDAY_WEIGHTS[date.weekday().num_days_from_monday() as usize];
        let total: u64 = self.dates().map(weight).sum();
        let mut seen = 0;
        let mut given = 0;
        self.dates()
            .map(|date| {
                seen += weight(date);
                let until = u64::try_from(u128::from(self.views) * u128::from(seen) / u128::from(total)).unwrap_or(0);
                let views = until - given;
                given = until;
                views
            })
            .collect()
    }

    /// Writes the files of page views, each on the next free thread.
    fn write_views(
        &self,
        out: &Path,
        parts: &[Part],
        threads: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Written, GenerateError> {
        let urls = Urls::new(self.urls, self.seed, &self.quirks);
        let zipf = Zipf::new(self.urls);
        let writer = PartWriter::new(self, &urls, &zipf);
        let next = AtomicUsize::new(0);
        let result = Mutex::new(Ok(Written::default()));
        let work = || {
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let one = writer.write(out, part);
                let Ok(mut result) = result.lock() else { return };
                match (one, &mut *result) {
                    (Ok(one), Ok(sum)) => {
                        sum.add(one);
                        progress(one.bytes);
                    }
                    (Err(error), Ok(_)) => *result = Err(error),
                    (_, Err(_)) => return,
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.min(parts.len()) {
                scope.spawn(work);
            }
        });
        result.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One file of page views.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) date: NaiveDate,
    /// Days since the dataset's first.
    pub(super) day: usize,
    /// Position within the day.
    pub(super) position: u32,
    pub(super) first_view_id: u64,
    pub(super) rows: u64,
}

/// Makes a file and the folders above it.
pub(super) fn create(path: &Path) -> Result<fs::File, GenerateError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| GenerateError::Write { path, source }
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail(folder))?;
    }
    fs::File::create(path).map_err(fail(path))
}
