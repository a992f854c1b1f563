//! What Athena needs of its caller beyond the single thing that the engine does at that moment: documented needs, and
//! what the open parts of Athena are known to call. In one place, so that a policy can be read against it.
//!
//! Sources:
//!
//! - \[glue\] <https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html>: the actions of each
//!   DDL statement, and that each is needed on the catalog, the database and the table.
//! - \[msck\] <https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html> and
//!   <https://repost.aws/knowledge-center/athena-aws-glue-msck-repair-table>
//! - \[s3\] <https://repost.aws/knowledge-center/access-denied-athena>: source data and results;
//!   <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonAthenaFullAccess.html>: the same for results.
//! - \[head\] <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>: without `s3:ListBucket` a missing
//!   object is a 403, not a 404.
//! - \[multipart\] <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>
//! - \[vacuum\] <https://docs.aws.amazon.com/athena/latest/ug/vacuum-statement.html>: what VACUUM removes, it removes with the
//!   caller's rights. DELETE, UPDATE, MERGE and OPTIMIZE read as a SELECT does and write as an INSERT does.
//! - \[trino\] <https://github.com/trinodb/trino>, `GlueHiveMetastore`: a partitioned table's partitions are found by
//!   `GetPartitions` and fetched by `BatchGetPartition`.
//! - \[hive\] <https://github.com/awslabs/aws-glue-data-catalog-client-for-apache-hive-metastore>: partitions are added by
//!   `BatchCreatePartition` alone, and a new table's location is looked for in S3.

/// Athena looks for this database whatever the statement \[glue\]; with [`FIND_DATABASE`].
pub(crate) const DEFAULT_DATABASE: &str = "default";
/// Of a database \[glue\].
pub(crate) const FIND_DATABASE: &[&str] = &["glue:GetDatabase"];
/// `CREATE DATABASE` \[glue\].
pub(crate) const CREATE_DATABASE: &[&str] = &["glue:GetDatabase", "glue:CreateDatabase"];
/// `DROP DATABASE`, of the database \[glue\].
pub(crate) const DROP_DATABASE: &[&str] = &["glue:GetDatabase", "glue:DeleteDatabase"];
/// `DROP DATABASE`, of all its tables \[glue\].
pub(crate) const DROP_TABLES: &[&str] = &["glue:GetTables", "glue:GetTable", "glue:DeleteTable"];
/// Any statement that names a table \[glue\].
pub(crate) const FIND_TABLE: &[&str] = &["glue:GetDatabase", "glue:GetTable"];
/// `SHOW TABLES` \[glue\].
pub(crate) const FIND_TABLES: &[&str] = &["glue:GetDatabase", "glue:GetTables"];
/// `CREATE TABLE`, `CREATE VIEW` and CTAS \[glue\].
pub(crate) const CREATE_TABLE: &[&str] = &["glue:GetDatabase", "glue:GetTable", "glue:CreateTable"];
/// `DROP TABLE` of a partitioned table, besides what any other needs \[glue\].
pub(crate) const DROP_PARTITIONS: &[&str] = &["glue:GetPartitions", "glue:GetPartition", "glue:DeletePartition"];
/// A query of a partitioned table \[trino\].
pub(crate) const READ_PARTITIONS: &[&str] = &["glue:GetPartitions", "glue:BatchGetPartition"];
/// `MSCK REPAIR TABLE` and `ALTER TABLE … ADD PARTITION`, where there is something to add \[msck\] \[hive\].
pub(crate) const ADD_PARTITIONS: &[&str] = &["glue:BatchCreatePartition"];

/// Every object that a statement writes, its result included: it may be written in parts \[s3\] \[multipart\].
pub(crate) const WRITE_OBJECT: &[&str] = &["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
/// Each object that `DROP TABLE` or `VACUUM` removes \[s3\] \[vacuum\].
pub(crate) const REMOVE_OBJECT: &str = "s3:DeleteObject";
/// Where a table's files are looked for, or a new table shall be: of the bucket, for that prefix \[s3\] \[head\] \[hive\].
pub(crate) const LOOK_INTO_LOCATION: &str = "s3:ListBucket";
/// A new Iceberg metadata file: Iceberg makes sure that there is none of that name \[head\].
pub(crate) const LOOK_FOR_OBJECT: &str = "s3:GetObject";
/// Before a statement whose result is kept: of the bucket \[s3\]. Its prefix is listed too, [`LOOK_INTO_LOCATION`].
pub(crate) const FIND_RESULTS_BUCKET: &str = "s3:GetBucketLocation";
