//! `s3://bucket/key` over plain folders: `<root>/<bucket>/<key>`, one file an object.
//!
//! A write goes to a staging file on the same file system and becomes visible by one rename, so a reader (or a
//! process that starts after kill -9) sees a whole object or none. Nothing is synced to the disk: a power failure may
//! lose the last writes.
//!
//! Every call blocks; asynchronous callers use `spawn_blocking`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use bytes::Bytes;

use crate::access::{Access, needs};

use walk::Walk;

mod asking;
mod error;
mod name;
mod staged;
mod uri;
mod walk;

pub use error::LakeError;
pub use staged::StagedObject;
pub use uri::S3Uri;
pub use walk::Onward;

/// One listed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Last write.
    pub modified: SystemTime,
}

/// One listed bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEntry {
    /// Its name.
    pub name: String,
    /// When its folder was made, where the file system tells; else when it was last changed.
    pub created: SystemTime,
}

/// The folders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    root: Arc<Path>,
    /// Held for reading while an object moves into its folder, for writing while emptied folders are removed.
    folders: Arc<RwLock<()>>,
    /// Asked before everything, when this handle acts for a caller.
    access: Option<Arc<dyn Access>>,
}

/// Holds the files of writes that are under way. A bucket's name cannot begin with a dot.
const STAGING: &str = ".staging";

/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const LONGEST_KEY: usize = 1024;

impl Lake {
    /// Opens (and makes) the root folder.
    pub fn open(root: &Path) -> Result<Self, LakeError> {
        let staging = root.join(STAGING);
        fs::create_dir_all(&staging).map_err(LakeError::io(&staging))?;
        Ok(Self { root: root.into(), folders: Arc::default(), access: None })
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Removes what a killed process had begun to write. Only for the one process that holds the data directory.
    pub(crate) fn clear_staging(&self) -> Result<(), LakeError> {
        let staging = self.root.join(STAGING);
        fs::remove_dir_all(&staging).map_err(LakeError::io(&staging))?;
        fs::create_dir_all(&staging).map_err(LakeError::io(&staging))
    }

    /// Every bucket, by name.
    pub fn buckets(&self) -> Result<Vec<BucketEntry>, LakeError> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(LakeError::io(&self.root))? {
            let entry = entry.map_err(LakeError::io(&self.root))?;
            let metadata = fs::metadata(entry.path()).map_err(LakeError::io(&entry.path()))?;
            if let Ok(name) = entry.file_name().into_string()
                && metadata.is_dir()
                && is_bucket_name(&name)
            {
                let created = metadata.created().or_else(|_| metadata.modified());
                buckets.push(BucketEntry { name, created: created.map_err(LakeError::io(&entry.path()))? });
            }
        }
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(buckets)
    }

    /// Whether there is such a bucket.
    pub fn bucket_exists(&self, bucket: &str) -> bool {
        is_bucket_name(bucket) && self.root.join(bucket).is_dir()
    }

    /// Makes a bucket; `false` if there was one already.
    ///
    /// # Errors
    /// [`LakeError::InvalidBucketName`].
    pub fn create_bucket(&self, bucket: &str) -> Result<bool, LakeError> {
        if !is_bucket_name(bucket) {
            return Err(LakeError::InvalidBucketName { bucket: bucket.to_owned() });
        }
        let folder = self.root.join(bucket);
        match fs::create_dir(&folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(LakeError::io(&folder)(error)),
        }
    }

    /// Removes an empty bucket.
    ///
    /// # Errors
    /// [`LakeError::NoSuchBucket`], [`LakeError::BucketNotEmpty`].
    pub fn delete_bucket(&self, bucket: &str) -> Result<(), LakeError> {
        let _alone = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        let folder = self.bucket_folder(bucket)?;
        match remove_empty_folders(&folder) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                Err(LakeError::BucketNotEmpty { bucket: bucket.to_owned() })
            }
            Err(error) => Err(LakeError::io(&folder)(error)),
        }
    }

    /// The file that holds (or would hold) the object.
    ///
    /// # Errors
    /// [`LakeError::NoSuchBucket`], [`LakeError::UnsupportedKey`].
    pub fn path(&self, uri: &S3Uri) -> Result<PathBuf, LakeError> {
        let mut path = self.bucket_folder(&uri.bucket)?;
        if uri.key.is_empty() || uri.key.len() > LONGEST_KEY {
            let reason = format!("a key has 1 to {LONGEST_KEY} bytes");
            return Err(LakeError::unsupported_key(&uri.key, reason));
        }
        for segment in uri.key.split('/') {
            let name = name::encode(segment);
            if name.len() > name::LONGEST {
                let reason = format!("{segment:?} is longer than the {} bytes of a file name", name::LONGEST);
                return Err(LakeError::unsupported_key(&uri.key, reason));
            }
            path.push(&*name);
        }
        Ok(path)
    }

    /// Size and time of one object.
    ///
    /// # Errors
    /// [`LakeError::NoSuchKey`] and those of [`Lake::path`].
    pub fn head(&self, uri: &S3Uri) -> Result<ObjectEntry, LakeError> {
        self.ask("s3:GetObject", uri)?;
        let path = self.path(uri)?;
        let metadata = fs::metadata(&path).map_err(missing_is(uri, &path))?;
        if metadata.is_dir() {
            return Err(LakeError::NoSuchKey { uri: uri.clone() });
        }
        entry(uri.key.clone(), &metadata).map_err(LakeError::io(&path))
    }

    /// Whether there is such an object.
    pub fn exists(&self, uri: &S3Uri) -> Result<bool, LakeError> {
        match self.head(uri) {
            Ok(_) => Ok(true),
            Err(LakeError::NoSuchKey { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens an object for reading. It stays readable, as it was, if it is replaced or deleted meanwhile.
    ///
    /// # Errors
    /// [`LakeError::NoSuchKey`] and those of [`Lake::path`].
    pub fn open_object(&self, uri: &S3Uri) -> Result<File, LakeError> {
        self.ask("s3:GetObject", uri)?;
        let path = self.path(uri)?;
        let file = File::open(&path).map_err(missing_is(uri, &path))?;
        if file.metadata().map_err(LakeError::io(&path))?.is_dir() {
            return Err(LakeError::NoSuchKey { uri: uri.clone() });
        }
        Ok(file)
    }

    /// A whole object.
    pub fn read(&self, uri: &S3Uri) -> Result<Bytes, LakeError> {
        let mut file = self.open_object(uri)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(LakeError::io(&self.path(uri)?))?;
        Ok(bytes.into())
    }

    /// Bytes `range` of an object; fewer if it ends before.
    pub fn get_range(&self, uri: &S3Uri, range: Range<u64>) -> Result<Bytes, LakeError> {
        let mut file = self.open_object(uri)?;
        let path = self.path(uri)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.start)).map_err(LakeError::io(&path))?;
        file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes).map_err(LakeError::io(&path))?;
        Ok(bytes.into())
    }

    /// Writes a whole object in one step.
    pub fn put(&self, uri: &S3Uri, bytes: &[u8]) -> Result<ObjectEntry, LakeError> {
        let mut staged = self.stage(uri)?;
        if let Err(error) = staged.write_all(bytes) {
            return Err(LakeError::io(staged.staging_path())(error));
        }
        staged.commit()
    }

    /// Begins an object: write into it, then [`StagedObject::commit`]. Dropped before, it leaves nothing.
    ///
    /// # Errors
    /// Those of [`Lake::path`].
    pub fn stage(&self, uri: &S3Uri) -> Result<StagedObject, LakeError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.ask_all(needs::WRITE_OBJECT, uri)?;
        self.path(uri)?;
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = self.root.join(STAGING).join(name);
        let file = File::create_new(&path).map_err(LakeError::io(&path))?;
        Ok(StagedObject::new(self.clone(), uri.clone(), path, file))
    }

    /// Removes an object; `false` if there was none.
    pub fn delete(&self, uri: &S3Uri) -> Result<bool, LakeError> {
        self.ask("s3:DeleteObject", uri)?;
        let path = self.path(uri)?;
        if let Err(error) = fs::remove_file(&path) {
            // Removing a folder by its prefix's name is not deleting an object.
            let absent = is_absent(&error) || path.is_dir();
            return if absent { Ok(false) } else { Err(LakeError::io(&path)(error)) };
        }
        // S3 has no folders: none may outlive its last object. One that is not empty stays, by the file system's word.
        let _alone = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        let bucket = self.root.join(&uri.bucket);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != bucket) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// Every object whose key begins with `prefix`, in S3's order: by the bytes of the key.
    ///
    /// # Errors
    /// [`LakeError::NoSuchBucket`]. A prefix that matches nothing is an empty list.
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectEntry>, LakeError> {
        let mut found = Vec::new();
        self.walk(bucket, prefix, None, &mut |entry| {
            found.push(entry);
            Onward::Next
        })?;
        Ok(found)
    }

    /// Visits the objects whose keys begin with `prefix` and come after `after`, in S3's order, for as long as `visit`
    /// goes on. What it leaves out is not looked at, so that a page of a listing costs what is on it.
    ///
    /// # Errors
    /// [`LakeError::NoSuchBucket`].
    pub fn walk(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        visit: &mut dyn FnMut(ObjectEntry) -> Onward,
    ) -> Result<(), LakeError> {
        self.ask_listing(bucket, prefix)?;
        let mut folder = self.bucket_folder(bucket)?;
        let parent_key = &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)];
        for segment in parent_key.split_terminator('/') {
            folder.push(&*name::encode(segment));
        }
        Walk { prefix, after, past: None, visit }.folder(&folder, parent_key).map(drop)
    }

    fn keep_folders(&self) -> RwLockReadGuard<'_, ()> {
        self.folders.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn bucket_folder(&self, bucket: &str) -> Result<PathBuf, LakeError> {
        if self.bucket_exists(bucket) {
            Ok(self.root.join(bucket))
        } else {
            Err(LakeError::NoSuchBucket { bucket: bucket.to_owned() })
        }
    }
}

/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte))
        && end(bytes.first())
        && end(bytes.last())
        && !name.contains("..")
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn missing_is(uri: &S3Uri, path: &Path) -> impl FnOnce(io::Error) -> LakeError {
    move |error| {
        if is_absent(&error) { LakeError::NoSuchKey { uri: uri.clone() } } else { LakeError::io(path)(error) }
    }
}

fn entry(key: String, metadata: &fs::Metadata) -> io::Result<ObjectEntry> {
    Ok(ObjectEntry { key, size: metadata.len(), modified: metadata.modified()? })
}

/// Removes a tree of folders that holds no file.
fn remove_empty_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        remove_empty_folders(&entry.path())?;
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests;
