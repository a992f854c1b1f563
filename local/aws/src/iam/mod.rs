//! IAM: whether a role may do what its function asks for.
//!
//! - [`policy`]: a policy document, read strictly: what is not understood is an error, never an allowance.
//! - [`pattern`], [`condition`]: wildcards, and the `Condition` element.
//! - [`decision`]: Allow, Deny and everything else: explicit denials win, silence denies.
//! - [`authority`]: which roles there are, and whose access key acts as which.
//! - [`session`]: somebody acting as a role: asks before each thing; [`engine`] asks for its queries.
//! - [`log`]: what was asked, once each.
//!
//! Identity-based policies alone decide here: bucket, key and queue policies, permission boundaries and organisations'
//! policies are not evaluated. What a request needs is each service's own knowledge: `rights.rs` beside it.

pub mod authority;
pub mod condition;
pub mod decision;
mod engine;
mod log;
mod pattern;
pub mod policy;
pub mod session;

pub use authority::{Authority, RoleSpec};
pub use condition::Context;
pub use decision::{Decision, decide};
pub use pattern::fits_arn;
pub use policy::{Policy, PolicyError};
pub use session::{Denied, Place, Right, Session};

#[cfg(test)]
mod tests;
