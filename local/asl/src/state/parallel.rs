//! Parallel: its branches at once; the first that fails fails the state and stops the others.

use futures::future::try_join_all;
use serde_json::Value;

use super::{Acted, Visit};
use crate::definition::Parallel;
use crate::execution::run_scope;
use crate::history::EventKind;
use crate::run::{Failure, Halt};

pub(super) async fn act<'r>(visit: &mut Visit<'_, 'r>, parallel: &'r Parallel) -> Result<Acted<'r>, Halt> {
    let input = visit.render_or_input(parallel.arguments.as_ref(), "Arguments")?;
    visit.check_size(&input)?;
    visit.emit(EventKind::ParallelStateStarted)?;
    let run = visit.run;
    let scopes = parallel.branches.iter().map(|branch| visit.scope.inner(run, &branch.start_at, &branch.states));
    let (ids, branches): (Vec<_>, Vec<_>) = scopes
        .map(|scope| (scope.id(), run_scope(run, scope, input.clone(), visit.variables.clone(), visit.previous)))
        .unzip();
    match try_join_all(branches).await {
        Ok(finished) => {
            let last = finished.iter().map(|branch| branch.last).max().unwrap_or(visit.previous);
            // As in AWS, the exited event follows from the last event of the branches, too.
            run.emit(last, EventKind::ParallelStateSucceeded)?;
            visit.previous = last;
            let result: Value = finished.into_iter().map(|branch| branch.output).collect();
            visit.check_size(&result)?;
            Ok(visit.acted(Some(result)))
        }
        Err(Halt::Failure(failure)) => {
            for id in ids {
                run.abort_scope(id, failure.after).map_err(Halt::Error)?;
            }
            visit.previous = failure.after;
            visit.emit(EventKind::ParallelStateFailed)?;
            Err(Halt::Failure(Failure { after: visit.previous, ..failure }))
        }
        Err(halt) => Err(halt),
    }
}
