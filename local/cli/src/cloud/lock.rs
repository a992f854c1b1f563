//! One process per data directory: an operating system's lock, which a killed process gives back by itself.
//!
//! The engine holds a lock of its own; this one is taken before anything is opened, and says who holds it and where it
//! answers.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The right to work in a data directory.
#[derive(Debug)]
pub(super) struct DataDirectoryLock {
    path: PathBuf,
    file: File,
}

impl DataDirectoryLock {
    /// Makes the directory and takes its lock.
    pub(super) fn take(data_dir: &Path) -> Result<Self> {
        fs::create_dir_all(data_dir).map_err(Error::file(data_dir))?;
        let path = data_dir.join("cloud.lock");
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(Error::file(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(held(data_dir, &file)),
            Err(TryLockError::Error(source)) => Err(Error::File { path, source }),
        }
    }

    /// Notes who holds the lock and where it answers, for those who come later.
    pub(super) fn sign(&self, endpoint: &str) -> Result<()> {
        let mut file = &self.file;
        let mut write = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{} {endpoint}", std::process::id())
        };
        write().map_err(Error::file(&self.path))
    }
}

fn held(data_dir: &Path, mut file: &File) -> Error {
    let mut text = String::new();
    // Without its signature, all that is known is that somebody holds it.
    let signature = file.read_to_string(&mut text).ok().and_then(|_| text.trim().split_once(' '));
    let (holder, hint) = match signature {
        Some((process, endpoint)) => (format!("process {process}"), format!(", or use --endpoint {endpoint}")),
        None => ("another process".to_owned(), String::new()),
    };
    Error::DataDirectoryHeld { path: data_dir.to_owned(), holder, hint }
}

#[cfg(test)]
mod tests {
    use super::DataDirectoryLock;

    #[test]
    fn a_second_holder_is_refused_and_told_where_the_first_one_is() {
        let folder = std::env::temp_dir().join(format!("pageviews-lock-{}", std::process::id()));
        let first = DataDirectoryLock::take(&folder).unwrap();
        first.sign("http://127.0.0.1:4566").unwrap();
        let message = DataDirectoryLock::take(&folder).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        assert!(message.ends_with("or use --endpoint http://127.0.0.1:4566"), "{message}");
        drop(first);
        DataDirectoryLock::take(&folder).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
