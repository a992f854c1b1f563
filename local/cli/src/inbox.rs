//! Plain CSV files on their way into the lake's inbox: which table a file is for, and its upload in bounded memory.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use clap::ValueEnum;
use flate2::read::MultiGzDecoder;
use futures::stream::FuturesOrdered;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use crate::error::{Error, Result};
use crate::raw_zone;

/// Bytes of a part, unless the file would have too many of them.
const PART_BYTES: u64 = 8 << 20;
/// S3 takes 10,000. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MOST_PARTS: u64 = 10_000;
/// Parts of a file that are uploaded at once.
const PARTS_AT_ONCE: usize = 4;
/// How much of a file's first line is looked at.
const HEADER_BYTES: u64 = 64 << 10;
/// How a gzip file begins. <https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1>
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Customers
    Customers,
    /// Page views
    Pageviews,
}

impl Table {
    /// Its name, which is its folder's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Pageviews => "pageviews",
        }
    }

    /// The columns of a plain file, in the usual order.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Customers => &["customer_id", "name", "email", "created_at", "country"],
            Self::Pageviews => &raw_zone::PAGEVIEWS_COLUMNS,
        }
    }
}

/// Why files cannot be sent to the inbox.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// No such file.
    #[error("{path} does not exist", path = path.display())]
    Missing {
        /// What was given.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its name is not that of a CSV file.
    #[error("{path}: only .csv and .csv.gz files are loaded", path = path.display())]
    NotCsv {
        /// The file.
        path: PathBuf,
    },
    /// Neither name nor header tell what it holds.
    #[error(
        "{path}: neither its name nor its header ({header}) tells its table: say --table customers or --table pageviews",
        path = path.display()
    )]
    UnknownTable {
        /// The file.
        path: PathBuf,
        /// Its first line.
        header: String,
    },
    /// Two files would be one object.
    #[error("{first} and {second} would both be {key}: load them one after the other", first = first.display(), second = second.display())]
    SameName {
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Their object's key, below the inbox.
        key: String,
    },
}

/// A file for the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub table: Table,
    /// Its place in the inbox: `pageviews/monday.csv`.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Whether it is compressed.
    pub gzip: bool,
}

/// The files at `paths`: files themselves, and the CSV files in folders. `table` is what all of them hold; else each
/// file's name or header tells.
///
/// # Errors
/// [`InboxError`] for the first one that cannot be sent.
pub fn inbox_files(paths: &[PathBuf], table: Option<Table>) -> std::result::Result<Vec<InboxFile>, InboxError> {
    let mut files: Vec<InboxFile> = Vec::new();
    for path in paths {
        let found = if path.is_dir() { csv_files(path)? } else { vec![path.clone()] };
        for path in found {
            let file = inbox_file(path, table)?;
            if let Some(other) = files.iter().find(|other| other.key == file.key) {
                return Err(InboxError::SameName { first: other.path.clone(), second: file.path, key: file.key });
            }
            files.push(file);
        }
    }
    Ok(files)
}

/// The CSV files that lie directly in a folder, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn csv_files(folder: &Path) -> std::result::Result<Vec<PathBuf>, InboxError> {
    let read = |source| InboxError::Read { path: folder.to_owned(), source };
    let entries: io::Result<Vec<PathBuf>> =
        std::fs::read_dir(folder).map_err(read)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = entries.map_err(read)?;
    paths.retain(|path| path.is_file() && is_csv(path));
    paths.sort();
    Ok(paths)
}

fn inbox_file(path: PathBuf, table: Option<Table>) -> std::result::Result<InboxFile, InboxError> {
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(InboxError::Missing { path }),
        Err(source) => return Err(InboxError::Read { path, source }),
    };
    if !is_csv(&path) {
        return Err(InboxError::NotCsv { path });
    }
    let (header, gzip) = header(&path).map_err(|source| InboxError::Read { path: path.clone(), source })?;
    let Some(table) = table.or_else(|| table_of_name(&path)).or_else(|| table_of_header(&header)) else {
        return Err(InboxError::UnknownTable { path, header });
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let key = format!("{}/{name}", table.name());
    Ok(InboxFile { key, table, size: metadata.len(), gzip, path })
}

fn is_csv(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    !name.starts_with('.') && [".csv", ".csv.gz"].iter().any(|ending| name.ends_with(ending))
}

/// The first line, and whether it had to be uncompressed.
fn header(path: &Path) -> io::Result<(String, bool)> {
    let mut magic = Vec::new();
    File::open(path)?.take(GZIP.len() as u64).read_to_end(&mut magic)?;
    let gzip = magic == GZIP;
    let file = File::open(path)?;
    let whole: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut line = Vec::new();
    BufReader::new(whole.take(HEADER_BYTES)).read_until(b'\n', &mut line)?;
    let text = String::from_utf8_lossy(&line);
    Ok((text.trim_start_matches('\u{feff}').trim_end().to_owned(), gzip))
}

/// `customers.csv`, `pageviews-2026-01-31.csv.gz`
fn table_of_name(path: &Path) -> Option<Table> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    Table::value_variants().iter().copied().find(|table| name.starts_with(table.name()))
}

/// By a column that only one of the tables has.
fn table_of_header(header: &str) -> Option<Table> {
    let mut columns = header.split([',', ';', '\t']).map(|column| column.trim().trim_matches('"').to_lowercase());
    columns.find_map(|column| match column.as_str() {
        "view_id" | "viewed_at" | "url" => Some(Table::Pageviews),
        "email" | "country" | "created_at" => Some(Table::Customers),
        _ => None,
    })
}

/// Which state of an object an upload made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// Without quotes.
    pub etag: String,
    /// Where the bucket keeps versions.
    pub id: Option<String>,
}

/// How an upload comes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Bytes that were sent since the last word.
    pub bytes: u64,
    /// Rows that were read since then; none of a compressed file.
    pub rows: u64,
}

/// Sends a file to `key` of a bucket, a few parts of it in memory at once.
///
/// # Errors
/// When the file cannot be read or S3 refuses.
pub async fn upload(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
    file: &InboxFile,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Version> {
    let opened = tokio::fs::File::open(&file.path).await.map_err(Error::file(&file.path))?;
    let part_bytes = PART_BYTES.max(file.size.div_ceil(MOST_PARTS));
    if file.size <= part_bytes {
        let mut parts = Parts::new(opened, part_bytes, file.gzip);
        let (body, rows) = parts.next().await.map_err(Error::file(&file.path))?;
        let bytes = body.len() as u64;
        let put = s3.put_object().bucket(bucket).key(key).content_type("text/csv").body(ByteStream::from(body));
        let put = put.send().await.map_err(Error::aws("S3 PutObject"))?;
        progress(Progress { bytes, rows });
        return Ok(version(put.e_tag(), put.version_id()));
    }
    let created = s3.create_multipart_upload().bucket(bucket).key(key).content_type("text/csv").send().await;
    let created = created.map_err(Error::aws("S3 CreateMultipartUpload"))?;
    let id = created.upload_id().unwrap_or_default();
    let target = Target { s3, bucket, key, upload_id: id };
    let sent = target.send(Parts::new(opened, part_bytes, file.gzip), file, progress).await;
    let parts = match sent {
        Ok(parts) => parts,
        Err(error) => {
            // The upload's own error is told; the lake's lifecycle removes what stays behind if this fails, too.
            if let Err(error) = s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send().await {
                tracing::warn!(error = &error as &dyn std::error::Error, key, "an upload could not be aborted");
            }
            return Err(error);
        }
    };
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let completed = s3.complete_multipart_upload().bucket(bucket).key(key).upload_id(id).multipart_upload(parts);
    let completed = completed.send().await.map_err(Error::aws("S3 CompleteMultipartUpload"))?;
    Ok(version(completed.e_tag(), completed.version_id()))
}

/// An upload of several parts.
struct Target<'a> {
    s3: &'a aws_sdk_s3::Client,
    bucket: &'a str,
    key: &'a str,
    upload_id: &'a str,
}

impl Target<'_> {
    /// Sends all parts, a few of them at once.
    async fn send(
        &self,
        mut parts: Parts,
        file: &InboxFile,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<CompletedPart>> {
        let mut sending = FuturesOrdered::new();
        let mut sent = Vec::new();
        for number in 1.. {
            let (body, rows) = parts.next().await.map_err(Error::file(&file.path))?;
            if body.is_empty() {
                break;
            }
            if sending.len() == PARTS_AT_ONCE {
                sent.extend(sending.next().await.transpose()?);
            }
            sending.push_back(self.send_part(number, body, rows, progress));
        }
        sent.extend(sending.try_collect::<Vec<_>>().await?);
        Ok(sent)
    }

    async fn send_part(
        &self,
        number: i32,
        body: Bytes,
        rows: u64,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<CompletedPart> {
        let bytes = body.len() as u64;
        let part = self.s3.upload_part().bucket(self.bucket).key(self.key).upload_id(self.upload_id);
        let part = part.part_number(number).body(ByteStream::from(body)).send().await;
        let part = part.map_err(Error::aws("S3 UploadPart"))?;
        progress(Progress { bytes, rows });
        Ok(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build())
    }
}

fn version(etag: Option<&str>, id: Option<&str>) -> Version {
    Version { etag: etag.unwrap_or_default().trim_matches('"').to_owned(), id: id.map(str::to_owned) }
}

/// A file, part by part, with the rows that each part ends.
struct Parts {
    file: tokio::fs::File,
    part_bytes: u64,
    rows: Option<RowCounter>,
}

impl Parts {
    fn new(file: tokio::fs::File, part_bytes: u64, gzip: bool) -> Self {
        Self { file, part_bytes, rows: (!gzip).then(RowCounter::default) }
    }

    /// The next part; an empty one at the end.
    async fn next(&mut self) -> io::Result<(Bytes, u64)> {
        let mut part = Vec::new();
        (&mut self.file).take(self.part_bytes).read_to_end(&mut part).await?;
        let rows = self.rows.as_mut().map_or(0, |rows| rows.count(&part));
        Ok((part.into(), rows))
    }
}

/// Counts the ends of rows: line breaks that stand in no quotes. The header is none.
#[derive(Debug, Default)]
struct RowCounter {
    quoted: bool,
    past_header: bool,
}

impl RowCounter {
    fn count(&mut self, bytes: &[u8]) -> u64 {
        let mut rows = 0;
        for byte in bytes {
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted && self.past_header => rows += 1,
                b'\n' if !self.quoted => self.past_header = true,
                _ => {}
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_or_header_tell_the_table() {
        assert_eq!(table_of_name(Path::new("in/Customers_2026.csv")), Some(Table::Customers));
        assert_eq!(table_of_name(Path::new("export.csv")), None);
        assert_eq!(table_of_header("\"customer_id\",\"email\""), Some(Table::Customers));
        assert_eq!(table_of_header("customer_id;view_id"), Some(Table::Pageviews));
        assert_eq!(table_of_header("customer_id,a"), None);
    }

    #[test]
    fn rows_are_counted_across_pieces() {
        let text = b"a,b\n1,\"x\ny\"\n2,\"say \"\"hi\"\"\n\"\n";
        for cut in 0..text.len() {
            let mut counter = RowCounter::default();
            let (left, right) = text.split_at(cut);
            assert_eq!(counter.count(left) + counter.count(right), 2, "{cut}");
        }
    }
}
