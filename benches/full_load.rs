//! The full load on its own: the functions' SQL over generated CSVs, in one process. `full_load.py` drives it, turn by
//! turn with DuckDB.
//!
//! `full_load generate DIR` makes a data directory with the raw zone and its tables; `full_load load DIR` loads an empty
//! output table and prints what that took as JSON; `full_load refresh DIR DATE` then does the same for the statements of
//! an incremental load; `full_load explain DIR` prints the full load's plan.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::time::Instant;

use chrono::NaiveDate;
use futures::TryStreamExt;
use local_engine::{Engine, EngineConfig};
use pageviews::generate::{Dataset, Quirks};
use serde_json::json;

const CUSTOMERS: &str = include_str!("../functions/create-customers-table/sql/create_table.sql");
const PAGEVIEWS: &str = include_str!("../functions/create-pageviews-table/sql/create_table.sql");
const OUTPUT: &str = include_str!("../functions/create-pageviews-daily-table/sql/create_table.sql");
const FULL_LOAD: &str = include_str!("../functions/full-load/sql/full_load.sql");

const COPY_TRUSTED: &str = include_str!("../functions/incremental-load-step-1/sql/copy_trusted.sql");
const ADD_COMPUTED: &str = include_str!("../functions/incremental-load-step-2/sql/add_computed.sql");

const BUCKET: &str = "lake";

/// What the running queries may use together.
const MEMORY: usize = 768 << 20;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()?).enable_all().build()?;
    match arguments.as_slice() {
        ["generate", folder, days, views] => {
            runtime.block_on(generate(Path::new(folder), days.parse()?, views.parse()?))
        }
        ["load", folder] => runtime.block_on(load(Path::new(folder))),
        ["refresh", folder, date] => runtime.block_on(refresh(Path::new(folder), date.parse()?)),
        ["explain", folder] => runtime.block_on(explain(Path::new(folder))),
        _ => Err("usage: full_load generate DIR DAYS VIEWS | full_load load DIR | full_load refresh DIR DATE".into()),
    }
}

fn threads() -> Result<usize> {
    Ok(std::thread::available_parallelism()?.get())
}

fn engine(folder: &Path) -> Result<Engine> {
    Ok(Engine::open(&EngineConfig { data_dir: folder.to_owned(), memory_limit: MEMORY, threads: threads()? })?)
}

/// 5,000 URLs, 100,000 customers; the awkward values that `pageviews generate` makes by default.
async fn generate(folder: &Path, days: u32, views: u64) -> Result<()> {
    let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    let quirks = Quirks { duplicate_customers: 100, ..Quirks::default() };
    let dataset = Dataset { start, days, views, customers: 100_000, urls: 5_000, files_per_day: 2, seed: 1, quirks };
    let engine = engine(folder)?;
    engine.lake().create_bucket(BUCKET)?;
    let raw = folder.join("s3").join(BUCKET).join("raw");
    let written = dataset.write(&raw, &dataset.everything(), threads()?, &|_| ())?;
    run(&engine, "create database if not exists appdb").await?;
    run(&engine, &located(CUSTOMERS, "raw/customers/")).await?;
    run(&engine, &located(PAGEVIEWS, "raw/pageviews/")).await?;
    run(&engine, "msck repair table customers").await?;
    run(&engine, "msck repair table pageviews").await?;
    print(&json!({ "views": written.views, "files": written.files, "bytes": written.bytes }));
    Ok(())
}

async fn load(folder: &Path) -> Result<()> {
    let started = Instant::now();
    let engine = engine(folder)?;
    run(&engine, "drop table if exists pageviews_daily").await?;
    run(&engine, &located(OUTPUT, "curated/pageviews_daily/")).await?;
    let mut figures = measured(&engine, &full_load()).await?;
    figures["seconds"] = json!(started.elapsed().as_secs_f64());
    print(&figures);
    Ok(())
}

/// The two statements of an incremental load from `date` on that read and write rows, after a full load.
async fn refresh(folder: &Path, date: NaiveDate) -> Result<()> {
    let engine = engine(folder)?;
    let quoted = |format: &str| format!("'{}'", date.format(format));
    let fill = |sql: &str| {
        sql.replace("{{identifier:database}}", "\"appdb\"")
            .replace("{{identifier:table}}", "\"pageviews_daily_bench\"")
            .replace("{{name:database}}.{{name:table}}", "appdb.pageviews_daily_bench")
            .replace("{{location:location}}", &format!("'s3://{BUCKET}/curated/pageviews_daily_bench/'"))
            .replace("{{date:watermark}}", &format!("date {}", quoted("%Y-%m-%d")))
            .replace("{{year:watermark}}", &quoted("%Y"))
            .replace("{{month:watermark}}", &quoted("%m"))
            .replace("{{day:watermark}}", &quoted("%d"))
    };
    run(&engine, "drop table if exists pageviews_daily_bench").await?;
    let (step_1, step_2) = (fill(COPY_TRUSTED), fill(ADD_COMPUTED));
    print(&json!({ "step_1": measured(&engine, &step_1).await?, "step_2": measured(&engine, &step_2).await? }));
    Ok(())
}

async fn measured(engine: &Engine, sql: &str) -> Result<serde_json::Value> {
    let prepared = engine.prepare(sql, "appdb")?;
    let started = Instant::now();
    let output = engine.execute(prepared).await?;
    Ok(json!({
        "rows": output.update_count,
        "bytes_scanned": output.meter.bytes(),
        "planning_millis": output.planning_millis,
        "statement_seconds": started.elapsed().as_secs_f64(),
    }))
}

/// The plan of the statement's query.
async fn explain(folder: &Path) -> Result<()> {
    let engine = engine(folder)?;
    let statement = full_load();
    let query = statement.find("select").map_or("", |at| &statement[at..]);
    let output = engine.execute(engine.prepare(&format!("explain {query}"), "appdb")?).await?;
    let rows: Vec<_> = output.rows.try_concat().await?;
    rows.into_iter().flatten().flatten().for_each(|line| print(&line));
    Ok(())
}

fn full_load() -> String {
    FULL_LOAD.replace("{{identifier:database}}", "\"appdb\"")
}

async fn run(engine: &Engine, sql: &str) -> Result<()> {
    engine.execute(engine.prepare(sql, "appdb")?).await?;
    Ok(())
}

fn located(sql: &str, prefix: &str) -> String {
    sql.replace("{{identifier:database}}", "`appdb`")
        .replace("{{location:location}}", &format!("'s3://{BUCKET}/{prefix}'"))
}

#[expect(clippy::print_stdout, reason = "the figures are this program's output")]
fn print(line: &impl Display) {
    println!("{line}");
}
