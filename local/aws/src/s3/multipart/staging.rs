//! An upload's folder: `upload.json`, and for each part its bytes and `<number>.part.json`, which names them.
//!
//! A part is there once its JSON file is: sending it again replaces the JSON file, then drops the old bytes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use local_engine::lake::S3Uri;
use s3s::S3ErrorCode;
use s3s::dto::ETag;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::digest::{Checksums, Digested};
use super::super::error::{Result, from_io, refuse};
use super::super::sidecar::{Attributes, write_json};
use crate::hex::hex;

/// An upload under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) initiated: SystemTime,
    pub(super) attributes: Attributes,
    /// The checksum that every part has.
    pub(super) algorithm: Option<String>,
    /// `COMPOSITE` or `FULL_OBJECT`.
    pub(super) kind: Option<String>,
}

/// A part that has come in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) checksums: Checksums,
    pub(super) received: SystemTime,
    file: String,
}

/// The bytes of a part that is coming in; dropped before [`PartFile::keep`], it leaves nothing.
#[derive(Debug)]
pub(in crate::s3) struct PartFile {
    folder: PathBuf,
    name: String,
    file: File,
    kept: bool,
}

impl Upload {
    pub(super) fn new(uri: S3Uri, attributes: Attributes, algorithm: Option<String>, kind: Option<String>) -> Self {
        let id = Uuid::now_v7().simple().to_string();
        let initiated = SystemTime::now();
        Self { id, bucket: uri.bucket, key: uri.key, initiated, attributes, algorithm, kind }
    }

    pub(super) fn uri(&self) -> S3Uri {
        S3Uri::new(&*self.bucket, &*self.key)
    }

    pub(super) fn folder(&self, uploads: &Path) -> PathBuf {
        uploads.join(&self.id)
    }

    pub(super) fn save(&self, uploads: &Path) -> Result<()> {
        write_json(&self.folder(uploads).join("upload.json"), self).map_err(from_io)
    }

    /// # Errors
    /// `NoSuchUpload`, also if the upload is another object's.
    pub(super) fn load(uploads: &Path, id: &str, uri: &S3Uri) -> Result<Self> {
        let upload = if Uuid::try_parse(id).is_ok() { Self::read(&uploads.join(id))? } else { None };
        upload.filter(|upload| upload.uri() == *uri).ok_or_else(|| no_such_upload(id))
    }

    /// Every upload, in no order.
    pub(super) fn all(uploads: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for folder in entries(uploads)? {
            found.extend(Self::read(&folder)?);
        }
        Ok(found)
    }

    fn read(folder: &Path) -> Result<Option<Self>> {
        read_json(&folder.join("upload.json"))
    }

    /// The parts that are there, by number.
    pub(super) fn parts(&self, uploads: &Path) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for path in entries(&self.folder(uploads))? {
            if path.to_string_lossy().ends_with(".part.json") {
                parts.extend(read_json::<Part>(&path)?);
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    pub(super) fn remove(&self, uploads: &Path) -> Result<()> {
        match fs::remove_dir_all(self.folder(uploads)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(from_io(error)),
            _ => Ok(()),
        }
    }
}

impl Part {
    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(hex(&self.md5))
    }

    pub(super) fn open(&self, folder: &Path) -> io::Result<File> {
        File::open(folder.join(&self.file))
    }
}

impl PartFile {
    /// # Errors
    /// `NoSuchUpload`, if the upload was aborted meanwhile.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let name = format!("{}.bytes", Uuid::new_v4().simple());
        let file = File::create_new(folder.join(&name)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => no_such_upload(&folder.file_name().unwrap_or_default().to_string_lossy()),
            _ => from_io(error),
        })?;
        Ok(Self { folder: folder.to_owned(), name, file, kept: false })
    }

    /// Makes it the part of this number.
    pub(super) fn keep(mut self, number: i32, size: u64, digested: Digested) -> Result<Part> {
        let path = self.folder.join(format!("{number}.part.json"));
        let replaced: Option<Part> = read_json(&path)?;
        let part = Part {
            number,
            size,
            md5: digested.md5,
            checksums: digested.checksums,
            received: SystemTime::now(),
            file: self.name.clone(),
        };
        write_json(&path, &part).map_err(from_io)?;
        self.kept = true;
        match replaced.map(|replaced| fs::remove_file(self.folder.join(replaced.file))) {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(from_io(error)),
            _ => Ok(part),
        }
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        match fs::remove_file(self.folder.join(&self.name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(folder = %self.folder.display(), %error, "a part's bytes could not be removed");
            }
            _ => {}
        }
    }
}

fn no_such_upload(id: &str) -> s3s::S3Error {
    let message = format!("The multipart upload {id} does not exist: it may have been aborted or completed");
    refuse(S3ErrorCode::NoSuchUpload, message)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| from_io(error.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(from_io(error)),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(from_io(error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(from_io)).collect()
}
