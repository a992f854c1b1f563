//! Whether a caller's role may do what a request asks for: `s3s` calls this before it runs an operation.
//!
//! Sources: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html> (operations and
//! their actions), <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions> and
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html> (conditions).

use async_trait::async_trait;
use http::Extensions;
use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::{
    AbortMultipartUploadInput, CompleteMultipartUploadInput, CopyObjectInput, CopySource, CreateBucketInput,
    CreateMultipartUploadInput, DeleteBucketInput, DeleteObjectInput, GetBucketLocationInput, GetBucketVersioningInput,
    GetObjectInput, HeadBucketInput, HeadObjectInput, ListBucketsInput, ListMultipartUploadsInput, ListObjectsInput,
    ListObjectsV2Input, ListPartsInput, PutObjectInput, UploadPartCopyInput, UploadPartInput,
};
use s3s::{S3Error, S3ErrorCode, S3Request};

use super::error::{Result, refuse};
use crate::Caller;
use crate::iam::{Denied, Right};
use crate::server::unmapped_operation;

/// The operations whose rights are known: the ones below, and `DeleteObjects`, which is asked object by object.
const KNOWN: [&str; 21] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetBucketVersioning",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

/// Asks for each operation.
pub(super) struct RoleAccess;

/// Asks for one right on behalf of whoever sent the request.
pub(super) fn check(extensions: &Extensions, right: &Right) -> Result<()> {
    match extensions.get::<Caller>() {
        Some(caller) => caller.check(right).map_err(denied),
        None => Ok(()),
    }
}

fn denied(denied: Denied) -> S3Error {
    refuse(S3ErrorCode::AccessDenied, denied.message)
}

/// A right on a bucket.
pub(super) fn on_bucket(action: &str, bucket: &str) -> Right {
    Right::new(action, format!("arn:aws:s3:::{bucket}"))
}

/// A right on an object.
pub(super) fn on_object(action: &str, bucket: &str, key: &str) -> Right {
    Right::new(action, format!("arn:aws:s3:::{bucket}/{key}"))
}

/// A listing, with what can be said of it in a condition.
fn listing(action: &str, bucket: &str, said: [(&str, Option<String>); 3]) -> Right {
    let mut right = on_bucket(action, bucket);
    right.context.extend(said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    right
}

/// A version has an action of its own.
fn of_version(action: &str, version: Option<&String>) -> String {
    let version = version.filter(|version| !version.is_empty());
    version.map_or_else(|| action.to_owned(), |_| format!("{action}Version"))
}

fn check_source<T>(request: &S3Request<T>, source: &CopySource) -> Result<()> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            let version = version_id.as_deref().map(str::to_owned);
            check(&request.extensions, &on_object(&of_version("s3:GetObject", version.as_ref()), bucket, key))
        }
        // The operation refuses these, whoever asks.
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Ok(()),
    }
}

/// Asks for one action on the object that the request names.
macro_rules! check_object {
    ($request:expr, $action:expr) => {
        check(&$request.extensions, &on_object($action, &$request.input.bucket, &$request.input.key))
    };
}

/// Asks for one action on the bucket that the request names.
macro_rules! check_bucket {
    ($request:expr, $action:expr) => {
        check(&$request.extensions, &on_bucket($action, &$request.input.bucket))
    };
}

/// Asks for a write; a canned ACL is a right of its own.
macro_rules! check_write {
    ($request:expr) => {{
        if $request.input.acl.is_some() {
            check_object!($request, "s3:PutObjectAcl")?;
        }
        check_object!($request, "s3:PutObject")
    }};
}

#[async_trait]
impl S3Access for RoleAccess {
    /// Any credentials do; but what a role needs must be known.
    async fn check(&self, context: &mut S3AccessContext<'_>) -> Result<()> {
        let operation = context.s3_op().name().to_owned();
        let caller = context.extensions_mut().get::<Caller>();
        let is_role = caller.is_some_and(|caller| caller.session.is_some());
        if is_role && !KNOWN.contains(&operation.as_str()) {
            return Err(refuse(S3ErrorCode::AccessDenied, unmapped_operation(&format!("S3's {operation}"))));
        }
        Ok(())
    }

    async fn list_buckets(&self, request: &mut S3Request<ListBucketsInput>) -> Result<()> {
        check(&request.extensions, &Right::new("s3:ListAllMyBuckets", "*"))
    }

    async fn create_bucket(&self, request: &mut S3Request<CreateBucketInput>) -> Result<()> {
        check_bucket!(request, "s3:CreateBucket")
    }

    async fn delete_bucket(&self, request: &mut S3Request<DeleteBucketInput>) -> Result<()> {
        check_bucket!(request, "s3:DeleteBucket")
    }

    async fn head_bucket(&self, request: &mut S3Request<HeadBucketInput>) -> Result<()> {
        check_bucket!(request, "s3:ListBucket")
    }

    async fn get_bucket_location(&self, request: &mut S3Request<GetBucketLocationInput>) -> Result<()> {
        check_bucket!(request, "s3:GetBucketLocation")
    }

    async fn get_bucket_versioning(&self, request: &mut S3Request<GetBucketVersioningInput>) -> Result<()> {
        check_bucket!(request, "s3:GetBucketVersioning")
    }

    async fn list_objects(&self, request: &mut S3Request<ListObjectsInput>) -> Result<()> {
        let input = &request.input;
        let said = [
            ("s3:prefix", input.prefix.clone()),
            ("s3:delimiter", input.delimiter.clone()),
            ("s3:max-keys", input.max_keys.map(|keys| keys.to_string())),
        ];
        check(&request.extensions, &listing("s3:ListBucket", &input.bucket, said))
    }

    async fn list_objects_v2(&self, request: &mut S3Request<ListObjectsV2Input>) -> Result<()> {
        let input = &request.input;
        let said = [
            ("s3:prefix", input.prefix.clone()),
            ("s3:delimiter", input.delimiter.clone()),
            ("s3:max-keys", input.max_keys.map(|keys| keys.to_string())),
        ];
        check(&request.extensions, &listing("s3:ListBucket", &input.bucket, said))
    }

    async fn list_multipart_uploads(&self, request: &mut S3Request<ListMultipartUploadsInput>) -> Result<()> {
        check_bucket!(request, "s3:ListBucketMultipartUploads")
    }

    async fn get_object(&self, request: &mut S3Request<GetObjectInput>) -> Result<()> {
        check_object!(request, &of_version("s3:GetObject", request.input.version_id.as_ref()))
    }

    async fn head_object(&self, request: &mut S3Request<HeadObjectInput>) -> Result<()> {
        check_object!(request, &of_version("s3:GetObject", request.input.version_id.as_ref()))
    }

    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> Result<()> {
        check_write!(request)
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> Result<()> {
        check_source(request, &request.input.copy_source)?;
        check_write!(request)
    }

    async fn delete_object(&self, request: &mut S3Request<DeleteObjectInput>) -> Result<()> {
        check_object!(request, &of_version("s3:DeleteObject", request.input.version_id.as_ref()))
    }

    async fn create_multipart_upload(&self, request: &mut S3Request<CreateMultipartUploadInput>) -> Result<()> {
        check_write!(request)
    }

    async fn upload_part(&self, request: &mut S3Request<UploadPartInput>) -> Result<()> {
        check_object!(request, "s3:PutObject")
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> Result<()> {
        check_source(request, &request.input.copy_source)?;
        check_object!(request, "s3:PutObject")
    }

    async fn complete_multipart_upload(&self, request: &mut S3Request<CompleteMultipartUploadInput>) -> Result<()> {
        check_object!(request, "s3:PutObject")
    }

    async fn abort_multipart_upload(&self, request: &mut S3Request<AbortMultipartUploadInput>) -> Result<()> {
        check_object!(request, "s3:AbortMultipartUpload")
    }

    async fn list_parts(&self, request: &mut S3Request<ListPartsInput>) -> Result<()> {
        check_object!(request, "s3:ListMultipartUploadParts")
    }
}
