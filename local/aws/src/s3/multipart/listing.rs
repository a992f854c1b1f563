//! `ListParts` and `ListMultipartUploads`.

use std::sync::Arc;

use local_engine::lake::S3Uri;
use s3s::dto::{
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload,
    Part as ListedPart, StorageClass,
};

use super::super::bucket;
use super::super::digest::set_checksums;
use super::super::error::{Result, blocking, unsupported};
use super::super::store::Store;
use super::staging::Upload;

/// S3 answers at most this many parts or uploads at once.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const LONGEST_PAGE: i32 = 1000;

pub(in crate::s3) async fn list_parts(store: Arc<Store>, input: ListPartsInput) -> Result<ListPartsOutput> {
    let uri = S3Uri::new(&*input.bucket, &*input.key);
    let id = input.upload_id.clone();
    let (upload, parts) = blocking(move || {
        bucket::require(&store, &uri.bucket)?;
        let upload = Upload::load(store.uploads(), &id, &uri)?;
        let parts = upload.parts(store.uploads())?;
        Ok((upload, parts))
    })
    .await?;
    let limit = page_length(input.max_parts);
    let after = input.part_number_marker.unwrap_or_default();
    let mut left: Vec<_> = parts.into_iter().filter(|part| part.number > after).collect();
    let truncated = left.len() > limit;
    left.truncate(limit);
    let next = left.last().map(|part| part.number).filter(|_| truncated);
    let listed = left.into_iter().map(|part| {
        let mut listed = ListedPart {
            e_tag: Some(part.etag()),
            last_modified: Some(part.received.into()),
            part_number: Some(part.number),
            size: i64::try_from(part.size).ok(),
            ..ListedPart::default()
        };
        set_checksums!(listed, &part.checksums);
        listed
    });
    Ok(ListPartsOutput {
        parts: Some(listed.collect()),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        is_truncated: Some(truncated),
        max_parts: i32::try_from(limit).ok(),
        next_part_number_marker: next,
        part_number_marker: input.part_number_marker,
        checksum_algorithm: upload.algorithm.map(Into::into),
        checksum_type: upload.kind.map(Into::into),
        owner: Some(bucket::owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    })
}

pub(in crate::s3) async fn list_uploads(
    store: Arc<Store>,
    input: ListMultipartUploadsInput,
) -> Result<ListMultipartUploadsOutput> {
    if input.delimiter.is_some() || input.encoding_type.is_some_and(|encoding| encoding.as_str() != "url") {
        return Err(unsupported("ListMultipartUploads with a delimiter"));
    }
    let bucket_name = input.bucket.clone();
    let mut uploads = blocking(move || {
        bucket::require(&store, &bucket_name)?;
        Upload::all(store.uploads())
    })
    .await?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let marker = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone().unwrap_or_default());
    // Without an upload id, the marker excludes every upload of its key.
    let after = |upload: &Upload| match (&*marker.0, &*marker.1) {
        (key, "") => *upload.key > *key,
        (key, id) => (&*upload.key, &*upload.id) > (key, id),
    };
    uploads.retain(|upload| upload.bucket == input.bucket && upload.key.starts_with(&prefix) && after(upload));
    uploads.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
    let limit = page_length(input.max_uploads);
    let truncated = uploads.len() > limit;
    uploads.truncate(limit);
    let next = uploads.last().filter(|_| truncated).map(|upload| (upload.key.clone(), upload.id.clone()));
    Ok(ListMultipartUploadsOutput {
        uploads: Some(uploads.into_iter().map(listed).collect()),
        bucket: Some(input.bucket),
        prefix: input.prefix,
        is_truncated: Some(truncated),
        max_uploads: i32::try_from(limit).ok(),
        key_marker: input.key_marker,
        upload_id_marker: input.upload_id_marker,
        next_key_marker: next.as_ref().map(|(key, _)| key.clone()),
        next_upload_id_marker: next.map(|(_, id)| id),
        ..ListMultipartUploadsOutput::default()
    })
}

fn listed(upload: Upload) -> MultipartUpload {
    MultipartUpload {
        key: Some(upload.key),
        upload_id: Some(upload.id),
        initiated: Some(upload.initiated.into()),
        owner: Some(bucket::owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: upload.algorithm.map(Into::into),
        checksum_type: upload.kind.map(Into::into),
        ..MultipartUpload::default()
    }
}

fn page_length(asked: Option<i32>) -> usize {
    let asked = asked.filter(|asked| *asked > 0).unwrap_or(LONGEST_PAGE);
    usize::try_from(asked.min(LONGEST_PAGE)).unwrap_or_default()
}
