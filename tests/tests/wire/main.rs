//! The local cloud's wire, driven by the real AWS SDK.

mod glue;
mod s3;
mod served;
