//! The contracts between the parts of the repository, read from its files: what a program can check of ARCHITECTURE.md's
//! invariants. Each test says in its failure which of the seven steps of CONTRIBUTING.md was forgotten.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

mod arrows;
mod definition;
mod documents;
mod environment;
mod names;
mod parameters;
mod repository;
mod rules;
mod text;
