//! `pageviews demo`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use clap::{Args, ValueEnum as _};
use serde::Serialize;
use serde_json::json;

use super::load::inbox as load;
use super::query;
use super::run::{self};
use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::generate::{Broken, Dataset, Half, PlainFile, Planting, Quirks, Selection};
use crate::inbox::inbox_files;
use crate::loads::Rows;
use crate::recompute::{DailyViews, Key};
use crate::rows;
use crate::session::{DeployArguments, Session};

/// From this many rows on, a file has broken ones among them.
const SMALLEST_WITH_BROKEN_ROWS: u64 = 500;
/// The longest bar of the chart, in characters.
const CHART_WIDTH: u64 = 48;

const EXAMPLES: &str = "\
Examples:
  cargo demo                                  build, then this
  pageviews demo --views 1000000 --days 60    more data
  pageviews demo --data-dir /tmp/demo         keep the lake, to look around in it afterwards:
  pageviews query --data-dir /tmp/demo \"SELECT * FROM pageviews_daily LIMIT 5\"";

/// See it all: files arrive, a full run, a new day, an incremental run, a late file, and the proof that the output is
/// right
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArguments {
    /// Days of data before the new day
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Page views, the new day's included
    #[arg(long, default_value_t = 100_000)]
    views: u64,
    /// Known customers
    #[arg(long, default_value_t = 1_000)]
    customers: u64,
    /// Another seed gives other data
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the lake in this folder, which must be new or empty [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    deploy: DeployArguments,
}

/// What happened, for programs.
#[derive(Serialize)]
struct Report {
    loads: Vec<load::Report>,
    full: run::Report,
    incremental: run::Report,
    late: run::Report,
    top_pages: Vec<Page>,
    days: Vec<Day>,
    proof: Proof,
    millis: u128,
}

#[derive(Serialize)]
struct Page {
    url: String,
    views: u64,
}

#[derive(Serialize)]
struct Day {
    date: String,
    views: u64,
}

/// The output against its recomputation from raw.
#[derive(Serialize)]
struct Proof {
    equal: bool,
    rows: usize,
    views: u64,
    millis: u128,
}

pub(super) async fn run(arguments: DemoArguments, console: Console) -> Result<()> {
    let temporary = tempfile::tempdir().map_err(Error::file(std::env::temp_dir()))?;
    let data_dir = match &arguments.data_dir {
        Some(folder) => check_new(folder)?,
        None => temporary.path().join("lake"),
    };
    let config = arguments.deploy.cloud(data_dir.clone(), None);
    let session = Session::start(&config).await?;
    let demo = Demo { arguments, session, console, csv: temporary.path().join("csv"), data_dir };
    let told = demo.tell().await;
    demo.session.close().await?;
    told
}

/// An output that was there before would make the first run an incremental one.
fn check_new(folder: &Path) -> Result<PathBuf> {
    let mut entries = std::fs::read_dir(folder).into_iter().flatten();
    match entries.next() {
        None => Ok(folder.to_owned()),
        Some(_) => Err(Error::Usage(format!("{} is not empty: the demo begins with a new lake", folder.display()))),
    }
}

struct Demo {
    arguments: DemoArguments,
    session: Session,
    console: Console,
    /// Where CSV files are made before they are loaded.
    csv: PathBuf,
    data_dir: PathBuf,
}

impl Demo {
    async fn tell(&self) -> Result<()> {
        let started = Instant::now();
        let dataset = self.dataset();
        let last = dataset.date(self.arguments.days - 1);
        let new = dataset.date(self.arguments.days);

        let late = dataset.date(self.arguments.days / 2);
        let selection = beginning(&dataset, new, [last, late]);
        self.console.say(format!(
            "Two files arrive: customers, and {} days of page views; of {late} and {last} only what happened before noon",
            selection.days.len()
        ))?;
        let mut loads = vec![self.arrive(&dataset, "", selection).await?];
        let full = self.transform("Full load").await?;

        self.console.say(format!("\nA new file arrives: {new}, and the late half of {last}"))?;
        // Of a short set the late day is the last one.
        let halves = (late != last).then_some((last, Some(Half::Late)));
        let days = halves.into_iter().chain([(new, None)]).collect();
        let name = format!("-{new}");
        loads.push(self.arrive(&dataset, &name, Selection { customers: false, days }).await?);
        let incremental = self.transform("Incremental refresh").await?;

        self.console.say(format!("\nA file arrives late: what happened after noon on {late}"))?;
        let days = vec![(late, Some(Half::Late))];
        loads.push(self.arrive(&dataset, "-late", Selection { customers: false, days }).await?);
        let late = self.transform("Refresh from the late day on").await?;

        let top_pages = self.top_pages().await?;
        let days = self.days().await?;
        let proof = self.proof().await?;
        let millis = started.elapsed().as_millis();
        let report = Report { loads, full, incremental, late, top_pages, days, proof, millis };
        self.console.report(&report, human)?;
        if report.proof.equal {
            Ok(())
        } else {
            Err(Error::NotEqual("the output differs from its recomputation from raw".to_owned()))
        }
    }

    fn dataset(&self) -> Dataset {
        let DemoArguments { days, views, customers, seed, .. } = self.arguments;
        let quirks = Quirks { duplicate_customers: customers / 50, ..Quirks::default() };
        let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
        Dataset { start, days: days + 1, views, customers, seed, quirks, ..Dataset::default() }
    }

    /// Generates a part of the dataset as plain files, with broken rows among the others, and loads them.
    async fn arrive(&self, dataset: &Dataset, name: &str, selection: Selection) -> Result<load::Report> {
        let folder = self.csv.join(format!("files{name}"));
        let generating = Instant::now();
        let planting = Planting { kinds: self.broken(), rows: 1 };
        let mut written = dataset.write_plain(&folder, &selection, &planting, &|_| {})?;
        for file in &mut written {
            let named = folder.join(format!("{}{name}.csv", file.table.name()));
            std::fs::rename(&file.path, &named).map_err(Error::file(&file.path))?;
            file.path = named;
        }
        let broken: u64 = written.iter().flat_map(|file| file.planted.values()).sum();
        let rows: u64 = written.iter().map(|file| file.rows).sum();
        self.console.say(format!(
            "  generated {} rows, {} of them broken ({})",
            console::count(rows),
            console::count(broken),
            console::duration(generating.elapsed()),
        ))?;
        let paths: Vec<PathBuf> = written.iter().map(|file| file.path.clone()).collect();
        let report = load::load(&self.session, &inbox_files(&paths, None)?, self.console).await?;
        self.console.say(load::human(&report))?;
        report.check()?;
        account(&written, &report)?;
        Ok(report)
    }

    /// One row of every kind in each file, or none in small ones: a file with too many of them is refused whole.
    fn broken(&self) -> Vec<Broken> {
        let DemoArguments { days, views, customers, .. } = self.arguments;
        let smallest = customers.min(views / u64::from(days + 1) / 2);
        if smallest < SMALLEST_WITH_BROKEN_ROWS { Vec::new() } else { Broken::value_variants().to_vec() }
    }

    async fn transform(&self, title: &str) -> Result<run::Report> {
        let report = run::execute(&self.session, &json!({}), None, self.console).await?;
        self.console.say(format!("\n{title}\n{}", run::human(&report)))?;
        report.check()?;
        Ok(report)
    }

    async fn ask(&self, sql: &str) -> Result<query::Answer> {
        query::ask(&self.session, self.session.database(), sql).await
    }

    async fn top_pages(&self) -> Result<Vec<Page>> {
        let sql =
            "select url, sum(view_count) as views from pageviews_daily group by url order by views desc, url limit 10";
        pairs(&self.ask(sql).await?, |url, views| Page { url, views })
    }

    async fn days(&self) -> Result<Vec<Day>> {
        let sql =
            "select view_date, sum(view_count) as views from pageviews_daily group by view_date order by view_date";
        pairs(&self.ask(sql).await?, |date, views| Day { date, views })
    }

    /// Reads the whole output, and recomputes it from the CSV files in the lake.
    async fn proof(&self) -> Result<Proof> {
        let started = Instant::now();
        let raw = self.data_dir.join("s3").join(self.session.bucket()?).join("raw");
        let recomputing = tokio::task::spawn_blocking(move || DailyViews::from_raw_zone(&raw));
        let output = self.output().await?;
        let recomputed = recomputing.await.map_err(Error::cloud("the recomputation was interrupted"))??;
        if let Some((key, written, expected)) = output.first_difference(&recomputed) {
            self.console.say(format!("\nDifferent: {key:?}: the output says {written:?}, raw says {expected:?}"))?;
        }
        Ok(Proof {
            equal: output == recomputed,
            rows: recomputed.rows(),
            views: recomputed.views(),
            millis: started.elapsed().as_millis(),
        })
    }

    /// The output table, from the result file of a query over all of it.
    async fn output(&self) -> Result<DailyViews> {
        let sql = "select view_date, url, country, view_count from pageviews_daily";
        let execution = query::run_to_end(&self.session, self.session.database(), sql).await?;
        let location = execution.result_configuration().and_then(|configuration| configuration.output_location());
        let location = location.and_then(|location| location.strip_prefix("s3://")?.split_once('/'));
        let (bucket, key) = location.ok_or_else(|| Error::Unexpected("the query has no result file".to_owned()))?;
        let object = self.session.clients.s3.get_object().bucket(bucket).key(key).send().await;
        let object = object.map_err(Error::aws("S3 GetObject"))?;
        let bytes = object.body.collect().await.map_err(Error::cloud("the result file cannot be read"))?;
        parse_output(&String::from_utf8_lossy(&bytes.into_bytes()))
    }
}

/// Customers, and all days before `end`; of the `halved` ones only what happened before noon.
fn beginning(dataset: &Dataset, end: NaiveDate, halved: [NaiveDate; 2]) -> Selection {
    let half = |date: &NaiveDate| halved.contains(date).then_some(Half::Early);
    let days = dataset.dates().filter(|date| *date < end).map(|date| (date, half(&date)));
    Selection { customers: true, days: days.collect() }
}

/// Every row that was written must have been loaded or rejected, and rejected must be those that were planted.
fn account(written: &[PlainFile], report: &load::Report) -> Result<()> {
    for (file, loaded) in written.iter().zip(&report.files) {
        let planted: u64 = file.planted.values().sum();
        let expected = Some(Rows { read: file.rows, loaded: file.rows - planted, rejected: planted });
        let found = loaded.summary.as_ref().map(|one| one.rows);
        if found != expected {
            let path = file.path.display();
            let said = format!("{path}: rows read, loaded and rejected are {found:?}, and must be {expected:?}");
            return Err(Error::NotEqual(said));
        }
    }
    Ok(())
}

/// The rows of the output's result file.
fn parse_output(text: &str) -> Result<DailyViews> {
    let mut output = DailyViews::default();
    for line in text.lines().skip(1) {
        let wrong = || Error::Unexpected(format!("the output has a row that is not one: {line}"));
        let fields = rows::fields(line).map_err(|_| wrong())?;
        let [date, url, country, count] = fields.as_slice() else { return Err(wrong()) };
        let key = Key { date: date.to_string(), url: url.to_string(), country: country.to_string() };
        if output.get(&key).is_some() {
            return Err(Error::NotEqual(format!("the output has two rows of {key:?}")));
        }
        output.add(key, count.parse().map_err(|_| wrong())?);
    }
    Ok(output)
}

/// The rows of an answer with a text and a number.
fn pairs<T>(answer: &query::Answer, make: impl Fn(String, u64) -> T) -> Result<Vec<T>> {
    let rows = answer.rows.iter().map(|row| match row.as_slice() {
        [Some(text), Some(number)] => Some(make(text.clone(), number.parse().ok()?)),
        _ => None,
    });
    rows.collect::<Option<_>>().ok_or_else(|| Error::Unexpected("a query answered rows of another shape".to_owned()))
}

fn human(report: &Report) -> String {
    let mut table = console::table();
    table.set_header(["Top pages", "Views"]);
    for page in &report.top_pages {
        table.add_row([page.url.clone(), console::count(page.views)]);
    }
    run::align_right(&mut table, 1..2);
    let mut text = format!("\n{table}\n\nViews per day\n");
    let most = report.days.iter().map(|day| day.views).max().unwrap_or(1).max(1);
    for day in &report.days {
        let bar = "█".repeat(usize::try_from(day.views * CHART_WIDTH / most).unwrap_or(0));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {bar} {}", day.date, console::count(day.views));
    }
    let proof = &report.proof;
    let time = |millis: u128| console::duration(Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
    let verdict = if proof.equal { "equals" } else { "DIFFERS FROM" };
    let _ = writeln!(
        text,
        "\nProof: the output {verdict} a recomputation from raw in plain Rust: {} rows, {} views ({})",
        console::count(proof.rows as u64),
        console::count(proof.views),
        time(proof.millis)
    );
    let _ = writeln!(text, "Everything took {}", time(report.millis));
    text
}
