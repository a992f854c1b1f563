//! `pageviews discover`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::read::MultiGzDecoder;
use schema::{Column, Fault, Header, HeaderProblem, Inference, Reader, Row, Visit, create_table};
use serde::Serialize;

use crate::console::{self, Console};
use crate::error::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  pageviews discover pageviews.csv                 its columns, their types, and the table that would read it
  pageviews discover export.csv.gz --rows 10000    judged by the first rows
  pageviews discover raw/customers                 all CSV files of a folder, which must have one header

A type is that of every value. Only a column that is never empty, and no date, can be anything but text in a table over
CSV: Athena's CSV reader fails on an empty number, and reads dates only as numbers.";

/// Tell what CSV files hold: columns, types, shares of empty values, and the DDL of a table over them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiscoverArguments {
    /// A CSV file, plain or gzip, or a folder of them
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Look at the first rows only
    #[arg(long, value_name = "COUNT")]
    rows: Option<u64>,
    /// The table's name in the DDL; else made of the file's name
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The table's location in the DDL
    #[arg(long, value_name = "URI", default_value = "s3://bucket/prefix/")]
    location: String,
}

/// What was found, for programs.
#[derive(Debug, Serialize)]
struct Report {
    files: usize,
    rows: u64,
    /// Rows that say nothing of types: badly quoted, too long, not UTF-8, or with another number of fields.
    broken_rows: u64,
    columns: Vec<ColumnReport>,
    ddl: String,
}

#[derive(Debug, Serialize)]
struct ColumnReport {
    name: String,
    /// What its values are.
    inferred: String,
    /// What a table over CSV can make of them.
    column_type: String,
    null_share: f64,
}

pub(super) fn run(arguments: &DiscoverArguments, console: Console) -> Result<()> {
    let files = files(&arguments.path)?;
    let mut seen = Seen { limit: arguments.rows.unwrap_or(u64::MAX), ..Seen::default() };
    for path in &files {
        seen.look(path)?;
    }
    let columns = seen.inference.as_ref().map(Inference::columns).unwrap_or_default();
    let table = arguments.table.clone().unwrap_or_else(|| table_name(&arguments.path));
    let report = Report {
        files: files.len(),
        rows: seen.rows,
        broken_rows: seen.broken,
        columns: columns.iter().map(ColumnReport::new).collect(),
        ddl: create_table(&table, &columns, &arguments.location),
    };
    console.report(&report, Report::human)
}

impl ColumnReport {
    fn new(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            inferred: column.kind.to_string(),
            column_type: column.column_type().to_string(),
            null_share: column.empty_share(),
        }
    }
}

impl Report {
    fn human(&self) -> String {
        let mut table = console::table();
        table.set_header(["Column", "Values", "Type in a table", "Empty"]);
        for column in &self.columns {
            let share = format!("{:.1} %", column.null_share * 100.0);
            table.add_row([&column.name, &column.inferred, &column.column_type, &share]);
        }
        let broken = match self.broken_rows {
            0 => String::new(),
            broken => format!(", {} of them broken", console::count(broken)),
        };
        let files = if self.files == 1 { String::new() } else { format!(" in {} files", self.files) };
        format!("{table}\n{} rows{broken}{files}\n\n{}", console::count(self.rows), self.ddl)
    }
}

/// The file, or the CSV files of the folder, in order.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !fs::metadata(path).map_err(Error::file(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    collect(path, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(Error::Usage(format!("{}: no file in it ends with .csv or .csv.gz", path.display())));
    }
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_dir() {
            collect(&path, found)?;
        } else if is_csv(&name) {
            found.push(path);
        }
    }
    Ok(())
}

/// Of a name in small letters; hidden files are none.
fn is_csv(name: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    !name.starts_with('.') && Path::new(plain).extension().is_some_and(|extension| extension == "csv")
}

fn table_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if schema::is_column_name(&name) { name } else { ["t_", &name].concat() }
}

#[derive(Default)]
struct Seen {
    header: Option<Header>,
    inference: Option<Inference>,
    /// Whether the file's header has passed.
    began: bool,
    problem: Option<String>,
    rows: u64,
    broken: u64,
    limit: u64,
}

impl Seen {
    fn look(&mut self, path: &Path) -> Result<()> {
        let unreadable = |problem: String| Error::file(path)(io::Error::other(problem));
        self.began = false;
        let mut text = open(path)?;
        let mut reader = Reader::default();
        let mut buffer = vec![0; 1 << 20];
        while self.rows < self.limit && self.problem.is_none() {
            let length = text.read(&mut buffer).map_err(Error::file(path))?;
            if length == 0 {
                let open = reader.finish(self).err();
                let open =
                    open.map(|open| format!("a quote in the row that begins on line {} is never closed", open.line));
                self.problem = self.problem.take().or(open);
                break;
            }
            reader.push(&buffer[..length], self);
        }
        match self.problem.take() {
            Some(problem) => Err(unreadable(problem)),
            None if !self.began => Err(unreadable("the file is empty: not even a header is in it".to_owned())),
            None => Ok(()),
        }
    }

    fn header(&mut self, row: &Row<'_>) -> std::result::Result<(), String> {
        let header = Header::read(row).map_err(|problem: HeaderProblem| problem.to_string())?;
        match &self.header {
            Some(first) if *first != header => {
                return Err(format!("it has the header {header}, and the first file has the header {first}"));
            }
            Some(_) => {}
            None => self.inference = Some(Inference::new(header.names())),
        }
        self.header = Some(header);
        Ok(())
    }
}

impl Visit for Seen {
    fn row(&mut self, row: Row<'_>) {
        if !self.began {
            self.began = true;
            self.problem = self.header(&row).err();
        } else if self.rows < self.limit {
            self.rows += 1;
            let width = self.header.as_ref().map_or(0, |header| header.names().len());
            let whole = row.utf8 && row.fields.map(<[_]>::len) == Ok::<_, Fault>(width);
            if whole {
                self.inference.iter_mut().for_each(|inference| inference.look(&row));
            } else {
                self.broken += 1;
            }
        }
    }
}

/// The file's text. Gzip is told by its first bytes, as `extract-load` does.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = File::open(path).map_err(Error::file(path))?;
    let mut magic = Vec::new();
    (&mut file).take(2).read_to_end(&mut magic).map_err(Error::file(path))?;
    let packed = magic == b"\x1F\x8B";
    let whole = io::Cursor::new(magic).chain(file);
    Ok(if packed { Box::new(MultiGzDecoder::new(io::BufReader::new(whole))) } else { Box::new(whole) })
}
