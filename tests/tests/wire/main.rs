//! The local cloud's wire, driven by the real AWS SDK.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod athena;
mod glue;
mod s3;
mod served;
