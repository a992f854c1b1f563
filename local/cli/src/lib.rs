//! The `pageviews` command and what it is made of.
//!
//! - [`commands`]: the command line, one file a command.
//! - [`session`]: a command's cloud: its own, or a running one; [`clients`]: the AWS SDK's clients for it; [`wire`]:
//!   what they have no operation for.
//! - [`cloud`]: the composition root: all services in one process, with the template deployed.
//! - [`template`]: `template.yaml` to what is to be deployed, typed.
//! - [`generate`]: deterministic data of any size.
//! - [`raw_zone`]: the layout that data is loaded in; [`load`]: a folder in that layout, checked.
//! - [`inbox`]: plain files on their way into the lake's inbox.
//! - [`loads`]: what the pipeline writes down of each of them.
//! - [`records`]: what each run writes down of itself.
//! - [`rows`], [`recompute`]: the pipeline's output, recomputed from raw without the engine.
//! - [`history`]: an execution's events as what each state did.
//! - [`console`], [`error`]: what a person is told.

pub mod clients;
pub mod cloud;
pub mod commands;
pub mod console;
pub mod error;
pub mod generate;
pub mod history;
pub mod inbox;
pub mod load;
pub mod loads;
pub mod raw_zone;
pub mod recompute;
pub mod records;
pub mod rows;
pub mod session;
pub mod template;
pub mod wire;

pub use error::{Error, Result};
