//! Hive tables over CSV text: what Athena reads with OpenCSVSerDe and LazySimpleSerDe.
//!
//! In the order in which a query meets them:
//!
//! - [`table`]: [`CsvTable`], what the query planner sees: schema, partition filters, statistics.
//! - [`format`]: separator, quote, header and the like, from the catalog's SerDe.
//! - [`partitions`]: partition values, and which partitions a filter leaves.
//! - [`files`]: the files of those partitions, cut into ranges of whole lines.
//! - [`scan`]: the execution plan, with statistics ([`estimate`]); it takes in what projections compute per partition.
//! - [`stream`]: takes ranges from one queue, so that no stream idles while another has work.
//! - [`chunks`]: a range as blocks of whole lines, decompressed.
//! - [`split`]: lines into field positions; plain text takes a short way, quotes and escapes a long one.
//! - [`values`]: field positions into typed columns.
//! - [`check`]: is this file fit to be loaded? For the `load` command; no query needs it.
//!
//! Text is split into lines before anything else: Athena's SerDes know no line break inside quotes, which is also what
//! lets a file be cut anywhere.

mod check;
mod chunks;
mod estimate;
mod field_type;
mod files;
mod format;
mod partitions;
mod scan;
mod split;
mod stream;
mod table;
mod values;

pub use check::{Checked, CsvProblem, check, check_file};
pub use table::CsvTable;

#[cfg(test)]
mod tests;
