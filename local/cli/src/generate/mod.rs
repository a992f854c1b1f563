//! Deterministic page views and customers of any size, laid out as the raw zone, or as plain files for the inbox.
//!
//! A [`Dataset`] is fully described by its numbers and its seed: the same description always gives the same bytes, file
//! by file, whatever part of it is written ([`Selection`]) and on however many threads. So a day can arrive later, or the
//! late half of one, exactly as it would have been in a whole.

mod broken;
mod customers;
mod dataset;
mod plain;
mod urls;
mod views;
mod zipf;

pub use broken::Broken;
pub use dataset::{Dataset, GenerateError, Half, Quirks, Selection, Written};
pub use plain::{PlainFile, Planting};
