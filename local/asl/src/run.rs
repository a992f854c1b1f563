//! What all scopes of one execution share: the event log, the clock, the dice, and which states are under way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::definition::State;
use crate::error::Error;
use crate::execution::Start;
use crate::history::{Event, EventKind, StateType};
use crate::seams::{Clock, EventSink, TaskRunner};

/// The most events that one history can have.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const MAX_EVENTS: u64 = 25_000;

/// Why a scope could not go on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// A state failed, and nothing in the scope handled it.
    Failure(Failure),
    /// The interpreter itself cannot go on.
    Error(Error),
}

/// A state's failure on its way outwards.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) kind: FailureKind,
    /// The event that told of it.
    pub(crate) after: u64,
}

/// Where a failure came from, as far as `ErrorEquals` cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The work of a Task.
    Task,
    /// The state itself: a timeout, an expression, a choice without a match, a Fail state.
    State,
    /// A limit that nothing can handle.
    Terminal,
}

/// One execution under way.
pub(crate) struct Run<'r> {
    pub(crate) start: &'r Start,
    pub(crate) tasks: &'r dyn TaskRunner,
    pub(crate) clock: &'r dyn Clock,
    sink: &'r dyn EventSink,
    started: DateTime<Utc>,
    log: Mutex<Log>,
    dice: Mutex<ChaCha8Rng>,
}

/// The position in the event log, and the states that were entered and not yet left.
#[derive(Debug, Default)]
struct Log {
    last: u64,
    next_scope: u64,
    live: BTreeMap<u64, Live>,
}

#[derive(Debug)]
struct Live {
    state_type: StateType,
    /// The scope of the state and those around it.
    scopes: Vec<u64>,
}

impl<'r> Run<'r> {
    pub(crate) fn new(
        start: &'r Start,
        tasks: &'r dyn TaskRunner,
        clock: &'r dyn Clock,
        sink: &'r dyn EventSink,
    ) -> Self {
        let dice = Mutex::new(ChaCha8Rng::seed_from_u64(start.seed));
        Self { start, tasks, clock, sink, started: clock.now(), log: Mutex::default(), dice }
    }

    /// Writes an event down and returns its id. Fails the execution where AWS ends a history.
    pub(crate) fn emit(&self, previous: u64, kind: EventKind) -> Result<u64, Halt> {
        let mut log = self.log();
        if log.last + 1 >= MAX_EVENTS {
            return Err(Halt::Failure(Failure {
                error: Some("States.Runtime".to_owned()),
                cause: Some(format!("The execution reached the maximum number of history events ({MAX_EVENTS}).")),
                kind: FailureKind::Terminal,
                after: log.last,
            }));
        }
        self.append(&mut log, previous, kind).map_err(Halt::Error)
    }

    /// Writes the last event of an execution.
    pub(crate) fn emit_last(&self, previous: Option<u64>, kind: EventKind) -> Result<u64, Error> {
        let mut log = self.log();
        let previous = previous.unwrap_or(log.last);
        self.append(&mut log, previous, kind)
    }

    fn append(&self, log: &mut Log, previous: u64, kind: EventKind) -> Result<u64, Error> {
        let event = Event { id: log.last + 1, previous_event_id: previous, timestamp: self.clock.now(), kind };
        self.sink.append(&event).map_err(Error::EventLog)?;
        log.last = event.id;
        Ok(event.id)
    }

    /// The id of the last event.
    pub(crate) fn last_event(&self) -> u64 {
        self.log().last
    }

    /// A name for a new scope.
    pub(crate) fn new_scope(&self) -> u64 {
        let mut log = self.log();
        log.next_scope += 1;
        log.next_scope
    }

    /// Notes that a state was entered, by the id of the event that said so.
    pub(crate) fn entered(&self, id: u64, state: &State, scopes: &[u64]) {
        self.log().live.insert(id, Live { state_type: state_type(state), scopes: scopes.to_vec() });
    }

    /// Notes that a state was left.
    pub(crate) fn left(&self, id: u64) {
        self.log().live.remove(&id);
    }

    /// Tells that the states under way in `scope` were aborted, the innermost first, because of the event `after`.
    /// Returns whether there were any.
    pub(crate) fn abort_scope(&self, scope: u64, after: u64) -> Result<bool, Error> {
        let mut log = self.log();
        let within = |live: &Live| live.scopes.contains(&scope);
        let aborted: Vec<u64> = log.live.iter().filter(|(_, live)| within(live)).map(|(id, _)| *id).rev().collect();
        for id in &aborted {
            if let Some(Live { state_type, .. }) = log.live.remove(id)
                && has_aborted_event(state_type)
            {
                self.append(&mut log, after, EventKind::StateAborted { state_type })?;
            }
        }
        Ok(!aborted.is_empty())
    }

    /// Entropy for one expression.
    pub(crate) fn entropy(&self) -> u64 {
        self.dice().next_u64()
    }

    /// The dice for the delay before a retry.
    pub(crate) fn dice(&self) -> MutexGuard<'_, ChaCha8Rng> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of the context object that is the same for every state.
    pub(crate) fn context(&self) -> Value {
        json!({
            "Execution": {
                "Id": self.start.execution_arn,
                "Input": self.start.input,
                "Name": self.start.execution_name,
                "RedriveCount": self.start.redrive_count,
                "RoleArn": self.start.role_arn,
                "StartTime": timestamp(self.started),
            },
            "StateMachine": { "Id": self.start.state_machine_arn, "Name": self.start.state_machine_name },
        })
    }
}

/// A time as the context object writes it.
pub(crate) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The type of a state.
pub(crate) fn state_type(state: &State) -> StateType {
    match state {
        State::Task(_) => StateType::Task,
        State::Parallel(_) => StateType::Parallel,
        State::Map(_) => StateType::Map,
        State::Choice(_) => StateType::Choice,
        State::Wait(_) => StateType::Wait,
        State::Pass(_) => StateType::Pass,
        State::Succeed(_) => StateType::Succeed,
        State::Fail(_) => StateType::Fail,
    }
}

/// AWS has an aborted event only for the types that can take time.
fn has_aborted_event(state_type: StateType) -> bool {
    matches!(state_type, StateType::Task | StateType::Parallel | StateType::Map | StateType::Wait)
}
