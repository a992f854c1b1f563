//! A folder laid out as the raw zone: checked as a whole, then uploaded. If anything is wrong, nothing is uploaded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use local_engine::csv::{CsvProblem, check_file};

use crate::raw_zone::{self, CUSTOMERS_COLUMNS, PAGEVIEWS_COLUMNS};

/// Why a folder is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No such folder.
    #[error("{path} is not a folder", path = path.display())]
    NoFolder {
        /// What was given.
        path: PathBuf,
    },
    /// A folder or file cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something lies where it must not.
    #[error("{path}: {reason}", path = path.display())]
    Layout {
        /// The file or folder.
        path: PathBuf,
        /// What is expected there.
        reason: String,
    },
    /// A file's content is not what the table expects.
    #[error("{path}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and field.
        source: CsvProblem,
    },
}

/// One file of a raw zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its place in the raw zone: `customers/country=USA/part-0000.csv`.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Whether it holds customers; else page views.
    pub customers: bool,
}

/// What a checked raw zone holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// CSV files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Rows of page views.
    pub views: u64,
    /// Rows of customers.
    pub customers: u64,
}

/// The files of the raw zone in `folder`, in order.
///
/// # Errors
/// [`LoadError`] when the folder is missing, empty, or laid out otherwise.
pub fn raw_files(folder: &Path) -> Result<Vec<RawFile>, LoadError> {
    if !folder.is_dir() {
        return Err(LoadError::NoFolder { path: folder.to_owned() });
    }
    let mut files = Vec::new();
    for path in children(folder)? {
        match name(&path).as_str() {
            "customers" if path.is_dir() => collect(folder, &path, true, &mut files)?,
            "pageviews" if path.is_dir() => collect(folder, &path, false, &mut files)?,
            _ => return Err(layout(&path, "a raw zone holds only the folders customers and pageviews")),
        }
    }
    if files.is_empty() {
        let reason = "no CSV file is in it; expected customers/country=…/*.csv or pageviews/year=…/month=…/day=…/*.csv";
        return Err(layout(folder, reason));
    }
    Ok(files)
}

/// Checks every file's content on `threads` threads. `progress` hears of the bytes that were checked.
///
/// # Errors
/// The problem of the first file (in order) that has one.
pub fn check(files: &[RawFile], threads: usize, progress: &(dyn Fn(u64) + Sync)) -> Result<Checked, LoadError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![None; files.len()]);
    let problems = Mutex::new(Vec::new());
    let work = || {
        while let Some((index, file)) = take(files, &next) {
            let header = if file.customers { &CUSTOMERS_COLUMNS } else { &PAGEVIEWS_COLUMNS };
            match check_file(&file.path, header) {
                Ok(checked) => {
                    progress(file.size);
                    if let Ok(mut results) = results.lock() {
                        results[index] = Some(checked.rows);
                    }
                }
                Err(problem) => {
                    if let Ok(mut problems) = problems.lock() {
                        problems.push((index, problem));
                    }
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, files.len().max(1)) {
            scope.spawn(work);
        }
    });
    let problems = problems.into_inner().unwrap_or_default();
    if let Some((index, source)) = problems.into_iter().min_by_key(|(index, _)| *index) {
        return Err(LoadError::Content { path: files[index].path.clone(), source });
    }
    let mut checked = Checked::default();
    for (file, rows) in files.iter().zip(results.into_inner().unwrap_or_default()) {
        checked.files += 1;
        checked.bytes += file.size;
        *(if file.customers { &mut checked.customers } else { &mut checked.views }) += rows.unwrap_or(0);
    }
    Ok(checked)
}

fn take<'f>(files: &'f [RawFile], next: &AtomicUsize) -> Option<(usize, &'f RawFile)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    files.get(index).map(|file| (index, file))
}

/// Walks down one table's folder.
fn collect(root: &Path, folder: &Path, customers: bool, files: &mut Vec<RawFile>) -> Result<(), LoadError> {
    for path in children(folder)? {
        if path.is_dir() {
            collect(root, &path, customers, files)?;
            continue;
        }
        let key = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        check_place(&path, &key, customers)?;
        let size = fs::metadata(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?.len();
        files.push(RawFile { path, key, size, customers });
    }
    Ok(())
}

/// Refuses a file whose folder is not a partition, or that is not CSV.
fn check_place(path: &Path, key: &str, customers: bool) -> Result<(), LoadError> {
    let inner = key.split_once('/').map_or(key, |(_, inner)| inner);
    let partition = inner.rsplit_once('/').map_or("", |(partition, _)| partition);
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    if extension.as_deref() != Some("csv") {
        return Err(layout(path, "only .csv files are loaded"));
    }
    if customers {
        let country = partition.strip_prefix("country=").filter(|name| !name.is_empty() && !name.contains('/'));
        return country.map(drop).ok_or_else(|| layout(path, "expected customers/country=NAME/*.csv"));
    }
    match raw_zone::partition_date(partition) {
        Some(_) => Ok(()),
        None if partition.starts_with("year=") && partition.matches('/').count() == 2 => {
            Err(layout(path, &format!("{partition} is not a date: expected year=YYYY/month=MM/day=DD")))
        }
        None => Err(layout(path, "expected pageviews/year=YYYY/month=MM/day=DD/*.csv")),
    }
}

/// What lies in a folder, in order; hidden files (a desktop's leftovers) are nobody's data.
fn children(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let read = |source| LoadError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(read)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(read)?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn layout(path: &Path, reason: &str) -> LoadError {
    LoadError::Layout { path: path.to_owned(), reason: reason.to_owned() }
}
