//! Athena's query dialect, which is Trino's SQL, on DataFusion.
//!
//! In the order in which a query meets them:
//!
//! - [`parse`]: text to syntax tree, through [`tokens`], with Trino's words for syntax errors.
//! - [`rewrite`], [`expressions`], [`calls`]: the tree in the words that the planner knows; refusals by name.
//! - [`travel`]: which state of a table is meant.
//! - [`plan`]: the tree to a checked plan, by [`planner`] (operators, type names), [`unnest`] and [`typing`] (Trino's
//!   rules, `CAST`, `TRY`, [`single`]-valued subqueries); [`coercion`] says which types fit together.
//! - [`functions`], [`aggregates`]: what can be called; each [`function`] has Trino's [`signature`]s.
//! - [`format`], [`types`]: values and type names as Athena writes them.
//! - [`error`]: DataFusion's errors under Trino's names.
//!
//! What differs from Athena is listed in `local/SUPPORT.md`.

#![allow(clippy::match_same_arms, reason = "Trino's rules read best as a table, one rule a line")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "arrow's offsets are never negative, a column's length fits a bigint; what can overflow is checked"
)]

mod aggregates;
mod arithmetic;
mod attempt;
mod calls;
mod casts;
mod coercion;
mod conditional;
mod error;
mod expressions;
mod format;
mod function;
mod functions;
mod json_casts;
mod parse;
mod plan;
mod planner;
mod rewrite;
mod session;
mod signature;
mod single;
mod text;
mod tokens;
mod travel;
pub mod types;
mod typing;
mod unnest;
mod zone;

#[cfg(test)]
mod tests;

pub use error::error;
pub use format::format_rows;
pub use parse::parse;
pub use plan::{Planned, assigned, for_insert, for_new_table, plan};
pub use session::{session_config, session_state};
pub use travel::AsOf;

/// The result columns that Athena reports for a query's schema.
pub fn columns(schema: &arrow::datatypes::SchemaRef) -> Vec<crate::Column> {
    types::columns(schema)
}
