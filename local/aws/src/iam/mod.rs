//! IAM: whether a role may do what its function asks for. Pure, but for the record of what was asked.
//!
//! - [`policy`]: a policy document, read strictly: what is not understood is an error, never an allowance.
//! - [`pattern`], [`condition`]: wildcards, and the `Condition` element.
//! - [`decision`]: Allow, Deny and everything else: explicit denials win, silence denies.
//!
//! Identity-based policies alone decide here: bucket, key and queue policies, permission boundaries and organisations'
//! policies are not evaluated.

pub mod condition;
pub mod decision;
mod pattern;
pub mod policy;

pub use condition::Context;
pub use decision::{Decision, decide};
pub use policy::{Policy, PolicyError};

#[cfg(test)]
mod tests;
