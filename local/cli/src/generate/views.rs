//! One file of page views: rows of about 85 bytes, in the order of their time, at disk speed.

use std::io::Write as _;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::dataset::{Dataset, GenerateError, Part, Written, create};
use super::urls::Urls;
use super::zipf::Zipf;
use crate::raw_zone;

const SECONDS_PER_DAY: u64 = 86_400;
/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 20;

/// Writes files of page views.
#[derive(Debug)]
pub(super) struct PartWriter<'a> {
    dataset: &'a Dataset,
    urls: &'a Urls,
    zipf: &'a Zipf,
    /// A random 32-bit number below this means: a customer that nobody knows.
    unknown_below: u64,
}

impl<'a> PartWriter<'a> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share scaled to 32 bits")]
    pub(super) fn new(dataset: &'a Dataset, urls: &'a Urls, zipf: &'a Zipf) -> Self {
        let unknown_below = (dataset.quirks.unknown_customers * f64::from(u32::MAX)) as u64;
        Self { dataset, urls, zipf, unknown_below }
    }

    /// Writes one file below `out`.
    pub(super) fn write(&self, out: &Path, part: &Part) -> Result<Written, GenerateError> {
        let path = out.join(raw_zone::pageviews_folder(part.date)).join(format!("part-{:04}.csv", part.position));
        let mut file = create(&path)?;
        let mut buffer = Vec::with_capacity(BUFFER + 1024);
        writeln!(buffer, "{}", raw_zone::PAGEVIEWS_COLUMNS.join(",")).map_err(|source| fail(&path, source))?;
        let mut bytes = 0;
        let mut rows = self.rows(part);
        for row in 0..part.rows {
            rows.append(row, &mut buffer);
            if buffer.len() >= BUFFER {
                file.write_all(&buffer).map_err(|source| fail(&path, source))?;
                bytes += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.write_all(&buffer).map_err(|source| fail(&path, source))?;
        Ok(Written { files: 1, views: part.rows, customer_rows: 0, bytes: bytes + buffer.len() as u64 })
    }

    /// Hands the rows of one file to `visit`, one after the other.
    pub(super) fn each_row(
        &self,
        part: &Part,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), GenerateError>,
    ) -> Result<(), GenerateError> {
        let mut rows = self.rows(part);
        let mut row = Vec::with_capacity(256);
        for index in 0..part.rows {
            row.clear();
            rows.append(index, &mut row);
            visit(&row)?;
        }
        Ok(())
    }

    fn rows(&self, part: &Part) -> Rows<'_> {
        let files = u64::from(self.dataset.files_per_day);
        let file = u64::from(part.position);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.dataset.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&(part.day as u64).to_le_bytes());
        seed[16..24].copy_from_slice(&file.to_le_bytes());
        let first_second = SECONDS_PER_DAY * file / files;
        Rows {
            writer: self,
            random: ChaCha8Rng::from_seed(seed),
            date: part.date.format("%Y-%m-%d ").to_string().into_bytes(),
            first_view_id: part.first_view_id,
            count: part.rows,
            first_second,
            seconds: SECONDS_PER_DAY * (file + 1) / files - first_second,
        }
    }
}

/// The rows of one file.
struct Rows<'a> {
    writer: &'a PartWriter<'a>,
    random: ChaCha8Rng,
    /// `2026-01-31 `
    date: Vec<u8>,
    first_view_id: u64,
    count: u64,
    /// The part of the day that the file covers.
    first_second: u64,
    seconds: u64,
}

impl Rows<'_> {
    /// Appends row `index` of `0..count`; call it in order.
    fn append(&mut self, index: u64, buffer: &mut Vec<u8>) {
        let url = self.writer.zipf.rank(self.random.next_u64());
        let dice = self.random.next_u64();
        let customers = self.writer.dataset.customers;
        let customer = match dice & 0xffff_ffff {
            unknown if unknown < self.writer.unknown_below => customers + 1 + unknown % customers.min(1000),
            known => 1 + ((known * customers) >> 32),
        };
        // Rows follow each other in time, each at random within its own slice.
        let moment = ((index << 16) + (dice >> 48)) * self.seconds / self.count;
        append_number(self.first_view_id + index, buffer);
        buffer.push(b',');
        append_number(customer, buffer);
        buffer.push(b',');
        buffer.extend_from_slice(self.writer.urls.field(url));
        buffer.push(b',');
        buffer.extend_from_slice(&self.date);
        append_time(self.first_second + (moment >> 16), buffer);
        buffer.push(b'\n');
    }
}

fn append_number(mut number: u64, buffer: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    buffer.extend_from_slice(&digits[start..]);
}

/// `HH:MM:SS` of a second of the day.
fn append_time(second: u64, buffer: &mut Vec<u8>) {
    let second = u32::try_from(second).unwrap_or(0);
    let two =
        |number: u32| [b'0' + u8::try_from(number / 10).unwrap_or(0), b'0' + u8::try_from(number % 10).unwrap_or(0)];
    buffer.extend_from_slice(&two(second / 3600));
    buffer.push(b':');
    buffer.extend_from_slice(&two(second / 60 % 60));
    buffer.push(b':');
    buffer.extend_from_slice(&two(second % 60));
}

fn fail(path: &Path, source: std::io::Error) -> GenerateError {
    GenerateError::Write { path: path.to_owned(), source }
}
