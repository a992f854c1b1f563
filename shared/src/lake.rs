//! Looking at folders in S3.

use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, Object, ObjectIdentifier};

use crate::sql::Location;
use crate::{Error, Result};

/// Lists the lake.
#[derive(Clone, Debug)]
pub struct Lake {
    client: Client,
}

/// What lies directly in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The names of its folders, without slashes.
    pub folders: Vec<String>,
    /// The names of its files.
    pub files: Vec<String>,
}

impl Listing {
    /// The files that a query would read.
    pub fn visible_files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str).filter(|name| is_visible(name))
    }
}

/// Whether a query would read a file of this name: one that begins with neither `_` nor `.`.
/// <https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html>
pub fn is_visible(name: &str) -> bool {
    !name.starts_with(['_', '.'])
}

/// An object as a listing tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its key below the listed folder.
    pub name: &'a str,
    /// What changes with its content: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
    pub etag: &'a str,
    /// Bytes.
    pub size: i64,
    /// When it was last written.
    pub modified: Option<SystemTime>,
}

impl Lake {
    /// Over an S3 client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Lists one level of `location`. The marker object that some tools leave for a folder (its own key, nothing in it)
    /// is not a file.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn list(&self, location: &Location) -> Result<Listing> {
        let prefix = location.prefix();
        let request = self.client.list_objects_v2().bucket(location.bucket()).prefix(prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut listing = Listing::default();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::service("s3:ListBucket", error))?;
            let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            listing.folders.extend(folders.filter_map(|key| name(prefix, key)));
            listing
                .files
                .extend(page.contents().iter().filter_map(|file| file.key()).filter_map(|key| name(prefix, key)));
        }
        Ok(listing)
    }

    /// Shows `visit` every object below `location`, however deep, by ascending key: one call per thousand.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
    ///
    /// # Errors
    /// What `visit` says; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn visit(&self, location: &Location, mut visit: impl FnMut(Listed<'_>) -> Result<()>) -> Result<()> {
        let request = self.client.list_objects_v2().bucket(location.bucket()).prefix(location.prefix());
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::service("s3:ListBucket", error))?;
            page.contents().iter().filter_map(|object| listed(location.prefix(), object)).try_for_each(&mut visit)?;
        }
        Ok(())
    }

    /// When the newest object below `location` was written; `None` if there is no object.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn newest(&self, location: &Location) -> Result<Option<SystemTime>> {
        let mut newest = None;
        let visit = |file: Listed<'_>| {
            newest = newest.max(file.modified);
            Ok(())
        };
        self.visit(location, visit).await?;
        Ok(newest)
    }

    /// Removes every object below `location`, a thousand with a call; how many they were. Absent is success.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`], also for a single object.
    pub async fn purge(&self, location: &Location) -> Result<u64> {
        let request = self.client.list_objects_v2().bucket(location.bucket()).prefix(location.prefix());
        let mut pages = request.into_paginator().send();
        let mut removed = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::service("s3:ListBucket", error))?;
            let keys = page.contents().iter().filter_map(Object::key);
            let objects: Vec<_> = keys.filter_map(|key| ObjectIdentifier::builder().key(key).build().ok()).collect();
            removed += u64::try_from(objects.len()).unwrap_or(0);
            if !objects.is_empty() {
                self.delete(location.bucket(), objects).await?;
            }
        }
        Ok(removed)
    }

    async fn delete(&self, bucket: &str, objects: Vec<ObjectIdentifier>) -> Result<()> {
        let operation = "s3:DeleteObject";
        let objects = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let objects = objects.map_err(|source| Error::ServiceError { operation, source: source.into() })?;
        let answer = self.client.delete_objects().bucket(bucket).delete(objects).send().await;
        let answer = answer.map_err(|error| Error::service(operation, error))?;
        let Some(first) = answer.errors().first() else { return Ok(()) };
        let (key, code) = (first.key().unwrap_or_default(), first.code().unwrap_or_default());
        let source = format!("{} objects were not removed, the first is {key}: {code}", answer.errors().len()).into();
        Err(match code {
            "AccessDenied" => Error::ServiceRefused { operation, source },
            _ => Error::ServiceError { operation, source },
        })
    }

    /// Whether there is a file `name` in `location`. To read it would not tell: to a caller that may list some folders
    /// only, S3 may answer "forbidden" for a file that is absent.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn has(&self, location: &Location, name: &str) -> Result<bool> {
        let key = [location.prefix(), name].concat();
        let listing = self.client.list_objects_v2().bucket(location.bucket()).prefix(&key).max_keys(1).send().await;
        let listing = listing.map_err(|error| Error::service("s3:ListBucket", error))?;
        Ok(listing.contents().first().and_then(Object::key) == Some(&key))
    }
}

fn listed<'a>(prefix: &str, object: &'a Object) -> Option<Listed<'a>> {
    let name = object.key()?.strip_prefix(prefix)?;
    let etag = object.e_tag().unwrap_or_default();
    let modified = object.last_modified().and_then(|time| SystemTime::try_from(*time).ok());
    Some(Listed { name, etag, size: object.size().unwrap_or_default(), modified })
}

fn name(prefix: &str, key: &str) -> Option<String> {
    let name = key.strip_prefix(prefix)?.trim_end_matches('/');
    (!name.is_empty()).then(|| name.to_owned())
}
