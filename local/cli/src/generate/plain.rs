//! Plain files, as they come from outside: `customers.csv` and `pageviews.csv`, with broken rows on request.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::broken::Broken;
use super::customers;
use super::dataset::{Dataset, GenerateError, Selection, Written, create};
use super::urls::Urls;
use super::views::PartWriter;
use super::zipf::Zipf;
use crate::inbox::Table;

/// Broken rows that are to be planted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planting {
    /// Which kinds.
    pub kinds: Vec<Broken>,
    /// How many rows of each, in each file that can have them.
    pub rows: u64,
}

/// A plain file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlainFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub table: Table,
    /// Rows, the planted ones included.
    pub rows: u64,
    /// How many rows of each kind were planted.
    pub planted: BTreeMap<Broken, u64>,
    /// Bytes.
    pub bytes: u64,
}

impl Dataset {
    /// Writes the selected part as plain files into `out`. Where rows are planted, the others are the same as without.
    ///
    /// # Errors
    /// [`GenerateError::Invalid`] before anything is written; [`GenerateError::Write`] when the disk says no.
    pub fn write_plain(
        &self,
        out: &Path,
        selection: &Selection,
        planting: &Planting,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<PlainFile>, GenerateError> {
        self.check(selection)?;
        let day = selection.days.first().map_or(self.start, |(day, _)| *day).to_string();
        let mut files = Vec::new();
        if selection.customers {
            let rows = self.customers + self.quirks.duplicate_customers;
            let mut file = PlainWriter::create(out, Table::Customers, rows, planting, &day, progress)?;
            customers::rows(self, &mut |row| file.row(row.as_bytes()))?;
            files.push(file.finish()?);
        }
        let parts = self.parts(selection);
        let rows = parts.iter().map(|part| part.rows).sum();
        if rows > 0 {
            let (urls, zipf) = (Urls::new(self.urls, self.seed, &self.quirks), Zipf::new(self.urls));
            let writer = PartWriter::new(self, &urls, &zipf);
            let mut file = PlainWriter::create(out, Table::Pageviews, rows, planting, &day, progress)?;
            for part in &parts {
                writer.each_row(part, &mut |row| file.row(row))?;
            }
            files.push(file.finish()?);
        }
        Ok(files)
    }
}

/// Writes one file, a broken row now and then.
struct PlainWriter<'a> {
    file: BufWriter<File>,
    written: PlainFile,
    /// What is still to be planted, the last one first.
    waiting: Vec<Broken>,
    /// A broken row comes after this many good ones.
    every: u64,
    good: u64,
    day: &'a str,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<'a> PlainWriter<'a> {
    fn create(
        out: &Path,
        table: Table,
        rows: u64,
        planting: &Planting,
        day: &'a str,
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Result<Self, GenerateError> {
        let path = out.join(format!("{}.csv", table.name()));
        let file = BufWriter::with_capacity(1 << 20, create(&path)?);
        let kinds: Vec<Broken> = planting.kinds.iter().copied().filter(|kind| kind.is_for(table)).collect();
        let mut waiting = Vec::new();
        for _ in 0..planting.rows {
            waiting.extend(kinds.iter().rev());
        }
        let every = (rows / (waiting.len() as u64 + 1)).max(1);
        let written = PlainFile { path, table, rows: 0, planted: BTreeMap::new(), bytes: 0 };
        let mut writer = Self { file, written, waiting, every, good: 0, day, progress };
        writer.write(format!("{}\n", table.columns().join(",")).as_bytes())?;
        Ok(writer)
    }

    /// Writes a good row, and a broken one behind it when it is time.
    fn row(&mut self, row: &[u8]) -> Result<(), GenerateError> {
        self.write(row)?;
        self.written.rows += 1;
        self.good += 1;
        if self.good.is_multiple_of(self.every) { self.plant() } else { Ok(()) }
    }

    fn plant(&mut self) -> Result<(), GenerateError> {
        let Some(kind) = self.waiting.pop() else { return Ok(()) };
        self.write(&kind.row(self.written.table, self.written.rows, self.day))?;
        self.written.rows += 1;
        *self.written.planted.entry(kind).or_default() += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<PlainFile, GenerateError> {
        // A small file has fewer good rows than broken ones.
        while !self.waiting.is_empty() {
            self.plant()?;
        }
        self.file.flush().map_err(|source| self.fail(source))?;
        Ok(self.written)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), GenerateError> {
        self.file.write_all(bytes).map_err(|source| self.fail(source))?;
        self.written.bytes += bytes.len() as u64;
        (self.progress)(bytes.len() as u64);
        Ok(())
    }

    fn fail(&self, source: io::Error) -> GenerateError {
        GenerateError::Write { path: self.written.path.clone(), source }
    }
}

impl Written {
    /// The same sums of plain files.
    pub fn of_plain(files: &[PlainFile]) -> Self {
        let rows = |table| files.iter().filter(|file| file.table == table).map(|file| file.rows).sum();
        Self {
            files: files.len() as u64,
            views: rows(Table::Pageviews),
            customer_rows: rows(Table::Customers),
            bytes: files.iter().map(|file| file.bytes).sum(),
        }
    }
}
