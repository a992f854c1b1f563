//! `pageviews load` of plain files: into the inbox, and then it waits for what the pipeline says of each.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::LoadArguments;
use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::inbox::{self, InboxFile, Table, Version, inbox_files};
use crate::loads::{self, Rows, Status, Summary, Zones};
use crate::session::Session;
use crate::wire;

/// How long between two questions whether the pipeline has done its part.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of the files, for programs.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Report {
    pub(in crate::commands) files: Vec<Loaded>,
    pub(in crate::commands) millis: u128,
}

/// What became of a file.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Loaded {
    path: PathBuf,
    table: Table,
    /// `s3://bucket/inbox/…`
    location: String,
    bytes: u64,
    /// What the pipeline wrote down; none if it failed before.
    pub(in crate::commands) summary: Option<Summary>,
    /// Why it failed.
    failure: Option<String>,
}

pub(super) async fn run(paths: &[PathBuf], arguments: &LoadArguments, console: Console) -> Result<()> {
    let files = inbox_files(paths, arguments.table)?;
    let session = Session::open(&arguments.cloud, true).await?;
    let loaded = load(&session, &files, console).await;
    session.close().await?;
    let report = loaded?;
    console.report(&report, human)?;
    report.check()
}

/// Puts files into the inbox, and waits until the pipeline is through with each.
pub(in crate::commands) async fn load(session: &Session, files: &[InboxFile], console: Console) -> Result<Report> {
    let started = Instant::now();
    let zones = Zones::of(session)?;
    let sent = send(session, &zones, files, console).await?;
    let waiting = console.spinner("loading");
    let mut loaded = Vec::with_capacity(files.len());
    for (index, (file, version)) in files.iter().zip(&sent).enumerate() {
        waiting.set_message(format!("loading {} of {} files", index + 1, files.len()));
        let key = zones.inbox_key(&file.key);
        let failure = settled(session, &key, &version.etag).await?;
        let summary = loads::summary(session, &zones, file.table, &key, version).await?;
        let failure = match (&summary, failure) {
            (Some(_), _) => None,
            (None, Some(failure)) => Some(failure),
            (None, None) => Some("no function of the template took it".to_owned()),
        };
        loaded.push(Loaded {
            path: file.path.clone(),
            table: file.table,
            location: format!("s3://{}/{key}", zones.bucket),
            bytes: file.size,
            summary,
            failure,
        });
    }
    waiting.finish_and_clear();
    Ok(Report { files: loaded, millis: started.elapsed().as_millis() })
}

/// Uploads the files one after the other, and gives the versions that they are now.
async fn send(session: &Session, zones: &Zones, files: &[InboxFile], console: Console) -> Result<Vec<Version>> {
    let bar = console.bytes_bar(files.iter().map(|file| file.size).sum(), "uploading");
    let rows = std::sync::atomic::AtomicU64::new(0);
    let progress = |step: inbox::Progress| {
        let rows = rows.fetch_add(step.rows, std::sync::atomic::Ordering::Relaxed) + step.rows;
        bar.set_message(format!("uploading, {} rows", console::count(rows)));
        bar.inc(step.bytes);
    };
    let mut versions = Vec::with_capacity(files.len());
    for file in files {
        let key = zones.inbox_key(&file.key);
        versions.push(inbox::upload(&session.clients.s3, &zones.bucket, &key, file, &progress).await?);
    }
    bar.finish_and_clear();
    Ok(versions)
}

/// Waits until no event of this version of the object waits or runs any more, and tells why the last one was given up,
/// if it was.
async fn settled(session: &Session, key: &str, etag: &str) -> Result<Option<String>> {
    let key = local_aws::s3::event_key(key);
    let is_ours = |event: &Value| {
        let objects = event["Records"].as_array().into_iter().flatten().map(|record| &record["s3"]["object"]);
        objects.into_iter().any(|object| object["key"] == *key && object["eTag"] == etag)
    };
    loop {
        let told = wire::call(&session.endpoint, "LocalCloud.ListEvents", &json!({})).await?;
        let list = |name: &str| told[name].as_array().cloned().unwrap_or_default();
        if !list("Events").iter().any(|event| is_ours(&event["Payload"])) {
            let failure = list("Failures").into_iter().find(|record| is_ours(&record["requestPayload"]));
            return Ok(failure.map(|record| reason(&record)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why an event was given up, from its record.
fn reason(record: &Value) -> String {
    let response = &record["responsePayload"];
    match (response["errorType"].as_str(), response["errorMessage"].as_str()) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        _ => record["requestContext"]["condition"].as_str().unwrap_or("it failed").to_owned(),
    }
}

impl Loaded {
    fn outcome(&self) -> String {
        match (&self.summary, &self.failure) {
            (Some(summary), _) => summary.status.to_string(),
            (None, _) => "failed".to_owned(),
        }
    }

    /// Why nothing of it was loaded, unless it was, or had been before.
    fn refusal(&self) -> Option<String> {
        match &self.summary {
            Some(Summary { status: Status::Refused, reason, .. }) => {
                Some(reason.as_ref().map_or_else(|| "it was refused".to_owned(), |one| one.message.clone()))
            }
            Some(_) => None,
            None => self.failure.clone(),
        }
    }
}

impl Report {
    /// # Errors
    /// When a file was not loaded, and why.
    pub(in crate::commands) fn check(&self) -> Result<()> {
        let refused: Vec<String> = self
            .files
            .iter()
            .filter_map(|file| Some(format!("{}: {}", file.path.display(), file.refusal()?)))
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let count = format!("{} of {} files were not loaded", refused.len(), self.files.len());
        Err(Error::NotLoaded(format!("{count}: {}", refused.join("; "))))
    }
}

/// The closing table.
pub(in crate::commands) fn human(report: &Report) -> String {
    let mut table = console::table();
    table.set_header(["File", "Table", "Rows", "Loaded", "Rejected", "Partitions", "Outcome"]);
    let mut sums = [0; 3];
    for file in &report.files {
        let numbers = file
            .summary
            .as_ref()
            .map(|Summary { rows: Rows { read, loaded, rejected }, .. }| [*read, *loaded, *rejected]);
        let partitions = file.summary.as_ref().map_or(0, |one| one.partitions.len() as u64);
        for (sum, number) in sums.iter_mut().zip(numbers.unwrap_or_default()) {
            *sum += number;
        }
        let [read, loaded, rejected] = numbers.map_or_else(Default::default, |all| all.map(console::count));
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let partitions = numbers.map_or_else(String::new, |_| console::count(partitions));
        table.add_row([name, file.table.name().to_owned(), read, loaded, rejected, partitions, file.outcome()]);
    }
    crate::commands::run::align_right(&mut table, 2..6);
    let [read, loaded, rejected] = sums.map(console::count);
    let bytes = console::bytes(report.files.iter().map(|file| file.bytes).sum());
    let time = console::duration(Duration::from_millis(u64::try_from(report.millis).unwrap_or(0)));
    format!("{table}\n\n{read} rows in, {loaded} loaded, {rejected} rejected; {bytes} in {time}")
}
