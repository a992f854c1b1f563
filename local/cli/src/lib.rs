//! The `pageviews` command and what it is made of.
//!
//! - [`template`]: `template.yaml` to what is to be deployed, typed.
//! - [`generate`]: deterministic data of any size.
//! - [`raw_zone`]: the layout that data is loaded in.
//! - [`load`]: a folder in that layout, checked and uploaded.
//! - [`rows`], [`recompute`]: the pipeline's output, recomputed from raw without the engine.
//! - [`clients`]: the AWS SDK's clients for one endpoint.
//! - [`console`], [`error`]: what a person is told.

pub mod clients;
pub mod console;
pub mod error;
pub mod generate;
pub mod load;
pub mod raw_zone;
pub mod recompute;
pub mod rows;
pub mod template;

pub use error::{Error, Result};
