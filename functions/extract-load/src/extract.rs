//! The way of a file's bytes into the files of its partitions, in one pass: digest, gzip, rows, checks, buffers.
//!
//! Nothing here reaches out: bytes come in, [`Piece`]s go out, and [`Extract::finish`] tells what was found. The first
//! megabyte is looked at as a sample before any row is taken, since the header and the types decide how rows are written.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::mem::take;

use flate2::write::MultiGzDecoder;
use schema::{Header, HeaderProblem, Inference, Kind, MAX_FIELD, OpenQuote, Reader, Row, Timestamp, Visit};
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::context::hex;

use crate::buffers::{Buffers, Sink};
use crate::layout::{Columns, Layout, NewColumns};
use crate::reject::{self, Reason};
use crate::table::Table;

/// How much text is a sample.
const SAMPLE: usize = 1 << 20;
/// Gzip unpacks to a thousand times its size at most, so that this much of it is never more than a few megabytes.
const GZIP_STEP: usize = 8 << 10;
/// The first bytes of gzip: <https://www.rfc-editor.org/rfc/rfc1952#page-6>
const GZIP: &[u8] = b"\x1F\x8B";
/// The most partitions that one file may have rows for.
const MOST_PARTITIONS: usize = 10_000;
/// Midnight of 1990-01-01, before which nobody viewed a page on the web.
const FIRST_VIEW: i64 = 631_152_000;
/// How far a clock may be ahead of the file's arrival, in seconds.
const AHEAD: i64 = 86_400;

/// What is known before the first byte.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) table: Table,
    /// The source's id.
    pub(crate) source: String,
    /// When the file arrived, in seconds since 1970.
    pub(crate) arrived: i64,
    /// The raw table's columns and their types, if it exists.
    pub(crate) catalog: Option<Vec<(String, String)>>,
    pub(crate) new_columns: NewColumns,
    /// What keys of raw files begin with: `raw/pageviews/`.
    pub(crate) raw_prefix: String,
    /// What keys of rejects begin with: `rejects/`.
    pub(crate) rejects_prefix: String,
    /// The share of rejects above which the file is refused, in per cent.
    pub(crate) max_rejected_percent: u32,
    /// Bytes that buffers may hold.
    pub(crate) budget: usize,
}

/// Why nothing of a file is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    /// A stable name.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
}

/// Rows: `loaded + rejected = read`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rows {
    pub(crate) read: u64,
    pub(crate) loaded: u64,
    pub(crate) rejected: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) refusal: Option<Refusal>,
    pub(crate) rows: Rows,
    /// Empty lines, which are no rows.
    pub(crate) blank_lines: u64,
    /// Rejected rows, by the name of the reason.
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    /// Loaded rows, by folder.
    pub(crate) partitions: BTreeMap<String, u64>,
    pub(crate) columns: Columns,
    /// SHA-256 of all bytes, if all were read.
    pub(crate) sha256: Option<String>,
    pub(crate) gzip: bool,
    pub(crate) bytes: u64,
}

/// A file on its way.
pub(crate) struct Extract<S> {
    digest: Sha256,
    bytes: u64,
    /// The first bytes, until there are enough to tell gzip.
    magic: Vec<u8>,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    plain: bool,
    text: Text<S>,
}

/// Unpacked text on its way.
struct Text<S> {
    /// The sample, until it is complete.
    sample: Vec<u8>,
    reader: Reader,
    loader: Option<Loader<S>>,
    plan: Plan,
    /// Until there is a loader.
    buffers: Option<Buffers<S>>,
    columns: Columns,
    refusal: Option<Refusal>,
}

impl<S: Sink> Extract<S> {
    pub(crate) fn new(plan: Plan, sink: S) -> Self {
        let mut buffers = Buffers::new(plan.budget, sink);
        // The first buffer is that of the rejects.
        let stem = format!("{}{}/{}/", plan.rejects_prefix, plan.table.name(), plan.source);
        buffers.add(stem, reject::HEADER);
        let text = Text {
            sample: Vec::new(),
            reader: Reader::default(),
            loader: None,
            plan,
            buffers: Some(buffers),
            columns: Columns::default(),
            refusal: None,
        };
        Self { digest: Sha256::new(), bytes: 0, magic: Vec::new(), gzip: None, plain: false, text }
    }

    /// Takes the file's next bytes; `false` if no more are wanted.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.plain {
            self.text.push(bytes);
        } else if self.gzip.is_some() {
            self.unpack(bytes);
        } else {
            self.magic.extend_from_slice(bytes);
            if self.magic.len() >= GZIP.len() {
                self.tell_gzip();
            }
        }
        self.text.wants_more()
    }

    fn tell_gzip(&mut self) {
        let first = take(&mut self.magic);
        if first.starts_with(GZIP) {
            self.gzip = Some(MultiGzDecoder::new(Vec::new()));
            self.unpack(&first);
        } else {
            self.plain = true;
            self.text.push(&first);
        }
    }

    fn unpack(&mut self, bytes: &[u8]) {
        let Some(gzip) = &mut self.gzip else { return };
        for step in bytes.chunks(GZIP_STEP) {
            let unpacked = gzip.write_all(step).and_then(|()| gzip.flush());
            self.text.push(gzip.get_ref());
            gzip.get_mut().clear();
            if let Err(problem) = unpacked {
                return self.text.refuse("damaged_archive", format!("the gzip archive is damaged: {problem}"));
            }
            if !self.text.wants_more() {
                return;
            }
        }
    }

    /// The file is at its end, or no more of it was wanted: hands over what is left, and tells what was found.
    pub(crate) fn finish(mut self) -> Found {
        let whole = self.text.wants_more();
        if whole && !self.magic.is_empty() {
            self.tell_gzip();
        }
        let gzip = self.gzip.is_some();
        if let Some(mut archive) = self.gzip.take().filter(|_| whole) {
            let ended = archive.try_finish();
            self.text.push(archive.get_ref());
            if let Err(problem) = ended {
                self.text.refuse("damaged_archive", format!("the gzip archive is not complete: {problem}"));
            }
        }
        let sha256 = whole.then(|| hex(&self.digest.finalize()));
        Found { sha256, gzip, bytes: self.bytes, ..self.text.finish() }
    }
}

impl<S: Sink> Text<S> {
    fn wants_more(&self) -> bool {
        self.refusal.is_none() && self.loader.as_ref().is_none_or(Loader::wants_more)
    }

    fn refuse(&mut self, reason: &'static str, message: String) {
        self.refusal.get_or_insert(Refusal { reason, message });
    }

    fn push(&mut self, text: &[u8]) {
        if self.refusal.is_some() {
            return;
        }
        if let Some(loader) = &mut self.loader {
            return self.reader.push(text, loader);
        }
        self.sample.extend_from_slice(text);
        if self.sample.len() >= SAMPLE {
            self.begin(false);
        }
    }

    /// The sample is complete; `whole` says that it is the whole file.
    fn begin(&mut self, whole: bool) {
        let text = take(&mut self.sample);
        let mut sample = Sample::default();
        let mut reader = Reader::default();
        reader.push(&text, &mut sample);
        if whole && reader.finish(&mut sample).is_err() && sample.header.is_none() {
            sample.header = Some(Err(HeaderProblem::Unreadable));
        }
        let header = match sample.header {
            Some(Ok(header)) => header,
            Some(Err(problem)) => return self.refuse_header(&problem),
            None if whole => {
                return self.refuse("empty_file", "the file is empty: not even a header is in it".to_owned());
            }
            None => return self.refuse_header(&HeaderProblem::Unreadable),
        };
        self.columns.seen = header.names().to_vec();
        if let Err(problem) = header.require(self.plan.table.required()) {
            return self.refuse_header(&problem);
        }
        let plan = &self.plan;
        let inference = sample.inference.unwrap_or_else(|| Inference::new(&[]));
        let layout = Layout::new(plan.table, &header, &inference, plan.catalog.as_deref(), plan.new_columns);
        self.columns = layout.columns.clone();
        if let Some(buffers) = self.buffers.take() {
            let loader = self.loader.insert(Loader::new(plan.clone(), layout, buffers));
            self.reader.push(&text, loader);
        }
    }

    fn refuse_header(&mut self, problem: &HeaderProblem) {
        let reason = match problem {
            HeaderProblem::Unreadable => "unreadable_header",
            HeaderProblem::Duplicate { .. } => "duplicate_column",
            HeaderProblem::Separator { .. } => "other_separator",
            HeaderProblem::Missing { .. } => "missing_column",
        };
        self.refuse(reason, problem.to_string());
    }

    fn finish(mut self) -> Found {
        if self.loader.is_none() && self.refusal.is_none() {
            self.begin(true);
        }
        let mut found = Found {
            refusal: self.refusal.take(),
            rows: Rows::default(),
            blank_lines: 0,
            rejected: BTreeMap::new(),
            partitions: BTreeMap::new(),
            columns: take(&mut self.columns),
            sha256: None,
            gzip: false,
            bytes: 0,
        };
        if let Some(mut loader) = self.loader.take() {
            found.blank_lines = self.reader.blank_lines();
            match self.reader.finish(&mut loader) {
                Ok(blank) => found.blank_lines = blank,
                Err(open) => loader.open_quote(&open),
            }
            loader.tell(&mut found);
        }
        found
    }
}

/// The header and the types of the sample's rows.
#[derive(Default)]
struct Sample {
    header: Option<Result<Header, HeaderProblem>>,
    inference: Option<Inference>,
}

impl Visit for Sample {
    fn row(&mut self, row: Row<'_>) {
        if self.header.is_none() {
            let header = Header::read(&row);
            self.inference = header.as_ref().ok().map(|header| Inference::new(header.names()));
            self.header = Some(header);
        } else if let Some(inference) = &mut self.inference {
            inference.look(&row);
        }
    }
}

/// Checks rows and writes them.
struct Loader<S> {
    plan: Plan,
    layout: Layout,
    typed: Vec<(usize, Kind)>,
    buffers: Buffers<S>,
    /// Country to buffer.
    countries: HashMap<Vec<u8>, usize>,
    /// Day to buffer, counted from [`FIRST_VIEW`]; 0 is none.
    days: Vec<usize>,
    /// The folder of each buffer but the first.
    folders: Vec<String>,
    latest: i64,
    header_passed: bool,
    read: u64,
    rejected: BTreeMap<Reason, u64>,
    refusal: Option<Refusal>,
    space: Vec<u8>,
}

impl<S: Sink> Visit for Loader<S> {
    fn row(&mut self, row: Row<'_>) {
        if !self.header_passed {
            self.header_passed = true;
        } else if self.wants_more() {
            self.read += 1;
            if let Err(reason) = self.take(&row) {
                self.reject(reason, row.line, row.text);
            }
        }
    }
}

impl<S: Sink> Loader<S> {
    fn new(plan: Plan, layout: Layout, buffers: Buffers<S>) -> Self {
        Self {
            typed: layout.typed().collect(),
            latest: plan.arrived + AHEAD,
            plan,
            layout,
            buffers,
            countries: HashMap::new(),
            days: Vec::new(),
            folders: Vec::new(),
            header_passed: false,
            read: 0,
            rejected: BTreeMap::new(),
            refusal: None,
            space: Vec::new(),
        }
    }

    fn wants_more(&self) -> bool {
        self.refusal.is_none() && self.buffers.is_open()
    }

    fn take(&mut self, row: &Row<'_>) -> Result<(), Reason> {
        if !row.utf8 {
            return Err(Reason::NotUtf8);
        }
        let fields = row.fields?;
        if fields.len() != self.layout.width {
            return Err(Reason::WrongNumberOfFields);
        }
        if row.text.len() > MAX_FIELD && fields.iter().any(|field| row.raw(*field).len() > MAX_FIELD) {
            return Err(Reason::FieldTooLong);
        }
        // Hive's lines end at either: no SerDe can have them inside a field.
        if !row.plain && memchr::memchr2(b'\n', b'\r', row.text).is_some() {
            return Err(Reason::LineBreakInField);
        }
        if row.raw(fields[self.layout.key]).is_empty() {
            return Err(Reason::EmptyKey);
        }
        for (position, kind) in &self.typed {
            if !kind.takes(row.value(fields[*position], &mut self.space)) {
                return Err(Reason::ValueOfAnotherType);
            }
        }
        match self.plan.table {
            Table::Customers => self.take_customer(row),
            Table::Pageviews => self.take_view(row),
        }
    }

    fn take_customer(&mut self, row: &Row<'_>) -> Result<(), Reason> {
        let fields = row.fields?;
        let country = row.value(fields[self.layout.partition], &mut self.space);
        let known = self.countries.get(country).copied();
        let number = if let Some(number) = known {
            number
        } else {
            let country = country.to_vec();
            let folder = country_folder(&country).ok_or(Reason::InvalidCountry)?;
            let number = self.add_partition(folder);
            self.countries.insert(country, number);
            number
        };
        self.write(row, number, None);
        Ok(())
    }

    fn take_view(&mut self, row: &Row<'_>) -> Result<(), Reason> {
        let fields = row.fields?;
        let text = row.value(fields[self.layout.partition], &mut self.space);
        let time = Timestamp::parse(text).ok_or(Reason::InvalidTime)?;
        if time.seconds < FIRST_VIEW || time.seconds > self.latest {
            return Err(Reason::ImpossibleTime);
        }
        let normal = Timestamp::is_normal(text);
        let day = time.day();
        let at = usize::try_from(day - Timestamp { seconds: FIRST_VIEW }.day()).map_err(|_| Reason::ImpossibleTime)?;
        if self.days.len() <= at {
            self.days.resize(at + 1, 0);
        }
        if self.days[at] == 0 {
            self.days[at] = self.add_partition(day_folder(Timestamp::of_day(day)));
        }
        let number = self.days[at];
        self.write(row, number, (!normal).then(|| time.write()));
        Ok(())
    }

    /// A buffer for a partition that has none.
    fn add_partition(&mut self, folder: String) -> usize {
        let stem = format!("{}{folder}/{}-", self.plan.raw_prefix, self.plan.source);
        self.folders.push(folder);
        if self.folders.len() > MOST_PARTITIONS {
            let message = format!("the file has rows for more than {MOST_PARTITIONS} partitions");
            self.refusal.get_or_insert(Refusal { reason: "too_many_partitions", message });
        }
        self.buffers.add(stem, &self.layout.header)
    }

    fn write(&mut self, row: &Row<'_>, number: usize, time: Option<[u8; 19]>) {
        let Ok(fields) = row.fields else { return };
        if self.layout.as_it_is && row.plain && time.is_none() {
            return self.buffers.push(number, row.text.len() + 1, |out| {
                out.extend_from_slice(row.text);
                out.push(b'\n');
            });
        }
        let most = 2 * row.text.len() + 4 * self.layout.written.len() + 32;
        self.buffers.push(number, most, |out| {
            for (at, column) in self.layout.written.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                match (column.position, time) {
                    (Some(position), Some(time)) if position == self.layout.partition => out.extend_from_slice(&time),
                    (Some(position), _) if row.plain => out.extend_from_slice(row.raw(fields[position])),
                    (Some(position), _) => reject::write_field(out, row.value(fields[position], &mut self.space)),
                    (None, _) => {}
                }
            }
            out.push(b'\n');
        });
    }

    fn reject(&mut self, reason: Reason, line: u64, text: &[u8]) {
        *self.rejected.entry(reason).or_default() += 1;
        let (table, source) = (self.plan.table.name(), self.plan.source.as_str());
        let most = if text.len() < schema::BROKEN_TEXT { 8 * text.len() + 256 } else { reject::MOST_BYTES };
        self.buffers.push(0, most, |out| reject::write(out, table, source, line, reason, text));
    }

    fn open_quote(&mut self, open: &OpenQuote) {
        self.read += 1;
        self.reject(Reason::UnclosedQuote, open.line, &open.text);
        let message = format!("a quote in the row that begins on line {} is never closed", open.line);
        self.refusal.get_or_insert(Refusal { reason: "unclosed_quote", message });
    }

    fn tell(mut self, found: &mut Found) {
        self.buffers.finish();
        let rejected: u64 = self.rejected.values().sum();
        let refusal = self.refusal.take().or_else(|| self.too_many(rejected));
        found.refusal = found.refusal.take().or(refusal);
        if found.refusal.is_some() && self.read > rejected {
            self.rejected.insert(Reason::FileRefused, self.read - rejected);
        }
        let rejected: u64 = self.rejected.values().sum();
        found.rows = Rows { read: self.read, loaded: self.read - rejected, rejected };
        found.rejected = self.rejected.iter().map(|(reason, rows)| (reason.name(), *rows)).collect();
        if found.refusal.is_none() {
            let folders = self.folders.drain(..).enumerate();
            found.partitions = folders.map(|(at, folder)| (folder, self.buffers.rows(at + 1))).collect();
        }
    }

    fn too_many(&self, rejected: u64) -> Option<Refusal> {
        let percent = self.plan.max_rejected_percent;
        if u128::from(rejected) * 100 <= u128::from(self.read) * u128::from(percent) {
            return None;
        }
        let most = self.rejected.iter().max_by_key(|(_, rows)| **rows);
        let most = most.map_or("", |(reason, _)| reason.name());
        let message = format!("{rejected} of {} rows are rejected, more than {percent} %, most as {most}", self.read);
        Some(Refusal { reason: "too_many_rejects", message })
    }
}

/// `country=USA`, if that can be a folder: what Hive would write otherwise in a folder's name, and what leads out of it,
/// is no country. Source: `FileUtils.escapePathName` in Apache Hive.
fn country_folder(country: &[u8]) -> Option<String> {
    let country = std::str::from_utf8(country).ok()?;
    let special = |c: char| c.is_control() || "\"#%*/:=?\\{}[]^".contains(c);
    let blank_ends = country.trim() != country;
    if country.is_empty() || country.len() > 128 || country.contains(special) || country.contains("..") || blank_ends {
        return None;
    }
    Some(["country=", country].concat())
}

fn day_folder(time: Timestamp) -> String {
    let (year, month, day) = time.date();
    format!("year={year:04}/month={month:02}/day={day:02}")
}

#[cfg(test)]
mod tests;
