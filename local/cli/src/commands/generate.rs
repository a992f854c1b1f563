//! `pageviews generate`.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::generate::{Broken, Dataset, Half, PlainFile, Planting, Quirks, Selection, Written};

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
  pageviews generate --out exports --plain --plant all --planted 5
      exports/customers.csv and exports/pageviews.csv, with five broken rows of every kind

The same numbers and the same seed always give the same bytes, whatever part is written.";

/// Make data: deterministic page views and customers of any size, for `pageviews load`
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
    /// Write plain files for the inbox, customers.csv and pageviews.csv, instead of the raw zone's folders
    #[arg(long)]
    plain: bool,
    /// Plant broken rows of these kinds among the others, or of `all` kinds
    #[arg(long, value_name = "KIND[,KIND…]|all", value_delimiter = ',', value_parser = plant, requires = "plain")]
    plant: Vec<Plant>,
    /// How many broken rows of each kind each file gets
    #[arg(long, value_name = "ROWS", default_value_t = 1, requires = "plant")]
    planted: u64,
}

/// One word of `--plant`.
#[derive(Debug, Clone, Copy)]
enum Plant {
    All,
    Kind(Broken),
}

fn plant(text: &str) -> std::result::Result<Plant, String> {
    if text == "all" {
        return Ok(Plant::All);
    }
    Broken::from_str(text, false).map(Plant::Kind).map_err(|_| {
        let kinds: Vec<String> = Broken::value_variants().iter().map(ToString::to_string).collect();
        format!("the kinds are {} and all", kinds.join(", "))
    })
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
    /// Of plain files: how many broken rows of which kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plain: Vec<PlainFile>,
    millis: u128,
}

pub(super) fn run(arguments: &GenerateArguments, console: Console) -> Result<()> {
    let dataset = arguments.dataset();
    let selection = arguments.selection(&dataset)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let bar = console.spinner("generating");
    let started = Instant::now();
    let progress = |bytes| bar.inc(bytes);
    let (written, plain) = if arguments.plain {
        let files = dataset.write_plain(&arguments.out, &selection, &arguments.planting(), &progress)?;
        (Written::of_plain(&files), files)
    } else {
        (dataset.write(&arguments.out, &selection, threads, &progress)?, Vec::new())
    };
    bar.finish_and_clear();
    let report = Report {
        out: arguments.out.clone(),
        files: written.files,
        views: written.views,
        customer_rows: written.customer_rows,
        bytes: written.bytes,
        plain,
        millis: started.elapsed().as_millis(),
    };
    console.report(&report, |report| {
        let mut text = format!(
            "{} page views and {} customers in {} files, {}, below {} ({})",
            console::count(report.views),
            console::count(report.customer_rows),
            report.files,
            console::bytes(report.bytes),
            report.out.display(),
            console::duration(started.elapsed()),
        );
        for file in report.plain.iter().filter(|file| !file.planted.is_empty()) {
            let kinds: Vec<String> = file.planted.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
            let sum = console::count(file.planted.values().sum());
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{}: {sum} rows are broken: {}", file.path.display(), kinds.join(", "));
        }
        text
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

    fn planting(&self) -> Planting {
        let all = self.plant.iter().any(|plant| matches!(plant, Plant::All));
        let named = |kind: &Broken| self.plant.iter().any(|plant| matches!(plant, Plant::Kind(one) if one == kind));
        let kinds = Broken::value_variants().iter().copied().filter(|kind| all || named(kind)).collect();
        Planting { kinds, rows: self.planted }
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
