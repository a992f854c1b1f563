//! From state to state: enter, act, transform, leave; with the one copy of retry and catch around any state.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use crate::definition::{Assign, State, StateMachine, Template};
use crate::error::Error;
use crate::history::{EventKind, Outcome};
use crate::jsonata::Variables;
use crate::retry::{self, Retries};
use crate::run::{Failure, FailureKind, Halt, Run, state_type};
use crate::seams::{Clock, EventSink, TaskRunner};
use crate::state::{self, Acted, Scope, Visit};

/// The largest input, result or output of a state, in bytes of JSON.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
pub const MAX_PAYLOAD_BYTES: usize = 262_144;

/// What an execution starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The context object's `Execution.Id`.
    pub execution_arn: String,
    /// `Execution.Name`.
    pub execution_name: String,
    /// `StateMachine.Id`.
    pub state_machine_arn: String,
    /// `StateMachine.Name`.
    pub state_machine_name: String,
    /// `Execution.RoleArn`.
    pub role_arn: String,
    /// The region that events name.
    pub region: String,
    /// Any JSON.
    pub input: Value,
    /// `Execution.RedriveCount`.
    pub redrive_count: u32,
    /// Jitter, `$random` and `$uuid` follow from it.
    pub seed: u64,
}

/// Why an execution is stopped from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abort {
    /// A name.
    pub error: Option<String>,
    /// For humans.
    pub cause: Option<String>,
}

/// Runs one execution to its end. It ends early, as aborted, when `abort` is ready.
///
/// # Errors
/// Only [`Error::EventLog`]: whatever goes wrong in the state machine is an [`Outcome`].
pub async fn execute(
    machine: &StateMachine,
    start: &Start,
    (tasks, clock, sink): (&dyn TaskRunner, &dyn Clock, &dyn EventSink),
    abort: impl Future<Output = Abort> + Send,
) -> Result<Outcome, Error> {
    let run = Run::new(start, tasks, clock, sink);
    let input = start.input.to_string();
    run.emit_last(Some(0), EventKind::ExecutionStarted { input, role_arn: start.role_arn.clone() })?;
    let whole = Scope::outermost(&run, machine);
    let scope_id = whole.id();
    let limit = async {
        match machine.timeout_seconds {
            Some(seconds) => clock.expire(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let ending = tokio::select! {
        biased;
        result = run_scope(&run, whole, start.input.clone(), Variables::new(), 0) => Ending::Own(result),
        abort = abort => Ending::Aborted(abort),
        () = limit => Ending::TimedOut,
    };
    end(&run, scope_id, ending)
}

/// The three ways in which an execution ends.
enum Ending {
    Own(Result<Finished, Halt>),
    Aborted(Abort),
    TimedOut,
}

fn end(run: &Run<'_>, scope: u64, ending: Ending) -> Result<Outcome, Error> {
    match ending {
        Ending::Own(Ok(Finished { output, last })) => {
            let output = output.to_string();
            run.emit_last(Some(last), EventKind::ExecutionSucceeded { output: output.clone() })?;
            Ok(Outcome::Succeeded { output })
        }
        Ending::Own(Err(Halt::Failure(Failure { error, cause, after, .. }))) => {
            run.emit_last(Some(after), EventKind::ExecutionFailed { error: error.clone(), cause: cause.clone() })?;
            Ok(Outcome::Failed { error, cause })
        }
        Ending::Own(Err(Halt::Error(error))) => Err(error),
        Ending::Aborted(Abort { error, cause }) => {
            abort_everything(run, scope)?;
            run.emit_last(None, EventKind::ExecutionAborted { error: error.clone(), cause: cause.clone() })?;
            Ok(Outcome::Aborted { error, cause })
        }
        Ending::TimedOut => {
            abort_everything(run, scope)?;
            run.emit_last(None, EventKind::ExecutionTimedOut)?;
            Ok(Outcome::TimedOut)
        }
    }
}

fn abort_everything(run: &Run<'_>, scope: u64) -> Result<(), Error> {
    run.abort_scope(scope, run.last_event()).map(|_| ())
}

/// A scope that came to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) output: Value,
    /// Its last event.
    pub(crate) last: u64,
}

/// Walks through the states of one scope: the whole machine, a branch, or one iteration of a Map state.
pub(crate) fn run_scope<'r>(
    run: &'r Run<'r>,
    scope: Scope<'r>,
    mut input: Value,
    mut variables: Variables,
    mut previous: u64,
) -> BoxFuture<'r, Result<Finished, Halt>> {
    Box::pin(async move {
        let mut name = scope.start_at;
        loop {
            let Some((name_in_machine, state)) = scope.states.get_key_value(name) else {
                // Validation has seen every target; this cannot happen to a definition that passed it.
                let cause = Some(format!("there is no state '{name}'"));
                let error = Some("States.Runtime".to_owned());
                return Err(Halt::Failure(Failure { error, cause, kind: FailureKind::Terminal, after: previous }));
            };
            let left = visit_state(run, &scope, (name_in_machine, state), &input, &variables, previous).await?;
            variables.extend(left.assigned);
            match left.next {
                None => return Ok(Finished { output: left.output, last: left.last }),
                Some(next) => (name, input, previous) = (next, left.output, left.last),
            }
        }
    })
}

/// A state that was left.
struct Left<'r> {
    output: Value,
    assigned: Variables,
    next: Option<&'r str>,
    last: u64,
}

/// Enters a state, lets it act as often as its `Retry` says, and leaves it by itself or by a `Catch`.
async fn visit_state<'r>(
    run: &'r Run<'r>,
    scope: &Scope<'r>,
    (name, state): (&'r str, &'r State),
    input: &Value,
    variables: &Variables,
    previous: u64,
) -> Result<Left<'r>, Halt> {
    let entering =
        EventKind::StateEntered { state_type: state_type(state), name: name.to_owned(), input: input.to_string() };
    let entered = run.emit(previous, entering)?;
    run.entered(entered, state, &scope.path);
    let mut visit = Visit::new(run, scope, (name, state), (input, variables), entered);
    let mut retries = Retries::new(state.retriers());
    let leaving = loop {
        let failure = match attempt(&mut visit).await {
            Ok(leaving) => break Ok(leaving),
            Err(Halt::Failure(failure)) => failure,
            Err(halt) => break Err(halt),
        };
        visit.previous = failure.after;
        let delay = retries.next_delay(&failure, &mut *run.dice());
        let Some(delay) = delay else { break catch(&mut visit, failure) };
        run.clock.sleep(delay).await;
        visit.retry_count += 1;
    };
    run.left(entered);
    leave(&visit, leaving?)
}

/// What a state leaves with.
struct Leaving<'r> {
    output: Value,
    assigned: Variables,
    next: Option<&'r str>,
}

/// One attempt: the state acts, then its `Output` and `Assign` are evaluated.
async fn attempt<'r>(visit: &mut Visit<'_, 'r>) -> Result<Leaving<'r>, Halt> {
    let Acted { result, next, output, assign, location } = state::act(visit).await?;
    visit.result = result;
    let plain = visit.result.clone().unwrap_or_else(|| visit.input.clone());
    transform(visit, (output, assign), &location, plain, next)
}

/// Goes where the first `Catch` that matches says, or passes the failure on.
fn catch<'r>(visit: &mut Visit<'_, 'r>, failure: Failure) -> Result<Leaving<'r>, Halt> {
    let catchers = visit.state.catchers().iter().enumerate();
    let Some((index, catcher)) = catchers.into_iter().find(|(_, one)| retry::matches(&one.error_equals, &failure))
    else {
        return Err(Halt::Failure(failure));
    };
    let mut error_output = Map::new();
    error_output.insert("Error".to_owned(), json!(failure.error));
    error_output.extend(failure.cause.map(|cause| ("Cause".to_owned(), json!(cause))));
    let error_output = Value::Object(error_output);
    visit.error_output = Some(error_output.clone());
    let templates = (catcher.output.as_ref(), catcher.assign.as_ref());
    transform(visit, templates, &format!("Catch[{index}]/"), error_output, Some(&catcher.next))
}

/// Evaluates `Output` and `Assign` side by side: neither sees what the other assigns. `plain` is the output without
/// an `Output`.
fn transform<'r>(
    visit: &mut Visit<'_, 'r>,
    (output, assign): (Option<&Template>, Option<&Assign>),
    location: &str,
    plain: Value,
    next: Option<&'r str>,
) -> Result<Leaving<'r>, Halt> {
    let output = match output {
        Some(template) => visit.render(template, &format!("{location}Output"))?,
        None => plain,
    };
    let mut assigned = Variables::new();
    for (name, template) in assign.into_iter().flatten() {
        assigned.insert(name.clone(), visit.render(template, &format!("{location}Assign/{name}"))?);
    }
    visit.check_size(&output)?;
    Ok(Leaving { output, assigned, next })
}

fn leave<'r>(visit: &Visit<'_, 'r>, leaving: Leaving<'r>) -> Result<Left<'r>, Halt> {
    let exited = EventKind::StateExited {
        state_type: state_type(visit.state),
        name: visit.name.to_owned(),
        output: leaving.output.to_string(),
        assigned_variables: leaving.assigned.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
    };
    let last = visit.run.emit(visit.previous, exited)?;
    Ok(Left { output: leaving.output, assigned: leaving.assigned, next: leaving.next, last })
}
