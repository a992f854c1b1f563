//! The lake as the Iceberg library's [`Storage`]: metadata and data carry real `s3://` addresses, the bytes live in
//! the lake's folders.
//!
//! Calls are short reads and writes against the page cache; they run on the calling task, as the library's own local
//! storage does.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ::iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use ::iceberg::{Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::ScanMeter;
use crate::lake::{Lake, LakeError, S3Uri, StagedObject};

/// File access over `lake`; bytes read through it are counted in `meter`, if one is given.
pub(super) fn file_io(lake: &Lake, meter: Option<Arc<ScanMeter>>) -> FileIO {
    FileIOBuilder::new(Arc::new(LakeStorage { lake: LakeRoot(lake.clone()), meter })).build()
}

/// The lake behind the library's storage interface.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LakeStorage {
    lake: LakeRoot,
    #[serde(skip)]
    meter: Option<Arc<ScanMeter>>,
}

/// The lake, written as its root folder: the library wants every storage to be serializable.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
struct LakeRoot(Lake);

impl TryFrom<PathBuf> for LakeRoot {
    type Error = LakeError;
    fn try_from(root: PathBuf) -> std::result::Result<Self, LakeError> {
        Lake::open(&root).map(Self)
    }
}

impl From<LakeRoot> for PathBuf {
    fn from(root: LakeRoot) -> Self {
        root.0.root().to_owned()
    }
}

#[typetag::serde(name = "PageViewsLake")]
impl StorageFactory for LakeStorage {
    fn build(&self, _config: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
#[typetag::serde(name = "PageViewsLake")]
impl Storage for LakeStorage {
    async fn exists(&self, path: &str) -> Result<bool> {
        self.lake.0.exists(&uri(path)?).map_err(failed)
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        Ok(FileMetadata { size: self.lake.0.head(&uri(path)?).map_err(failed)?.size })
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let bytes = self.lake.0.read(&uri(path)?).map_err(failed)?;
        count(self.meter.as_ref(), bytes.len());
        Ok(bytes)
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        let file = self.lake.0.open_object(&uri(path)?).map_err(failed)?;
        Ok(Box::new(LakeRead { path: path.to_owned(), file: Mutex::new(file), meter: self.meter.clone() }))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.lake.0.put(&uri(path)?, &bytes).map(|_| ()).map_err(failed)
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        let staged = self.lake.0.stage(&uri(path)?).map_err(failed)?;
        Ok(Box::new(LakeWrite { path: path.to_owned(), staged: Some(staged) }))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        // What a failed statement had written: Athena leaves it where it is, so nobody is asked.
        self.lake.0.unasked().delete(&uri(path)?).map(|_| ()).map_err(failed)
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        let folder = uri(path)?.folder();
        for entry in self.lake.0.list(&folder.bucket, &folder.key).map_err(failed)? {
            self.lake.0.delete(&S3Uri::new(&*folder.bucket, entry.key)).map_err(failed)?;
        }
        Ok(())
    }

    async fn delete_stream(&self, mut paths: BoxStream<'static, String>) -> Result<()> {
        while let Some(path) = paths.next().await {
            self.delete(&path).await?;
        }
        Ok(())
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

/// An open object, read by ranges.
#[derive(Debug)]
struct LakeRead {
    path: String,
    file: Mutex<File>,
    meter: Option<Arc<ScanMeter>>,
}

#[async_trait]
impl FileRead for LakeRead {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let broken = |error: std::io::Error| Error::new(ErrorKind::DataInvalid, self.path.clone()).with_source(error);
        let length = usize::try_from(range.end.saturating_sub(range.start))
            .map_err(|error| Error::new(ErrorKind::DataInvalid, "range too long").with_source(error))?;
        let mut bytes = vec![0; length];
        {
            let mut file = self.file.lock().map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
            file.seek(SeekFrom::Start(range.start)).map_err(broken)?;
            file.read_exact(&mut bytes).map_err(broken)?;
        }
        count(self.meter.as_ref(), length);
        Ok(bytes.into())
    }
}

/// An object under way: visible once closed, gone if dropped before.
#[derive(Debug)]
struct LakeWrite {
    path: String,
    staged: Option<StagedObject>,
}

#[async_trait]
impl FileWrite for LakeWrite {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let Some(staged) = &mut self.staged else { return Err(self.closed()) };
        staged.write_all(&bytes).map_err(|e| Error::new(ErrorKind::Unexpected, self.path.clone()).with_source(e))
    }

    async fn close(&mut self) -> Result<()> {
        let staged = self.staged.take().ok_or_else(|| self.closed())?;
        staged.commit().map(|_| ()).map_err(failed)
    }
}

impl LakeWrite {
    fn closed(&self) -> Error {
        Error::new(ErrorKind::Unexpected, format!("{} is closed", self.path))
    }
}

fn uri(path: &str) -> Result<S3Uri> {
    S3Uri::parse(path).map_err(failed)
}

fn failed(error: LakeError) -> Error {
    let kind = match &error {
        LakeError::NoSuchKey { .. } | LakeError::NoSuchBucket { .. } => ErrorKind::DataInvalid,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, error.to_string()).with_source(error)
}

fn count(meter: Option<&Arc<ScanMeter>>, bytes: usize) {
    if let Some(meter) = meter {
        meter.add_bytes(bytes as u64);
    }
}
