//! `pageviews generate`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::generate::{Dataset, Half, Quirks, Selection};

const EXAMPLES: &str = "\
Examples:
  pageviews generate --out raw --days 30 --views 100000 --customers 1000 --start 2026-01-01
      30 days into raw/customers/… and raw/pageviews/…
  pageviews generate --out more --days 31 --views 103000 --only-day 2026-01-31
      the 31st day of a set of 31 days, alone
  pageviews generate --out late --days 30 --only-day 2026-01-30 --half late --no-customers
      what happened after noon on one day of the first set
  pageviews generate --out big --days 60 --views 20000000 --customers 100000 --urls 5000
      1.7 GB

The same numbers and the same seed always give the same bytes, whatever part is written.";

/// Make data: deterministic page views and customers of any size, laid out for `pageviews load`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GenerateArguments {
    /// Write below this folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The first day
    #[arg(long, value_name = "DATE", default_value = "2026-01-01")]
    start: NaiveDate,
    /// Days in the set
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Page views in the set, over all its days
    #[arg(long, default_value_t = 100_000)]
    views: u64,
    /// Known customers
    #[arg(long, default_value_t = 1_000)]
    customers: u64,
    /// Distinct URLs, viewed by Zipf's law
    #[arg(long, default_value_t = 500)]
    urls: u32,
    /// CSV files that a day is split into, by time; even
    #[arg(long, default_value_t = 4)]
    files_per_day: u32,
    /// Another seed gives other data of the same shape
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of views (0 to 1) whose customer is unknown
    #[arg(long, value_name = "SHARE", default_value_t = Quirks::default().unknown_customers)]
    unknown_share: f64,
    /// Share of URLs (0 to 1) that hold commas and quotation marks
    #[arg(long, value_name = "SHARE", default_value_t = Quirks::default().quoted)]
    quoted_share: f64,
    /// Share of URLs (0 to 1) that hold letters beyond ASCII
    #[arg(long, value_name = "SHARE", default_value_t = Quirks::default().non_ascii)]
    non_ascii_share: f64,
    /// Customers that are listed in two countries
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    duplicate_customers: u64,
    /// Write the set's days from this one on
    #[arg(long, value_name = "DATE", conflicts_with = "only_day")]
    from: Option<NaiveDate>,
    /// Write the set's days up to this one
    #[arg(long, value_name = "DATE", conflicts_with = "only_day")]
    to: Option<NaiveDate>,
    /// Write this day of the set alone
    #[arg(long, value_name = "DATE")]
    only_day: Option<NaiveDate>,
    /// Write half of each selected day
    #[arg(long)]
    half: Option<HalfArgument>,
    /// Write no customers
    #[arg(long)]
    no_customers: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HalfArgument {
    /// Before noon
    Early,
    /// From noon on
    Late,
}

/// What was written, for programs.
#[derive(Serialize)]
struct Report {
    out: PathBuf,
    files: u64,
    views: u64,
    customer_rows: u64,
    bytes: u64,
    millis: u128,
}

pub(super) fn run(arguments: &GenerateArguments, console: Console) -> Result<()> {
    let dataset = arguments.dataset();
    let selection = arguments.selection(&dataset)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let bar = console.spinner("generating");
    let started = Instant::now();
    let written = dataset.write(&arguments.out, &selection, threads, &|bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    let report = Report {
        out: arguments.out.clone(),
        files: written.files,
        views: written.views,
        customer_rows: written.customer_rows,
        bytes: written.bytes,
        millis: started.elapsed().as_millis(),
    };
    console.report(&report, |report| {
        format!(
            "{} page views and {} customers in {} files, {}, below {} ({})",
            console::count(report.views),
            console::count(report.customer_rows),
            report.files,
            console::bytes(report.bytes),
            report.out.display(),
            console::duration(started.elapsed()),
        )
    })
}

impl GenerateArguments {
    fn dataset(&self) -> Dataset {
        Dataset {
            start: self.start,
            days: self.days,
            views: self.views,
            customers: self.customers,
            urls: self.urls,
            files_per_day: self.files_per_day,
            seed: self.seed,
            quirks: Quirks {
                unknown_customers: self.unknown_share,
                quoted: self.quoted_share,
                non_ascii: self.non_ascii_share,
                duplicate_customers: self.duplicate_customers,
            },
        }
    }

    fn selection(&self, dataset: &Dataset) -> Result<Selection> {
        let half = self.half.map(|half| match half {
            HalfArgument::Early => Half::Early,
            HalfArgument::Late => Half::Late,
        });
        if let Some(day) = self.only_day {
            return Ok(Selection { customers: !self.no_customers, days: vec![(day, half)] });
        }
        let wanted =
            |date: &NaiveDate| self.from.is_none_or(|from| *date >= from) && self.to.is_none_or(|to| *date <= to);
        let days: Vec<_> = dataset.dates().filter(wanted).map(|date| (date, half)).collect();
        if days.is_empty() {
            return Err(Error::Usage("--from and --to leave no day of the set".to_owned()));
        }
        Ok(Selection { customers: !self.no_customers, days })
    }
}
