//! [`S3Uri`]: where an object is.

use std::fmt;
use std::str::FromStr;

use super::LakeError;

/// An object's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Uri {
    /// Bucket name.
    pub bucket: String,
    /// Key or prefix; without a leading slash.
    pub key: String,
}

impl S3Uri {
    /// An address from its parts.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), key: key.into() }
    }

    /// Parses `s3://bucket/key`; `s3a` and `s3n` are accepted too.
    ///
    /// # Errors
    /// [`LakeError::NotAUri`].
    pub fn parse(uri: &str) -> Result<Self, LakeError> {
        let rest = ["s3://", "s3a://", "s3n://"].iter().find_map(|scheme| uri.strip_prefix(scheme));
        let (bucket, key) = rest.map_or(("", ""), |rest| rest.split_once('/').unwrap_or((rest, "")));
        if bucket.is_empty() {
            return Err(LakeError::NotAUri { uri: uri.to_owned() });
        }
        Ok(Self::new(bucket, key))
    }

    /// This address as a folder: its key ends with a slash, unless it is the whole bucket.
    #[must_use]
    pub fn folder(mut self) -> Self {
        if !self.key.is_empty() && !self.key.ends_with('/') {
            self.key.push('/');
        }
        self
    }

    /// The address of `name` below this folder.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let folder = self.clone().folder();
        Self { key: folder.key + name, ..folder }
    }
}

impl FromStr for S3Uri {
    type Err = LakeError;
    fn from_str(uri: &str) -> Result<Self, LakeError> {
        Self::parse(uri)
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}
