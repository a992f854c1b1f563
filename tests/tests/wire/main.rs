//! The local cloud's wire, driven by the real AWS SDK.

mod athena;
mod glue;
mod s3;
mod served;
