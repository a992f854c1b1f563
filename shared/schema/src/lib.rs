//! What a CSV file says of itself: its rows, its header, its types.
//!
//! A leaf: no input, no output, no clock, nothing of AWS. The function `extract-load` and the command
//! `pageviews discover` both stand on it, so that what the command shows is what the function will do.

mod ddl;
mod header;
mod inference;
mod rows;
mod timestamp;

pub use ddl::create_table;
pub use header::{Header, HeaderProblem, is_column_name};
pub use inference::{Column, Inference, Kind};
pub use rows::{BROKEN_TEXT, Fault, Field, MAX_FIELD, MAX_ROW, OpenQuote, Reader, Row, Visit};
pub use timestamp::Timestamp;
