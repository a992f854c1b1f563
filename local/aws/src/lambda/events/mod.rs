//! Events: invocations that nobody waits for.
//!
//! - [`store`]: one `SQLite` file; an event is in it before its sender hears so, and leaves it when all is done.
//! - [`attempt`]: one attempt at an event, and what follows from its end.
//! - [`record`]: what a destination is told.
//!
//! A task takes what is due, function by function, as many at once as may run. A function that fails is tried again,
//! later; one that cannot run now (no concurrency is left) is waited for, and that is no attempt. An attempt that the
//! process's death cut short is none either: the next process begins it again.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::function::Function;
use super::{Lambda, LambdaError};

mod attempt;
mod record;
mod store;

pub(super) use store::Store;

use store::Event;

/// The largest event, in bytes. <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(super) const MAX_EVENT_BYTES: usize = 1 << 20;

/// How long what could not be done (a store or a queue failed) is left alone.
const PAUSE: Duration = Duration::from_secs(10);

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What becomes of events that a function fails on. The defaults are Lambda's:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventInvokeConfig {
    /// How often it is tried again.
    pub max_retries: u32,
    /// How old an event may become.
    pub max_age: Duration,
    /// ARN of the queue that is told of successes.
    pub on_success: Option<String>,
    /// ARN of the queue that is told of events that are given up.
    pub on_failure: Option<String>,
    /// ARN of the queue that gets the events that are given up.
    pub dead_letter_queue: Option<String>,
}

impl Default for EventInvokeConfig {
    fn default() -> Self {
        let max_age = Duration::from_hours(6);
        Self { max_retries: 2, max_age, on_success: None, on_failure: None, dead_letter_queue: None }
    }
}

/// Queues, as this service sees them.
pub trait DestinationSender: std::fmt::Debug + Send + Sync {
    /// Sends a message.
    ///
    /// # Errors
    /// Why the queue did not take it.
    fn send(&self, queue_arn: &str, body: &str) -> Result<(), Source>;
}

/// The events of all functions, and the task that runs them.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) store: Store,
    pub(super) destinations: Arc<dyn DestinationSender>,
    /// Something may be due now.
    wake: Notify,
    /// What ends from now on was cut short.
    stopping: AtomicBool,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Events {
    pub(super) fn new(store: Store, destinations: Arc<dyn DestinationSender>) -> Self {
        Self { store, destinations, wake: Notify::new(), stopping: AtomicBool::new(false), task: Mutex::default() }
    }

    /// Takes an event for a function of this name, and gives its request id.
    pub(super) fn accept(&self, function: &str, payload: &Bytes) -> Result<String, LambdaError> {
        if payload.len() > MAX_EVENT_BYTES {
            return Err(LambdaError::EventTooLarge { bytes: payload.len() });
        }
        let request_id = Uuid::new_v4().to_string();
        self.store.add(&request_id, function, payload, now())?;
        self.wake.notify_one();
        Ok(request_id)
    }

    /// What waits, runs, and was given up lately.
    pub(super) fn list(&self) -> Result<Value, LambdaError> {
        let waiting: Vec<Value> = self.store.waiting()?.iter().map(Event::described).collect();
        let failed = self.store.failures()?;
        let failed: Vec<Value> = failed.iter().map(|text| serde_json::from_str(text).unwrap_or(Value::Null)).collect();
        Ok(json!({ "Events": waiting, "Failures": failed }))
    }

    pub(super) fn start(&self, lambda: Lambda) {
        let task = tokio::spawn(run(lambda));
        let former = self.task().replace(task);
        if let Some(former) = former {
            former.abort();
        }
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(task) = self.task().take() {
            task.abort();
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn task(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what is due, for ever.
async fn run(lambda: Lambda) {
    loop {
        let mut next = None;
        for function in lambda.deployed() {
            let due = look(&lambda, &function).unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the events of a function wait");
                Some(after(now(), PAUSE))
            });
            next = earliest(next, due);
        }
        let woken = lambda.events.wake.notified();
        match next {
            None => woken.await,
            Some(due) => {
                let pause = Duration::from_millis(u64::try_from(due - now()).unwrap_or(0));
                tokio::select! { () = woken => {}, () = tokio::time::sleep(pause) => {} }
            }
        }
    }
}

/// Starts what is due of a function, and says when the next of its events is; none if the end of another one tells.
fn look(lambda: &Lambda, function: &Arc<Function>) -> Result<Option<i64>, LambdaError> {
    let name = &function.spec().name;
    let undelivered = attempt::deliver_all(&lambda.events, function)?;
    while let Some(permit) = function.event_permit() {
        let Some(event) = lambda.events.store.take(name, now())? else {
            return Ok(earliest(undelivered, lambda.events.store.next_due(name)?));
        };
        let (lambda, function) = (lambda.clone(), Arc::clone(function));
        tokio::spawn(async move {
            attempt::attempt(&lambda, &function, event).await;
            drop(permit);
            lambda.events.wake.notify_one();
        });
    }
    Ok(undelivered)
}

fn earliest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    Utc::now().timestamp_millis()
}

fn after(time: i64, pause: Duration) -> i64 {
    time.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}
