//! Multipart uploads: parts wait in `s3-meta/uploads/<id>/`, outside the buckets, until the upload is completed.

use std::sync::Arc;

use local_engine::lake::S3Uri;
use s3s::S3Request;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, Range, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3ErrorCode};

use super::bucket;
use super::chunked::Trailers;
use super::digest::{Digests, declared_checksums, set_checksums};
use super::error::{Result, blocking, from_io, refuse};
use super::read::Preconditions;
use super::receive::{copy, receive};
use super::store::Store;
use super::write::{algorithms, as_copy, attributes, refuse_unsupported, source};

mod complete;
mod listing;
mod staging;

pub(super) use complete::complete;
pub(super) use listing::{list_parts, list_uploads};
use staging::{PartFile, Upload};

/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MOST_PARTS: i32 = 10_000;

pub(super) async fn create(
    store: Arc<Store>,
    input: CreateMultipartUploadInput,
) -> Result<CreateMultipartUploadOutput> {
    refuse_unsupported!(input)?;
    let algorithm = input.checksum_algorithm.clone();
    let kind =
        input.checksum_type.clone().or_else(|| algorithm.as_ref().map(|name| default_kind(name.as_str()).into()));
    let upload = Upload::new(
        S3Uri::new(&*input.bucket, &*input.key),
        attributes!(input),
        algorithm.as_ref().map(|name| name.as_str().to_owned()),
        kind.as_ref().map(|kind| kind.as_str().to_owned()),
    );
    let upload_id = upload.id.clone();
    blocking(move || {
        bucket::require(&store, &upload.bucket)?;
        store.lake().path(&upload.uri()).map_err(super::error::from_lake)?;
        upload.save(store.uploads())
    })
    .await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload_id),
        checksum_algorithm: algorithm,
        checksum_type: kind,
        ..CreateMultipartUploadOutput::default()
    })
}

/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>
fn default_kind(algorithm: &str) -> String {
    let kind = if algorithm == "CRC64NVME" { "FULL_OBJECT" } else { "COMPOSITE" };
    kind.to_owned()
}

pub(super) async fn upload_part(store: Arc<Store>, request: S3Request<UploadPartInput>) -> Result<UploadPartOutput> {
    let trailers = request.extensions.get::<Trailers>().cloned();
    let mut input = request.input;
    check_part_number(input.part_number)?;
    let declared = declared_checksums!(input);
    let upload = find(&store, &input.upload_id, S3Uri::new(input.bucket, input.key)).await?;
    let announced = input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str).or(upload.algorithm.as_deref());
    let digests = Digests::new(algorithms(&declared, announced))?;
    let file = blocking({
        let (store, upload) = (Arc::clone(&store), upload.clone());
        move || PartFile::create(&upload.folder(store.uploads()))
    })
    .await?;
    let received = receive(input.body.take(), input.content_length, file, digests).await?;
    declared.with_trailers(trailers.as_ref()).verify(&received.digested.checksums)?;
    received.digested.verify_md5(input.content_md5.as_deref())?;
    let part = blocking(move || received.target.keep(input.part_number, received.size, received.digested)).await?;
    let mut output = UploadPartOutput { e_tag: Some(part.etag()), ..UploadPartOutput::default() };
    set_checksums!(output, &part.checksums);
    Ok(output)
}

pub(super) async fn upload_part_copy(store: Arc<Store>, input: UploadPartCopyInput) -> Result<UploadPartCopyOutput> {
    check_part_number(input.part_number)?;
    let upload = find(&store, &input.upload_id, S3Uri::new(&*input.bucket, &*input.key)).await?;
    let preconditions = Preconditions {
        matches: input.copy_source_if_match.clone(),
        none_match: input.copy_source_if_none_match.clone(),
        modified_since: input.copy_source_if_modified_since.clone(),
        unmodified_since: input.copy_source_if_unmodified_since.clone(),
    };
    let source = source(&input.copy_source)?;
    let range = input.copy_source_range.as_deref().map(Range::parse).transpose();
    let range = range.map_err(|error| refuse(S3ErrorCode::InvalidArgument, error.to_string()))?;
    let part = blocking(move || {
        let (mut file, object) = store.open(&source)?;
        as_copy(preconditions.check(&object))?;
        let whole = 0..object.entry.size;
        let span = range.map_or(Ok(whole), |range| range.check(object.entry.size).map_err(S3Error::from))?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(span.start)).map_err(from_io)?;
        let target = PartFile::create(&upload.folder(store.uploads()))?;
        let digests = Digests::new(upload.algorithm.as_deref())?;
        let copied = copy(file, span.end - span.start, target, digests).map_err(from_io)?;
        copied.target.keep(input.part_number, copied.size, copied.digested)
    })
    .await?;
    let mut result = CopyPartResult {
        e_tag: Some(part.etag()),
        last_modified: Some(std::time::SystemTime::now().into()),
        ..CopyPartResult::default()
    };
    set_checksums!(result, &part.checksums);
    Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}

pub(super) async fn abort(store: Arc<Store>, input: AbortMultipartUploadInput) -> Result<AbortMultipartUploadOutput> {
    let upload = find(&store, &input.upload_id, S3Uri::new(input.bucket, input.key)).await?;
    blocking(move || upload.remove(store.uploads())).await?;
    Ok(AbortMultipartUploadOutput::default())
}

async fn find(store: &Arc<Store>, id: &str, uri: S3Uri) -> Result<Upload> {
    let (store, id) = (Arc::clone(store), id.to_owned());
    blocking(move || {
        bucket::require(&store, &uri.bucket)?;
        Upload::load(store.uploads(), &id, &uri)
    })
    .await
}

fn check_part_number(number: i32) -> Result<()> {
    if (1..=MOST_PARTS).contains(&number) {
        return Ok(());
    }
    let message = format!("Part number must be an integer between 1 and {MOST_PARTS}, inclusive");
    Err(refuse(S3ErrorCode::InvalidArgument, message))
}
