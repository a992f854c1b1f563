//! What the functions of `PageViewsTransform` share: everything between a Lambda event and a finished query.
//!
//! A function's own folder holds its story and its SQL; this package holds what is the same in all of them, so that
//! there is one way to read configuration, one way to run a statement to its end, one way to put a value into SQL and
//! one list of the errors that the state machine reacts to.

pub mod athena;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod context;
pub mod error;
pub mod history;
pub mod lake;
pub mod lambda;
pub mod lease;
pub mod objects;
pub mod seen;
pub mod sql;
pub mod telemetry;
pub mod usage;

pub use context::Context;
pub use error::Error;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
