//! `CompleteMultipartUpload`: the parts become one object in one step.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local_engine::lake::S3Uri;
use s3s::S3ErrorCode;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, ETag};

use super::super::bucket;
use super::super::digest::{Checksums, Digests, declared_checksums, set_checksums};
use super::super::error::{Result, blocking, from_io, refuse};
use super::super::notify::Cause;
use super::super::receive::copy_part;
use super::super::sidecar::Description;
use super::super::store::{Condition, Object, Store};
use super::staging::{Part, Upload};
use crate::hex::hex;

/// Only the last part may be smaller, in bytes.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const SMALLEST_PART: u64 = 5 << 20;

pub(in crate::s3) async fn complete(
    store: Arc<Store>,
    input: CompleteMultipartUploadInput,
) -> Result<CompleteMultipartUploadOutput> {
    let condition = Condition::new(input.if_match, input.if_none_match)?;
    let declared = declared_checksums!(input);
    let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let uri = S3Uri::new(&*input.bucket, &*input.key);
    let size = input.mpu_object_size;
    let object = blocking(move || {
        bucket::require(&store, &uri.bucket)?;
        let upload = Upload::load(store.uploads(), &input.upload_id, &uri)?;
        let parts = choose(&upload.parts(store.uploads())?, &listed)?;
        check_size(&parts, size)?;
        let object = join(&store, &upload, &parts, &declared, &condition)?;
        upload.remove(store.uploads())?;
        Ok(object)
    })
    .await?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(object.etag()),
        ..CompleteMultipartUploadOutput::default()
    };
    set_checksums!(output, &object.description.checksums);
    output.checksum_type = object.description.checksums.kind.map(Into::into);
    Ok(output)
}

/// The parts that the client lists, as they came in.
///
/// # Errors
/// `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `MalformedXML` for an empty list.
fn choose(present: &[Part], listed: &[CompletedPart]) -> Result<Vec<Part>> {
    let mut chosen: Vec<Part> = Vec::with_capacity(listed.len());
    for wanted in listed {
        let number = wanted.part_number.unwrap_or_default();
        if chosen.last().is_some_and(|last| last.number >= number) {
            return Err(refuse(S3ErrorCode::InvalidPartOrder, "The list of parts was not in ascending order"));
        }
        let found = present.iter().find(|part| part.number == number);
        let part = found.filter(|part| matches(part, wanted)).ok_or_else(|| {
            let message =
                format!("Part {number} was not uploaded, or its ETag or checksum is not the one that is listed");
            refuse(S3ErrorCode::InvalidPart, message)
        })?;
        chosen.push(part.clone());
    }
    match chosen.split_last() {
        None => Err(refuse(S3ErrorCode::MalformedXML, "You must specify at least one part")),
        Some((_, but_last)) if but_last.iter().any(|part| part.size < SMALLEST_PART) => {
            Err(refuse(S3ErrorCode::EntityTooSmall, "A part that is not the last is smaller than 5 MiB"))
        }
        Some(_) => Ok(chosen),
    }
}

fn matches(part: &Part, wanted: &CompletedPart) -> bool {
    let same_etag = wanted.e_tag.as_ref().map(ETag::value) == Some(part.etag().value());
    same_etag && declared_checksums!(wanted).verify(&part.checksums).is_ok()
}

fn check_size(parts: &[Part], expected: Option<i64>) -> Result<()> {
    let size: u64 = parts.iter().map(|part| part.size).sum();
    match expected.map(u64::try_from) {
        Some(expected) if expected != Ok(size) => {
            let message = format!("The parts have {size} bytes, which is not the object size you specified");
            Err(refuse(S3ErrorCode::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

fn join(store: &Store, upload: &Upload, parts: &[Part], declared: &Checksums, condition: &Condition) -> Result<Object> {
    let folder = upload.folder(store.uploads());
    let mut staged = store.stage(&upload.uri())?;
    let checksums = match &upload.algorithm {
        Some(algorithm) if upload.kind.as_deref() == Some("FULL_OBJECT") => {
            let mut digests = Digests::new([&**algorithm])?;
            for part in parts {
                let file = part.open(&folder).map_err(from_io)?;
                copy_part(file, part.size, &mut staged, &mut digests).map_err(from_io)?;
            }
            digests.finish().checksums
        }
        algorithm => {
            for part in parts {
                let file = part.open(&folder).map_err(from_io)?;
                staged.append(&file, part.size).map_err(from_io)?;
            }
            algorithm.as_ref().map(|algorithm| composite_checksum(algorithm, parts)).transpose()?.unwrap_or_default()
        }
    };
    // A client that declares another algorithm than it chose at the start is not told more than S3 knows.
    if checksums.present().next().is_some() {
        declared.verify(&checksums)?;
    }
    let description = Description {
        etag: etag(parts),
        attributes: upload.attributes.clone(),
        checksums,
        part_sizes: parts.iter().map(|part| part.size).collect(),
    };
    store.commit(staged, description, condition, Cause::CompleteMultipartUpload)
}

/// MD5 over the parts' MD5s, and how many there are.
fn etag(parts: &[Part]) -> String {
    let md5s: Vec<u8> = parts.iter().flat_map(|part| part.md5).collect();
    format!("{}-{}", hex(&Md5::checksum(&md5s)), parts.len())
}

/// A checksum over the parts' checksums, and how many there are.
fn composite_checksum(algorithm: &str, parts: &[Part]) -> Result<Checksums> {
    let mut digests = Digests::new([algorithm])?;
    for part in parts {
        let value = part.checksums.present().find(|(name, _)| *name == algorithm).map(|(_, value)| value);
        let bytes = value.and_then(|value| STANDARD.decode(value).ok()).ok_or_else(|| {
            refuse(S3ErrorCode::InvalidPart, format!("Part {} has no {algorithm} checksum", part.number))
        })?;
        digests.update(&bytes);
    }
    let mut checksums = digests.finish().checksums;
    if let Some(Some(value)) = checksums.slot(algorithm) {
        *value = format!("{value}-{}", parts.len());
    }
    checksums.kind = Some("COMPOSITE".to_owned());
    Ok(checksums)
}
