//! Map: one run of its processor for every item; the first iteration that fails fails the state and stops the others.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::{Acted, Scope, Visit};
use crate::definition::Map;
use crate::execution::{Finished, run_scope};
use crate::history::{EventKind, Iteration};
use crate::jsonata::Variables;
use crate::run::{Failure, Halt, Run};

/// How many iterations run at once if the state does not say.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>
const MAX_CONCURRENCY: usize = 40;

/// One iteration, ready to run.
struct Item<'r> {
    index: usize,
    input: Value,
    variables: Variables,
    scope: Scope<'r>,
}

pub(super) async fn act<'r>(visit: &mut Visit<'_, 'r>, map: &'r Map) -> Result<Acted<'r>, Halt> {
    let items = items(visit, map)?;
    let concurrency = concurrency(visit, map)?;
    visit.emit(EventKind::MapStateStarted { length: items.len() })?;
    let items = prepare(visit, map, items)?;
    let scopes: Vec<u64> = items.iter().map(|item| item.scope.id()).collect();
    match run_all(visit, items, concurrency).await {
        Ok(outputs) => {
            // As in AWS, the exited event follows from the last event of the iterations, too.
            visit.run.emit(visit.previous, EventKind::MapStateSucceeded)?;
            let result = Value::Array(outputs);
            visit.check_size(&result)?;
            Ok(visit.acted(Some(result)))
        }
        Err((index, Halt::Failure(failure))) => Err(fail(visit, &scopes, index, failure)?),
        Err((_, halt)) => Err(halt),
    }
}

/// The array that the state goes through.
fn items(visit: &mut Visit<'_, '_>, map: &Map) -> Result<Vec<Value>, Halt> {
    match visit.render_or_input(map.items.as_ref(), "Items")? {
        Value::Array(items) => Ok(items),
        other => {
            let expression = map.items.as_ref().and_then(Value::as_str).unwrap_or("$states.input").to_owned();
            Err(visit.unexpected(&expression, "Items", "array", &other))
        }
    }
}

fn concurrency(visit: &mut Visit<'_, '_>, map: &Map) -> Result<usize, Halt> {
    let limit = visit.optional_amount(map.max_concurrency.as_ref(), "MaxConcurrency")?;
    Ok(match limit.and_then(|limit| usize::try_from(limit).ok()) {
        None | Some(0) => MAX_CONCURRENCY,
        Some(limit) => limit.min(MAX_CONCURRENCY),
    })
}

/// Gives every item its scope, and the input that `ItemSelector` makes of it.
fn prepare<'r>(visit: &mut Visit<'_, 'r>, map: &'r Map, items: Vec<Value>) -> Result<Vec<Item<'r>>, Halt> {
    let processor = &map.item_processor;
    let outer = visit.scope;
    let mut prepared = Vec::with_capacity(items.len());
    for (index, value) in items.into_iter().enumerate() {
        let mut scope = outer.inner(visit.run, &processor.start_at, &processor.states);
        scope.item = Some(json!({ "Index": index, "Value": value }));
        let input = match &map.item_selector {
            Some(selector) => visit.render_for_item(selector, "ItemSelector", scope.item.as_ref())?,
            None => value,
        };
        visit.check_size(&input)?;
        prepared.push(Item { index, input, variables: visit.variables.clone(), scope });
    }
    Ok(prepared)
}

/// Runs the iterations; their outputs keep the order of the items. Moves the visit on to their last event.
async fn run_all<'r>(
    visit: &mut Visit<'_, 'r>,
    items: Vec<Item<'r>>,
    concurrency: usize,
) -> Result<Vec<Value>, (usize, Halt)> {
    let (run, name, started) = (visit.run, visit.name, visit.previous);
    let mut outputs = vec![Value::Null; items.len()];
    let iterations: Vec<_> = items.into_iter().map(|item| iterate(run, name, item, started)).collect();
    let mut running = stream::iter(iterations).buffer_unordered(concurrency);
    while let Some((index, result)) = running.next().await {
        let Finished { output, last } = result.map_err(|halt| (index, halt))?;
        outputs[index] = output;
        visit.previous = visit.previous.max(last);
    }
    Ok(outputs)
}

fn iterate<'r>(
    run: &'r Run<'r>,
    name: &'r str,
    item: Item<'r>,
    started: u64,
) -> BoxFuture<'r, (usize, Result<Finished, Halt>)> {
    let Item { index, input, variables, scope } = item;
    let told = move |iteration| EventKind::MapIteration { iteration, name: name.to_owned(), index };
    let result = async move {
        let first = run.emit(started, told(Iteration::Started))?;
        let finished = run_scope(run, scope, input, variables, first).await?;
        let last = run.emit(finished.last, told(Iteration::Succeeded))?;
        Ok(Finished { last, ..finished })
    };
    result.map(move |result| (index, result)).boxed()
}

/// Tells that one iteration failed, that those still under way were aborted, and that so the state failed.
fn fail(visit: &mut Visit<'_, '_>, scopes: &[u64], failed: usize, failure: Failure) -> Result<Halt, Halt> {
    let (run, after) = (visit.run, failure.after);
    let told = |iteration, index| EventKind::MapIteration { iteration, name: visit.name.to_owned(), index };
    run.emit(after, told(Iteration::Failed, failed))?;
    for (index, scope) in scopes.iter().enumerate() {
        if run.abort_scope(*scope, after).map_err(Halt::Error)? {
            run.emit(after, told(Iteration::Aborted, index))?;
        }
    }
    visit.previous = after;
    visit.emit(EventKind::MapStateFailed)?;
    Ok(Halt::Failure(Failure { after: visit.previous, ..failure }))
}
