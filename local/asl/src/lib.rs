//! The Amazon States Language, interpreted: a definition goes in, events come out.
//!
//! Read in this order:
//! 1. [`definition`]: what a state machine is, as typed as its JSON allows; [`validate`] says whether it makes sense;
//! 2. [`execution`]: [`execute`] walks from state to state, with the one copy of retry and catch around any of them;
//! 3. `state/`: what each type of state does, one file per type;
//! 4. [`history`]: the events, in the words of AWS. Status and output are derived from them ([`Outcome::of`]).
//!
//! The crate does no input or output, knows no AWS client and reads no clock: work leaves through [`TaskRunner`], time
//! comes from [`Clock`], events go to [`EventSink`], and everything random follows from [`Start::seed`].

pub mod definition;
pub mod error;
pub mod execution;
mod functions;
pub mod history;
mod jsonata;
pub mod resource;
mod retry;
mod run;
pub mod seams;
mod state;
pub mod validate;

pub use definition::StateMachine;
pub use error::{Error, Problem};
pub use execution::{Abort, Start, execute};
pub use history::{Event, EventKind, Outcome};
pub use resource::Resource;
pub use seams::{Clock, EventSink, TaskFailure, TaskRequest, TaskRunner};
