//! `PutObject`, `CopyObject`, `DeleteObject` and `DeleteObjects`.

use std::sync::Arc;

use local_engine::lake::S3Uri;
use s3s::dto::{
    ChecksumAlgorithm, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error, MetadataDirective,
    ObjectIdentifier, PutObjectInput, PutObjectOutput, Timestamp, TimestampFormat,
};
use s3s::{S3ErrorCode, S3Request};

use super::access;
use super::chunked::Trailers;
use super::digest::{Checksums, Digests, declared_checksums, set_checksums};
use super::error::{Result, blocking, from_io, refuse, unsupported};
use super::notify::Cause;
use super::read::{Preconditions, refuse_version};
use super::receive::{copy, receive};
use super::sidecar::{Attributes, Description};
use super::store::{Condition, Store};

/// Reads the object headers that three of S3's inputs share.
macro_rules! attributes {
    ($input:expr) => {
        $crate::s3::sidecar::Attributes {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            expires: $input.expires.as_ref().and_then($crate::s3::write::epoch_seconds),
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
        }
    };
}

/// Refuses what three of S3's inputs may ask for and this server would silently not do.
macro_rules! refuse_unsupported {
    ($input:expr) => {{
        let asked = [
            ($input.tagging.is_some(), "object tags"),
            ($input.sse_customer_algorithm.is_some(), "encryption with customer keys"),
            ($input.object_lock_mode.is_some() || $input.object_lock_legal_hold_status.is_some(), "object lock"),
            ($input.website_redirect_location.is_some(), "website redirects"),
        ];
        match asked.into_iter().find(|(asked, _)| *asked) {
            Some((_, feature)) => Err($crate::s3::error::unsupported(feature)),
            None => Ok(()),
        }
    }};
}

pub(super) use {attributes, refuse_unsupported};

pub(super) async fn put_object(store: Arc<Store>, request: S3Request<PutObjectInput>) -> Result<PutObjectOutput> {
    let trailers = request.extensions.get::<Trailers>().cloned();
    let mut input = request.input;
    refuse_unsupported!(input)?;
    if input.write_offset_bytes.is_some() {
        return Err(unsupported("appending to objects"));
    }
    let condition = Condition::new(input.if_match.take(), input.if_none_match.take())?;
    let attributes = attributes!(input);
    let declared = declared_checksums!(input);
    let digests =
        Digests::new(algorithms(&declared, input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str)))?;
    let uri = S3Uri::new(input.bucket, input.key);
    let staged = blocking({
        let store = Arc::clone(&store);
        move || store.stage(&uri)
    })
    .await?;
    let received = receive(input.body.take(), input.content_length, staged, digests).await?;
    declared.with_trailers(trailers.as_ref()).verify(&received.digested.checksums)?;
    received.digested.verify_md5(input.content_md5.as_deref())?;
    let description = Description {
        etag: received.digested.etag(),
        attributes,
        checksums: received.digested.checksums,
        part_sizes: Vec::new(),
    };
    let staged = received.target;
    let object = blocking(move || store.commit(staged, description, &condition, Cause::Put)).await?;
    let mut output = PutObjectOutput { e_tag: Some(object.etag()), ..PutObjectOutput::default() };
    set_checksums!(output, &object.description.checksums);
    output.checksum_type = object.description.checksums.kind.map(Into::into);
    Ok(output)
}

/// The algorithms that a client declares a checksum of, now or in the trailing headers.
pub(super) fn algorithms<'a>(declared: &'a Checksums, announced: Option<&'a str>) -> Vec<&'a str> {
    declared.present().map(|(name, _)| name).chain(announced).collect()
}

pub(super) async fn copy_object(store: Arc<Store>, input: CopyObjectInput) -> Result<CopyObjectOutput> {
    refuse_unsupported!(input)?;
    let preconditions = Preconditions {
        matches: input.copy_source_if_match.clone(),
        none_match: input.copy_source_if_none_match.clone(),
        modified_since: input.copy_source_if_modified_since.clone(),
        unmodified_since: input.copy_source_if_unmodified_since.clone(),
    };
    let source = source(&input.copy_source)?;
    let target = S3Uri::new(&*input.bucket, &*input.key);
    let replace = input.metadata_directive.as_ref().is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
    if source == target && !replace {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing \
                       the object's metadata";
        return Err(refuse(S3ErrorCode::InvalidRequest, message));
    }
    let replacement = replace.then(|| attributes!(input));
    let announced = input.checksum_algorithm.map(|name| name.as_str().to_owned());
    let copied =
        blocking(move || copy_now(&store, &source, &target, &preconditions, replacement, announced.as_deref())).await?;
    Ok(CopyObjectOutput { copy_object_result: Some(copied), ..CopyObjectOutput::default() })
}

fn copy_now(
    store: &Store,
    source: &S3Uri,
    target: &S3Uri,
    preconditions: &Preconditions,
    replacement: Option<Attributes>,
    announced: Option<&str>,
) -> Result<CopyObjectResult> {
    let (file, original) = store.open(source)?;
    as_copy(preconditions.check(&original))?;
    let kept: Vec<String> = original.description.checksums.present().map(|(name, _)| name.to_owned()).collect();
    let digests = Digests::new(announced.into_iter().chain(kept.iter().map(String::as_str)))?;
    let received = copy(file, original.entry.size, store.stage(target)?, digests).map_err(from_io)?;
    let description = Description {
        etag: received.digested.etag(),
        attributes: replacement.unwrap_or(original.description.attributes),
        checksums: received.digested.checksums,
        part_sizes: Vec::new(),
    };
    let object = store.commit(received.target, description, &Condition::Always, Cause::Copy)?;
    let mut result = CopyObjectResult {
        e_tag: Some(object.etag()),
        last_modified: Some(object.entry.modified.into()),
        ..CopyObjectResult::default()
    };
    set_checksums!(result, &object.description.checksums);
    result.checksum_type = object.description.checksums.kind.map(Into::into);
    Ok(result)
}

/// A copy has no body to leave out: what a read calls not modified, a copy calls a failed precondition.
pub(super) fn as_copy(checked: Result<()>) -> Result<()> {
    checked.map_err(|error| match error.code() {
        S3ErrorCode::NotModified => super::store::precondition_failed(),
        _ => error,
    })
}

/// Where a copy comes from.
pub(super) fn source(source: &CopySource) -> Result<S3Uri> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            refuse_version(version_id.as_deref())?;
            Ok(S3Uri::new(&**bucket, &**key))
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(unsupported("access points and outposts")),
    }
}

pub(super) async fn delete_object(store: Arc<Store>, input: DeleteObjectInput) -> Result<DeleteObjectOutput> {
    refuse_version(input.version_id.as_deref())?;
    let uri = S3Uri::new(input.bucket, input.key);
    blocking(move || store.delete(&uri, input.if_match.as_ref())).await?;
    Ok(DeleteObjectOutput::default())
}

/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
const MOST_DELETES: usize = 1000;

/// Each object is deleted, or refused, for itself.
pub(super) async fn delete_objects(
    store: Arc<Store>,
    request: S3Request<DeleteObjectsInput>,
) -> Result<DeleteObjectsOutput> {
    let (input, extensions) = (request.input, request.extensions);
    if input.delete.objects.len() > MOST_DELETES {
        return Err(refuse(
            S3ErrorCode::MalformedXML,
            format!("At most {MOST_DELETES} objects can be deleted at once"),
        ));
    }
    let quiet = input.delete.quiet.unwrap_or_default();
    let (deleted, errors) = blocking(move || {
        if !store.lake().bucket_exists(&input.bucket) {
            return Err(refuse(S3ErrorCode::NoSuchBucket, format!("the bucket {:?} does not exist", input.bucket)));
        }
        Ok(delete_each(&store, &input.bucket, input.delete.objects, &extensions))
    })
    .await?;
    Ok(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    })
}

fn delete_each(
    store: &Store,
    bucket: &str,
    objects: Vec<ObjectIdentifier>,
    extensions: &http::Extensions,
) -> (Vec<DeletedObject>, Vec<Error>) {
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    for object in objects {
        let uri = S3Uri::new(bucket, &*object.key);
        let allowed = access::check(extensions, &access::on_object("s3:DeleteObject", bucket, &object.key));
        let deletable = allowed.and_then(|()| refuse_version(object.version_id.as_deref()));
        match deletable.and_then(|()| store.delete(&uri, None)) {
            Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
                key: Some(object.key),
                version_id: object.version_id,
            }),
        }
    }
    (deleted, errors)
}

pub(super) fn epoch_seconds(time: &Timestamp) -> Option<i64> {
    let mut text = Vec::new();
    time.format(TimestampFormat::EpochSeconds, &mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    text.split('.').next()?.parse().ok()
}
