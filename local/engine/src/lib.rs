//! The local Athena: SQL over CSV files and Iceberg tables in a folder that looks like S3.
//!
//! In the order in which a statement meets them:
//!
//! - [`engine`]: [`Engine`], the one entry; prepares and executes statements.
//! - [`statement`]: what kind of statement it is; Hive DDL and utility statements, one file each.
//! - [`trino`]: the query dialect: parsing, Trino's typing rules, functions, type names and value formats.
//! - [`catalog`]: databases, tables and partitions in Glue's own shapes, durable.
//! - [`csv`]: Hive tables over CSV text, read in parallel with statistics.
//! - [`iceberg`]: Iceberg tables: create, scan, write, commit, purge.
//! - [`lake`]: `s3://bucket/key` over plain folders.
//! - [`access`]: whom the catalog and the lake ask when they act for a caller.
//! - [`error`]: what can go wrong, under Athena's names.
//!
//! This crate alone knows arrow, datafusion and iceberg; none of their types leave it.

pub mod access;
pub mod catalog;
pub mod csv;
pub mod engine;
pub mod error;
pub mod iceberg;
pub mod lake;
pub mod statement;
pub mod trino;

pub use access::{Access, AccessDenied, Resource};
pub use engine::{Column, Engine, EngineConfig, Prepared, QueryOutput, Row, ScanMeter, StatementType};
pub use error::{AthenaErrorInfo, Error, ErrorCategory, Result};
