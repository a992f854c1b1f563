//! [`StagedObject`]: a write that becomes visible in one step.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::{Lake, LakeError, ObjectEntry, S3Uri, entry, is_absent, remove_empty_folders};

/// An object that is being written and is not visible yet.
#[derive(Debug)]
pub struct StagedObject {
    lake: Lake,
    uri: S3Uri,
    path: PathBuf,
    file: File,
}

impl StagedObject {
    pub(super) fn new(lake: Lake, uri: S3Uri, path: PathBuf, file: File) -> Self {
        Self { lake, uri, path, file }
    }

    pub(super) fn staging_path(&self) -> &Path {
        &self.path
    }

    /// The address that it will have.
    pub fn uri(&self) -> &S3Uri {
        &self.uri
    }

    /// What a listing will say of it, once all is written: making it visible changes neither size nor time.
    ///
    /// # Errors
    /// When the staging file cannot be looked at.
    pub fn entry(&self) -> Result<ObjectEntry, LakeError> {
        let metadata = self.file.metadata().map_err(LakeError::io(&self.path))?;
        entry(self.uri.key.clone(), &metadata).map_err(LakeError::io(&self.path))
    }

    /// Adds the next `length` bytes of a file, which need not pass through this process's memory.
    ///
    /// # Errors
    /// When the file is shorter, or one of the two fails.
    pub fn append(&mut self, source: &File, length: u64) -> io::Result<()> {
        let copied = io::copy(&mut source.take(length), &mut self.file)?;
        if copied == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// Makes the object visible, replacing one of the same key, in one step.
    ///
    /// # Errors
    /// [`LakeError::UnsupportedKey`] if the key is also a prefix of other objects, or another object is a prefix of it.
    pub fn commit(self) -> Result<ObjectEntry, LakeError> {
        self.publish(|staged, target| fs::rename(staged, target))
    }

    /// Makes the object visible if no object has its key, in one step; else `None`, and nothing has changed.
    ///
    /// # Errors
    /// Those of [`StagedObject::commit`].
    pub fn commit_new(self) -> Result<Option<ObjectEntry>, LakeError> {
        match self.publish(|staged, target| fs::hard_link(staged, target)) {
            Ok(entry) => Ok(Some(entry)),
            Err(LakeError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn publish(self, make_visible: fn(&Path, &Path) -> io::Result<()>) -> Result<ObjectEntry, LakeError> {
        let kept = self.lake.keep_folders();
        let target = self.lake.path(&self.uri)?;
        make_folders(target.parent().unwrap_or(self.lake.root()), &self.uri.key)?;
        // An empty folder is nobody's; one with objects in it is a prefix.
        if target.is_dir() && remove_empty_folders(&target).is_err() {
            return Err(LakeError::unsupported_key(&self.uri.key, "it is also a prefix of other objects"));
        }
        make_visible(&self.path, &target).map_err(LakeError::io(&target))?;
        drop(kept);
        let metadata = self.file.metadata().map_err(LakeError::io(&target))?;
        entry(self.uri.key.clone(), &metadata).map_err(LakeError::io(&target))
    }
}

impl Write for StagedObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for StagedObject {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove, and that is no error.
        if let Err(error) = fs::remove_file(&self.path)
            && !is_absent(&error)
        {
            tracing::warn!(path = %self.path.display(), %error, "a staging file could not be removed");
        }
    }
}

fn make_folders(folder: &Path, key: &str) -> Result<(), LakeError> {
    fs::create_dir_all(folder).map_err(|error| match error.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            LakeError::unsupported_key(key, "another object's key is a prefix of it")
        }
        _ => LakeError::io(folder)(error),
    })
}
