//! What the tests of whole workflows stand on: a local cloud of their own, in its own process and folder, reached as any
//! AWS client reaches it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

mod cloud;
mod execution;
mod files;

pub use cloud::{Asked, Cloud, Deployment, Row, query, repository};
pub use execution::Execution;
pub use files::files;
