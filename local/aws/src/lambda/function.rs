//! A function: its warm processes, and how many invocations may run at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::instance::{Ended, Instance, Invocation, Registry};
use super::{FunctionSpec, Invoked, LambdaConfig, LambdaError};

/// The only kind of function error that a custom runtime has.
const UNHANDLED: &str = "Unhandled";

#[derive(Debug)]
pub(super) struct Function {
    spec: FunctionSpec,
    config: Arc<LambdaConfig>,
    registry: Registry,
    permits: Arc<Semaphore>,
    /// Of events that nobody waits for: the rest of the function's concurrency is for those who wait.
    event_permits: Arc<Semaphore>,
    idle: Mutex<Vec<Instance>>,
}

impl Function {
    pub(super) fn new(spec: FunctionSpec, config: Arc<LambdaConfig>, registry: Registry) -> Self {
        let concurrency = spec.reserved_concurrency.unwrap_or(config.concurrency).min(config.concurrency);
        let permits = Arc::new(Semaphore::new(concurrency));
        let event_permits = Arc::new(Semaphore::new(config.event_concurrency.min(concurrency).max(1)));
        Self { spec, config, registry, permits, event_permits, idle: Mutex::default() }
    }

    pub(super) fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    /// The right to run one invocation.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, LambdaError> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| LambdaError::TooManyRequests)
    }

    /// The right to run one invocation, as soon as there is one.
    pub(super) async fn wait_for_permit(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// The right to work on one event; none when as many run as may.
    pub(super) fn event_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.event_permits).try_acquire_owned().ok()
    }

    /// Whether no invocation is allowed at all.
    pub(super) fn is_switched_off(&self) -> bool {
        self.spec.reserved_concurrency == Some(0)
    }

    /// Runs an invocation in a warm process, or in a new one.
    pub(super) async fn run(&self, invocation: Invocation) -> Invoked {
        let request_id = invocation.request_id.clone();
        let started = match self.warm() {
            Some(instance) => Ok(instance),
            None => Instance::start(&self.spec, &self.config, &self.registry),
        };
        let mut instance = match started {
            Ok(instance) => instance,
            Err(crash) => {
                let payload = crash.payload(&request_id);
                return Invoked { payload, function_error: Some(UNHANDLED), request_id, log_tail: String::new() };
            }
        };
        let Ended { result, reusable } = instance.run(&self.spec, invocation).await;
        let log_tail = instance.log.tail();
        if reusable {
            self.idle().push(instance);
        }
        match result {
            Ok(payload) => Invoked { payload, function_error: None, request_id, log_tail },
            Err(payload) => Invoked { payload, function_error: Some(UNHANDLED), request_id, log_tail },
        }
    }

    /// Ends the processes that wait for work.
    pub(super) fn end_idle(&self) {
        self.idle().clear();
    }

    /// A process that waits for work, still runs, and runs the program as it is now.
    fn warm(&self) -> Option<Instance> {
        let built = std::fs::metadata(&self.spec.binary).and_then(|metadata| metadata.modified()).ok();
        let mut idle = self.idle();
        while let Some(mut instance) = idle.pop() {
            if instance.built == built && instance.is_alive() {
                return Some(instance);
            }
        }
        None
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
