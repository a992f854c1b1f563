//! One process at a time in a data directory.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::{Error, Result};

/// The right to a data directory. The operating system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Takes the directory, making it when absent.
    pub(super) fn take(data_dir: &Path) -> Result<Self> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| Error::DataDir { path, source }
        };
        fs::create_dir_all(data_dir).map_err(failed(data_dir))?;
        let path = data_dir.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::DataDirInUse { path: data_dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
        }
    }
}

/// Empties a folder of what a former process left in it, making it when absent.
pub(super) fn clear(folder: &Path) -> Result<()> {
    let failed = |source| Error::DataDir { path: folder.to_owned(), source };
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let held = DataDirLock::take(&data_dir).unwrap();
        let refused = DataDirLock::take(&data_dir).unwrap_err();
        assert!(matches!(&refused, Error::DataDirInUse { path } if *path == data_dir), "{refused}");
        drop(held);
        DataDirLock::take(&data_dir).unwrap();
    }
}
