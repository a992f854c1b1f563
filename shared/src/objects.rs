//! Single objects in S3: small ones as a whole and under conditions, large ones as streams and in parts.
//!
//! Conditional writes are what functions that run at the same time agree by:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::sql::Location;
use crate::{Error, Result};

/// How long one try of one call may take: a part of some megabytes over a slow connection.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the completion of an upload may take: S3 says several minutes, and answers again what it has answered.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
const COMPLETION_TIMEOUT: Duration = Duration::from_mins(10);

/// Reads and writes objects.
#[derive(Clone, Debug)]
pub struct Objects {
    client: Client,
}

/// Where an object lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl Address {
    /// The object `name`, which may hold slashes, in a folder.
    pub fn within(folder: &Location, name: &str) -> Self {
        Self { bucket: folder.bucket().to_owned(), key: [folder.prefix(), name].concat() }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Which state of an object is meant.
#[derive(Clone, Copy, Debug)]
pub enum Version<'a> {
    /// The version with this id.
    Id(&'a str),
    /// The current one, if it has this `ETag`.
    Etag(&'a str),
}

/// A part that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: i32,
    /// Its `ETag`.
    pub etag: String,
}

impl Objects {
    /// Over an S3 client.
    pub fn new(client: &Client) -> Self {
        let timeouts = client.config().timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
        let timeouts = timeouts.to_builder().operation_attempt_timeout(CALL_TIMEOUT).build();
        let config = client.config().to_builder().timeout_config(timeouts);
        Self { client: Client::from_conf(config.build()) }
    }

    /// An object's content and its `ETag`, or `None`.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn get(&self, address: &Address) -> Result<Option<(Vec<u8>, String)>> {
        let request = self.client.get_object().bucket(&address.bucket).key(&address.key);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(Error::service("s3:GetObject", error)),
        };
        let etag = answer.e_tag.unwrap_or_default();
        let content = answer.body.collect().await;
        let content =
            content.map_err(|error| Error::ServiceError { operation: "s3:GetObject", source: error.into() })?;
        Ok(Some((content.to_vec(), etag)))
    }

    /// An object's content from the byte `from` on, or `None` if that state of it is not there any more.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn read(&self, address: &Address, version: Version<'_>, from: u64) -> Result<Option<ByteStream>> {
        let request = self.client.get_object().bucket(&address.bucket).key(&address.key);
        let request = match version {
            Version::Id(id) => request.version_id(id),
            Version::Etag(etag) => request.if_match(["\"", etag, "\""].concat()),
        };
        let range = (from > 0).then(|| ["bytes=", &from.to_string(), "-"].concat());
        match request.set_range(range).send().await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(error) if failed_condition(&error) || is_gone(error.code()) => Ok(None),
            Err(error) => Err(Error::service("s3:GetObject", error)),
        }
    }

    /// Writes an object, whatever was there.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn put(&self, address: &Address, content: ByteStream) -> Result<()> {
        let request = self.client.put_object().bucket(&address.bucket).key(&address.key).body(content);
        let sent = request.customize().disable_payload_signing().send().await;
        sent.map(drop).map_err(|error| Error::service("s3:PutObject", error))
    }

    /// Writes an object if there is none; whether it was written.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn put_new(&self, address: &Address, content: Vec<u8>) -> Result<bool> {
        let request = self.client.put_object().bucket(&address.bucket).key(&address.key).body(content.into());
        written(request.if_none_match("*").send().await)
    }

    /// Writes an object if the one that is there has this `ETag`; whether it was written.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn replace(&self, address: &Address, etag: &str, content: Vec<u8>) -> Result<bool> {
        let request = self.client.put_object().bucket(&address.bucket).key(&address.key).body(content.into());
        written(request.if_match(etag).send().await)
    }

    /// Removes an object; absent is success.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn delete(&self, address: &Address) -> Result<()> {
        let request = self.client.delete_object().bucket(&address.bucket).key(&address.key);
        request.send().await.map(drop).map_err(|error| Error::service("s3:DeleteObject", error))
    }

    /// Removes an object if the one that is there has this `ETag`; whether it was removed. One that is gone was.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html>
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn delete_if(&self, address: &Address, etag: &str) -> Result<bool> {
        let request = self.client.delete_object().bucket(&address.bucket).key(&address.key).if_match(etag);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(true),
            Err(error) if failed_condition(&error) => Ok(false),
            Err(error) => Err(Error::service("s3:DeleteObject", error)),
        }
    }

    /// Begins an upload in parts, of which nobody sees anything before it is completed. Its id.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn begin_upload(&self, address: &Address) -> Result<String> {
        let request = self.client.create_multipart_upload().bucket(&address.bucket).key(&address.key);
        let answer = request.send().await.map_err(|error| Error::service("s3:PutObject", error))?;
        answer.upload_id.ok_or_else(|| unexpected("s3:PutObject", "the answer names no upload"))
    }

    /// Uploads a part. All but the last of an upload must have at least 5 MiB:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn upload_part(&self, address: &Address, upload: &str, number: i32, content: ByteStream) -> Result<Part> {
        let request = self.client.upload_part().bucket(&address.bucket).key(&address.key).upload_id(upload);
        let sent = request.part_number(number).body(content).customize().disable_payload_signing().send().await;
        let answer = sent.map_err(|error| Error::service("s3:PutObject", error))?;
        let etag = answer.e_tag.ok_or_else(|| unexpected("s3:PutObject", "the answer has no ETag"))?;
        Ok(Part { number, etag })
    }

    /// Makes an upload's parts the object, at once.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn complete_upload(&self, address: &Address, upload: &str, parts: &[Part]) -> Result<()> {
        let part = |part: &Part| CompletedPart::builder().part_number(part.number).e_tag(&part.etag).build();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.iter().map(part).collect())).build();
        let request = self.client.complete_multipart_upload().bucket(&address.bucket).key(&address.key);
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(COMPLETION_TIMEOUT).build();
        let patient = aws_sdk_s3::config::Builder::new().timeout_config(timeouts);
        let request = request.upload_id(upload).multipart_upload(parts).customize().config_override(patient);
        let sent = request.send().await;
        sent.map(drop).map_err(|error| Error::service("s3:PutObject", error))
    }

    /// Gives an upload up; absent is success.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn abort_upload(&self, address: &Address, upload: &str) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&address.bucket).key(&address.key).upload_id(upload);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(Error::service("s3:AbortMultipartUpload", error)),
        }
    }
}

fn is_gone(code: Option<&str>) -> bool {
    matches!(code, Some("NoSuchKey" | "NoSuchVersion"))
}

/// 412 is a condition that does not hold; 409 is another conditional write at the same moment.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_Errors>
fn failed_condition<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|answer| matches!(answer.status().as_u16(), 409 | 412))
}

fn written<T, E>(sent: Result<T, SdkError<E, HttpResponse>>) -> Result<bool>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match sent {
        Ok(_) => Ok(true),
        Err(error) if failed_condition(&error) => Ok(false),
        Err(error) => Err(Error::service("s3:PutObject", error)),
    }
}

fn unexpected(operation: &'static str, problem: &str) -> Error {
    Error::ServiceError { operation, source: problem.into() }
}
