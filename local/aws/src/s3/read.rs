//! `GetObject` and `HeadObject`: conditions, ranges and parts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range as Span;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::StreamExt;
use local_engine::lake::S3Uri;
use s3s::dto::{
    ChecksumMode, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range,
    StorageClass, StreamingBlob, Timestamp,
};
use s3s::{S3Error, S3ErrorCode};
use tokio_util::io::ReaderStream;

use super::access;
use super::digest::set_checksums;
use super::error::{Result, blocking, from_io, refuse, unsupported};
use super::store::{Object, Store, precondition_failed};

/// Up to this many bytes are read at once; more are streamed in pieces of this size.
const PIECE: u64 = 512 << 10;

/// What a reader demands of the object.
#[derive(Debug, Default)]
pub(super) struct Preconditions {
    pub(super) matches: Option<ETagCondition>,
    pub(super) none_match: Option<ETagCondition>,
    pub(super) modified_since: Option<Timestamp>,
    pub(super) unmodified_since: Option<Timestamp>,
}

impl Preconditions {
    /// The `ETag` conditions take precedence over the times.
    /// Source: <https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2>
    ///
    /// # Errors
    /// `PreconditionFailed` or `NotModified`.
    pub(super) fn check(&self, object: &Object) -> Result<()> {
        let modified_since = |time: &Timestamp| whole_seconds(object) > *time;
        let proceed = match (&self.matches, &self.unmodified_since) {
            (Some(etag), _) => object.matches(etag),
            (None, time) => !time.as_ref().is_some_and(modified_since),
        };
        if !proceed {
            return Err(precondition_failed());
        }
        let fresh = match (&self.none_match, &self.modified_since) {
            (Some(etag), _) => !object.matches(etag),
            (None, time) => time.as_ref().is_none_or(modified_since),
        };
        if fresh { Ok(()) } else { Err(not_modified(object)) }
    }
}

/// Which bytes of the object are wanted.
#[derive(Debug)]
struct Extent {
    span: Span<u64>,
    /// `Content-Range`, where it is not the whole object.
    content_range: Option<String>,
    parts_count: Option<i32>,
}

impl Extent {
    fn new(object: &Object, range: Option<Range>, part: Option<i32>) -> Result<Self> {
        let size = object.entry.size;
        let sizes = &object.description.part_sizes;
        let parts_count = part.and_then(|_| i32::try_from(sizes.len()).ok()).filter(|count| *count > 0);
        let span = match (range, part) {
            (None, None) => return Ok(Self { span: 0..size, content_range: None, parts_count }),
            (Some(_), Some(_)) => {
                return Err(refuse(S3ErrorCode::InvalidRequest, "A range and a part number exclude each other"));
            }
            (Some(range), None) => range.check(size).map_err(S3Error::from)?,
            (None, Some(part)) => part_span(sizes, size, part)?,
        };
        let last = span.end.saturating_sub(1);
        let content_range = (size > 0).then(|| format!("bytes {}-{last}/{size}", span.start));
        Ok(Self { span, content_range, parts_count })
    }

    fn length(&self) -> Option<i64> {
        i64::try_from(self.span.end - self.span.start).ok()
    }
}

fn part_span(sizes: &[u64], size: u64, part: i32) -> Result<Span<u64>> {
    let whole = [size];
    let sizes = if sizes.is_empty() { &whole[..] } else { sizes };
    let index = usize::try_from(part).ok().and_then(|part| part.checked_sub(1));
    let Some(index) = index.filter(|index| *index < sizes.len()) else {
        return Err(refuse(S3ErrorCode::InvalidRange, format!("There is no part {part}")));
    };
    let start: u64 = sizes[..index].iter().sum();
    Ok(start..start + sizes[index])
}

/// Writes the members that `GetObject` and `HeadObject` answer alike.
macro_rules! set_description {
    ($output:expr, $object:expr, $extent:expr, $checksum_mode:expr) => {{
        let attributes = &$object.description.attributes;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.cache_control.clone_from(&attributes.cache_control);
        $output.content_disposition.clone_from(&attributes.content_disposition);
        $output.content_encoding.clone_from(&attributes.content_encoding);
        $output.content_language.clone_from(&attributes.content_language);
        $output.content_length = $extent.length();
        $output.content_range.clone_from(&$extent.content_range);
        $output.content_type = Some(content_type($object));
        $output.e_tag = Some($object.etag());
        $output.expires = attributes.expires.and_then(timestamp);
        $output.last_modified = Some($object.entry.modified.into());
        $output.metadata = Some(attributes.metadata.clone().into_iter().collect());
        $output.parts_count = $extent.parts_count;
        $output.storage_class = attributes.storage_class.clone().map(StorageClass::from);
        // The checksum is that of the whole object.
        if $extent.content_range.is_none() && wants_checksum($checksum_mode) {
            set_checksums!($output, &$object.description.checksums);
            $output.checksum_type = $object.description.checksums.kind.clone().map(Into::into);
        }
    }};
}

pub(super) async fn get_object(store: Arc<Store>, input: GetObjectInput) -> Result<GetObjectOutput> {
    refuse_version(input.version_id.as_deref())?;
    let uri = S3Uri::new(input.bucket, input.key);
    let (file, object) = blocking(move || store.open(&uri)).await?;
    let preconditions = Preconditions {
        matches: input.if_match,
        none_match: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    preconditions.check(&object)?;
    let extent = Extent::new(&object, input.range, input.part_number)?;
    let mut output = GetObjectOutput::default();
    set_description!(output, &object, extent, input.checksum_mode.as_ref());
    output.body = Some(content(file, extent.span.clone()).await?);
    Ok(output)
}

pub(super) async fn head_object(store: Arc<Store>, input: HeadObjectInput) -> Result<HeadObjectOutput> {
    refuse_version(input.version_id.as_deref())?;
    let uri = S3Uri::new(input.bucket, input.key);
    let object = blocking(move || store.head(&uri)).await?;
    let preconditions = Preconditions {
        matches: input.if_match,
        none_match: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    preconditions.check(&object)?;
    let extent = Extent::new(&object, input.range, input.part_number)?;
    let mut output = HeadObjectOutput::default();
    set_description!(output, &object, extent, input.checksum_mode.as_ref());
    Ok(output)
}

/// Who may not list the bucket is not told that an object is missing: 403 instead of 404.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
pub(super) fn hidden(error: S3Error, extensions: &http::Extensions, bucket: &str) -> S3Error {
    if *error.code() != S3ErrorCode::NoSuchKey {
        return error;
    }
    match access::check(extensions, &access::on_bucket("s3:ListBucket", bucket)) {
        Ok(()) => error,
        Err(denied) => denied,
    }
}

/// Bytes of an open file: small ones at once, others as they are sent.
async fn content(mut file: File, span: Span<u64>) -> Result<StreamingBlob> {
    let length = span.end - span.start;
    let whole = length <= PIECE;
    let (file, bytes) = blocking(move || {
        file.seek(SeekFrom::Start(span.start)).map_err(from_io)?;
        let mut bytes = Vec::new();
        if whole {
            (&file).take(length).read_to_end(&mut bytes).map_err(from_io)?;
        }
        Ok((file, bytes))
    })
    .await?;
    if whole {
        return Ok(StreamingBlob::from(s3s::Body::from(Bytes::from(bytes))));
    }
    let file = tokio::io::AsyncReadExt::take(tokio::fs::File::from_std(file), length);
    let capacity = usize::try_from(PIECE).unwrap_or(usize::MAX);
    Ok(StreamingBlob::wrap(ReaderStream::with_capacity(file, capacity).fuse()))
}

/// Object versions are not kept: every object has the one version `null`.
pub(super) fn refuse_version(version: Option<&str>) -> Result<()> {
    match version {
        None | Some("null" | "") => Ok(()),
        Some(_) => Err(unsupported("object versions")),
    }
}

pub(super) fn timestamp(epoch_seconds: i64) -> Option<Timestamp> {
    let seconds = u64::try_from(epoch_seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds)).map(Timestamp::from)
}

fn content_type(object: &Object) -> String {
    object.description.attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())
}

fn wants_checksum(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

/// HTTP's times have no fractions, so neither may what they are compared with.
fn whole_seconds(object: &Object) -> Timestamp {
    let since = object.entry.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs()))
}

fn not_modified(object: &Object) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    if let Ok(etag) = object.etag().to_http_header() {
        error.set_headers([(http::header::ETAG, etag)].into_iter().collect());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_end_to_end() {
        assert_eq!(part_span(&[5, 3], 8, 1).unwrap(), 0..5);
        assert_eq!(part_span(&[5, 3], 8, 2).unwrap(), 5..8);
        assert_eq!(part_span(&[], 8, 1).unwrap(), 0..8);
        assert!(part_span(&[5, 3], 8, 3).is_err());
        assert!(part_span(&[5, 3], 8, 0).is_err());
    }
}
