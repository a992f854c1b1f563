//! Buckets: a folder each.

use std::sync::Arc;

use s3s::dto::{
    Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput,
    GetBucketLocationOutput, GetBucketVersioningOutput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner,
};
use s3s::{S3ErrorCode, S3Request};

use super::error::{Result, blocking, from_lake, refuse};
use super::store::Store;

/// The region that has no name as a location constraint.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>
const UNNAMED_REGION: &str = "us-east-1";

/// The account that everything local belongs to.
pub(super) fn owner() -> Owner {
    Owner { display_name: Some("local".to_owned()), id: Some("0".repeat(64)) }
}

pub(super) async fn create(store: Arc<Store>, input: CreateBucketInput) -> Result<CreateBucketOutput> {
    let bucket = input.bucket.clone();
    let created = blocking(move || store.lake().create_bucket(&bucket).map_err(from_lake)).await?;
    if !created {
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(refuse(S3ErrorCode::BucketAlreadyOwnedByYou, message));
    }
    Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
}

pub(super) fn require(store: &Store, bucket: &str) -> Result<()> {
    if store.lake().bucket_exists(bucket) {
        return Ok(());
    }
    Err(refuse(S3ErrorCode::NoSuchBucket, format!("the bucket {bucket:?} does not exist")))
}

pub(super) fn head(region: &str) -> HeadBucketOutput {
    HeadBucketOutput { bucket_region: Some(region.to_owned()), ..HeadBucketOutput::default() }
}

pub(super) fn location(region: &str) -> GetBucketLocationOutput {
    let constraint = (region != UNNAMED_REGION).then(|| BucketLocationConstraint::from(region.to_owned()));
    GetBucketLocationOutput { location_constraint: constraint }
}

/// As the template deploys its buckets; the local lake keeps the current version of each object only.
pub(super) fn versioning() -> GetBucketVersioningOutput {
    let status = BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED);
    GetBucketVersioningOutput { status: Some(status), ..GetBucketVersioningOutput::default() }
}

pub(super) async fn list(
    store: Arc<Store>,
    region: &str,
    request: S3Request<ListBucketsInput>,
) -> Result<ListBucketsOutput> {
    let prefix = request.input.prefix;
    let buckets = blocking(move || store.lake().buckets().map_err(from_lake)).await?;
    let wanted = buckets.into_iter().filter(|bucket| bucket.name.starts_with(prefix.as_deref().unwrap_or_default()));
    let buckets = wanted
        .map(|bucket| Bucket {
            name: Some(bucket.name),
            creation_date: Some(bucket.created.into()),
            bucket_region: Some(region.to_owned()),
        })
        .collect();
    Ok(ListBucketsOutput { buckets: Some(buckets), owner: Some(owner()), ..ListBucketsOutput::default() })
}
