//! Looking at folders in S3.

use aws_sdk_s3::Client;

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
    /// The files that a query would read: those whose names begin with neither `_` nor `.`.
    /// <https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html>
    pub fn visible_files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str).filter(|name| !name.starts_with(['_', '.']))
    }
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
}

fn name(prefix: &str, key: &str) -> Option<String> {
    let name = key.strip_prefix(prefix)?.trim_end_matches('/');
    (!name.is_empty()).then(|| name.to_owned())
}
