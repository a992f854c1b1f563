//! The wire: AWS's own protocols in front of the local lake, engine, functions and state machines.
//!
//! - [`server`]: one port; tells by path and `X-Amz-Target` which service a request is for.
//! - [`error`]: [`WireError`], an error as AWS's JSON protocols carry it.
//! - [`athena`]: queries, run in the background by the engine, and durable.
//! - [`events`]: EventBridge rules, and what SNS would have sent.
//! - [`faults`]: what goes wrong, call by call, when somebody plans that.
//! - [`glue`]: the data catalog.
//! - [`iam`]: whether a role may do what its function asks for; every service asks it.
//! - [`lambda`]: functions as child processes that speak the Lambda Runtime API.
//! - [`s3`]: objects, by the crate `s3s`, over the lake's folders.
//! - [`sqs`]: queues, whose messages wait to be received.
//! - [`states`]: Step Functions, over `local-asl`.
//!
//! A service module never imports another one: `local/cli` composes them. A request that a service does not know gets
//! an error that names it, never an empty success.

pub mod athena;
pub mod error;
pub mod events;
pub mod faults;
pub mod glue;
mod hex;
pub mod iam;
pub mod lambda;
pub mod s3;
pub mod server;
mod sqlite;
pub mod sqs;
pub mod states;

pub use error::WireError;
pub use server::{Caller, HttpService, JsonService, Services, kill_this_process, serve};
