//! `pageviews load` of a folder that is laid out as the raw zone: checked as a whole, then uploaded.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use aws_sdk_s3::primitives::ByteStream;
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;
use serde::Serialize;

use super::LoadArguments;
use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::load::{self, Checked, RawFile};
use crate::raw_zone;
use crate::session::Session;

/// Files that are uploaded at once.
const UPLOADS: usize = 8;

/// What was loaded, for programs.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    checked: Checked,
    /// `s3://bucket/raw/`; null when nothing was uploaded.
    location: Option<String>,
    millis: u128,
}

pub(super) async fn run(folder: &Path, arguments: &LoadArguments, console: Console) -> Result<()> {
    let started = Instant::now();
    let (files, checked) = check(folder, console)?;
    let location = if arguments.check {
        None
    } else {
        let session = Session::open(&arguments.cloud, false).await?;
        let location = upload(&session, &files, checked.bytes, console).await?;
        session.close().await?;
        Some(location)
    };
    let report = Report { checked, location, millis: started.elapsed().as_millis() };
    console.report(&report, |report| {
        let Checked { files, bytes, views, customers } = report.checked;
        format!(
            "{} page views and {} customers in {} files, {}: {} ({})",
            console::count(views),
            console::count(customers),
            console::count(files),
            console::bytes(bytes),
            report.location.as_ref().map_or("checked".to_owned(), |location| format!("now in {location}")),
            console::duration(started.elapsed()),
        )
    })
}

/// Checks a folder; nothing is uploaded before all of it is in order.
fn check(folder: &Path, console: Console) -> Result<(Vec<RawFile>, Checked)> {
    let files = load::raw_files(folder)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let bar = console.bytes_bar(files.iter().map(|file| file.size).sum(), "checking ");
    let checked = load::check(&files, threads, &|bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    Ok((files, checked))
}

/// Uploads checked files, and tells where to.
async fn upload(session: &Session, files: &[RawFile], bytes: u64, console: Console) -> Result<String> {
    let bucket = session.bucket()?;
    let bar = console.bytes_bar(bytes, "uploading");
    let done = &bar;
    let uploads = futures::stream::iter(files.to_vec());
    let uploads = uploads.map(|file| async move { put(session, bucket, &file, done).await });
    uploads.buffer_unordered(UPLOADS).try_collect::<()>().await?;
    bar.finish_and_clear();
    Ok(format!("s3://{bucket}/{}", raw_zone::PREFIX))
}

async fn put(session: &Session, bucket: &str, file: &RawFile, bar: &ProgressBar) -> Result<()> {
    let body = ByteStream::from_path(&file.path).await.map_err(Error::cloud(format!("{}", file.path.display())))?;
    let request = session.clients.s3.put_object().bucket(bucket).key(format!("{}{}", raw_zone::PREFIX, file.key));
    request.content_type("text/csv").body(body).send().await.map_err(Error::aws("S3 PutObject"))?;
    bar.inc(file.size);
    Ok(())
}
