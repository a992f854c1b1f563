//! Least privilege: the roles of the template allow what the pipeline asks for and nothing else, and a right that is taken
//! away is missed by name.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

mod atoms;
mod callers;
mod inbox;
mod proof;
mod taken_away;
mod way_out;
