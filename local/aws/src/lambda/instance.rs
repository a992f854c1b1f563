//! One process of a function: start, initialise, run invocations one after the other, end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::process::Child;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::process::{self, Log};
use super::report::{self, Crash};
use super::{FunctionSpec, LambdaConfig, MAX_PAYLOAD_BYTES};

/// How long a process may take until it asks for its first invocation.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// One event for a function.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
}

/// What the Runtime API hands to a process that asks for its next invocation.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) invocation: Invocation,
    pub(super) function_arn: String,
    /// In milliseconds since the epoch.
    pub(super) deadline_millis: u128,
}

/// What a process says through the Runtime API.
#[derive(Debug)]
pub(super) enum Signal {
    /// It asked for its next invocation.
    Ready,
    /// It answered.
    Response { request_id: String, payload: Bytes },
    /// It failed.
    Failure { request_id: String, payload: Bytes },
    /// It could not initialise.
    InitFailure { payload: Bytes },
    /// It says nothing any more: somebody wants it dead.
    Kill,
}

/// The Runtime API's end of a process.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// Locked by the one poll that waits.
    pub(super) deliveries: tokio::sync::Mutex<mpsc::Receiver<Delivery>>,
    pub(super) signals: mpsc::UnboundedSender<Signal>,
}

/// Every process that runs, by the path of its Runtime API: `<function>/<instance>`.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(Arc<Mutex<HashMap<String, Arc<Mailbox>>>>);

impl Registry {
    pub(super) fn find(&self, path: &str) -> Option<Arc<Mailbox>> {
        self.lock().get(path).cloned()
    }

    /// kill -9 of every process of a function.
    pub(super) fn kill(&self, function: &str) {
        for (path, mailbox) in self.lock().iter() {
            if path.strip_prefix(function).is_some_and(|rest| rest.starts_with('/')) {
                // Nobody listens if the process has just ended by itself.
                let _ = mailbox.signals.send(Signal::Kill);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Mailbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Instance {
    child: Child,
    path: String,
    registry: Registry,
    deliveries: mpsc::Sender<Delivery>,
    signals: mpsc::UnboundedReceiver<Signal>,
    initialised: bool,
    /// When the program was last written: a newer one makes this process stale.
    pub(super) built: Option<SystemTime>,
    pub(super) log: Log,
}

/// How an invocation ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// What the function returned, or the JSON of its error.
    pub(super) result: Result<Bytes, Bytes>,
    /// Whether the process can take another one.
    pub(super) reusable: bool,
}

impl Instance {
    /// Starts a process.
    pub(super) fn start(spec: &FunctionSpec, config: &LambdaConfig, registry: &Registry) -> Result<Self, Crash> {
        let built = std::fs::metadata(&spec.binary).map_err(|error| missing(spec, &error))?.modified().ok();
        let log = Log::open(&config.logs, &spec.name)
            .map_err(|error| Crash::NotStarted(format!("{}: {error}", config.logs.display())))?;
        let id = Uuid::new_v4().simple().to_string();
        let path = format!("{}/{id}", spec.name);
        let (deliveries, waiting) = mpsc::channel(1);
        let (sender, signals) = mpsc::unbounded_channel();
        let mailbox = Mailbox { deliveries: tokio::sync::Mutex::new(waiting), signals: sender };
        // Before the process exists: its first poll must find the mailbox.
        registry.lock().insert(path.clone(), Arc::new(mailbox));
        match process::spawn(spec, config, &id, &log) {
            Ok(child) => {
                let registry = registry.clone();
                Ok(Self { child, path, registry, deliveries, signals, initialised: false, built, log })
            }
            Err(error) => {
                registry.lock().remove(&path);
                Err(missing(spec, &error))
            }
        }
    }

    /// Whether the process still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        // What else it has said since its last invocation is known.
        while let Ok(signal) = self.signals.try_recv() {
            if matches!(signal, Signal::Kill) {
                self.kill();
                return false;
            }
        }
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Runs one invocation to its end.
    pub(super) async fn run(&mut self, spec: &FunctionSpec, invocation: Invocation) -> Ended {
        let request_id = invocation.request_id.clone();
        self.log.begin();
        self.log.line(&report::start_line(&request_id));
        let begun = tokio::time::Instant::now();
        let ended = match self.initialise(&request_id).await {
            Ok(()) => self.answer(spec, invocation).await,
            Err(ended) => ended,
        };
        let memory = process::max_memory_mb(self.child.id());
        for line in report::end_lines(&request_id, begun.elapsed(), spec.memory_mb, memory) {
            self.log.line(&line);
        }
        ended
    }

    /// Waits until the process has asked for its first invocation.
    async fn initialise(&mut self, request_id: &str) -> Result<(), Ended> {
        while !self.initialised {
            tokio::select! {
                biased;
                signal = self.signals.recv() => match signal {
                    Some(Signal::Ready) => self.initialised = true,
                    Some(Signal::InitFailure { payload }) => return Err(Ended { result: Err(payload), reusable: false }),
                    Some(Signal::Response { .. } | Signal::Failure { .. }) => {}
                    Some(Signal::Kill) => self.kill(),
                    None => return Err(self.crashed(request_id).await),
                },
                _ = self.child.wait() => return Err(self.crashed(request_id).await),
                () = tokio::time::sleep(INIT_LIMIT) => return Err(self.timed_out(INIT_LIMIT, request_id)),
            }
        }
        Ok(())
    }

    async fn answer(&mut self, spec: &FunctionSpec, invocation: Invocation) -> Ended {
        let request_id = invocation.request_id.clone();
        let deadline = tokio::time::Instant::now() + spec.timeout;
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let deadline_millis = (since_epoch + spec.timeout).as_millis();
        let delivery = Delivery { invocation, function_arn: spec.arn.clone(), deadline_millis };
        if self.deliveries.send(delivery).await.is_err() {
            return self.crashed(&request_id).await;
        }
        loop {
            tokio::select! {
                biased;
                signal = self.signals.recv() => match signal {
                    Some(Signal::Response { request_id: of, payload }) if of == request_id => {
                        return responded(payload, &request_id);
                    }
                    Some(Signal::Failure { request_id: of, payload }) if of == request_id => {
                        return Ended { result: Err(payload), reusable: true };
                    }
                    Some(Signal::Kill) => self.kill(),
                    Some(_) => {}
                    None => return self.crashed(&request_id).await,
                },
                _ = self.child.wait() => return self.crashed(&request_id).await,
                () = tokio::time::sleep_until(deadline) => return self.timed_out(spec.timeout, &request_id),
            }
        }
    }

    async fn crashed(&mut self, request_id: &str) -> Ended {
        let crash = match self.child.wait().await {
            Ok(status) => Crash::Exited(status),
            Err(error) => Crash::NotStarted(error.to_string()),
        };
        Ended { result: Err(crash.payload(request_id)), reusable: false }
    }

    /// kill -9.
    fn kill(&mut self) {
        if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "the process had ended by itself");
        }
    }

    fn timed_out(&mut self, limit: Duration, request_id: &str) -> Ended {
        // Dropping the instance ends the process, too; this is only sooner.
        self.kill();
        Ended { result: Err(Crash::TimedOut(limit).payload(request_id)), reusable: false }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.path);
    }
}

fn responded(payload: Bytes, request_id: &str) -> Ended {
    let result = if payload.len() > MAX_PAYLOAD_BYTES {
        Err(Crash::TooLarge { bytes: payload.len() }.payload(request_id))
    } else {
        Ok(payload)
    };
    Ended { result, reusable: true }
}

fn missing(spec: &FunctionSpec, error: &std::io::Error) -> Crash {
    Crash::NotStarted(format!(
        "the program of the function '{}' cannot be started: {}: {error}; build it with `cargo build -p {}`",
        spec.name,
        spec.binary.display(),
        spec.binary.file_name().map_or_else(|| spec.name.clone().into(), |name| name.to_string_lossy()),
    ))
}
