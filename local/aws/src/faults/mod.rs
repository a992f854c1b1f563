//! Faults on the wire: a seeded [`Plan`] decides, call by call, what goes wrong.
//!
//! Every request passes the server and every invocation of a state machine passes the composition root; both ask
//! [`Faults::decide`] first. What is decided follows from the plan, its seed and who the call is (caller, state, operation, and
//! the how-manieth of these it is), never from the time. Without a plan nothing is counted and nothing is decided.
//!
//! - [`plan`]: what a plan says, and what it must not say.
//! - [`call`]: which call a request is.
//! - [`refusal`]: throttling and internal errors in each service's own words.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

mod call;
mod plan;
pub(crate) mod refusal;
#[cfg(test)]
mod tests;

pub use call::{Call, OPERATOR, STEP_FUNCTIONS};
pub use plan::{Fault, Moment, Plan, PlanError, QueryFault, Rule};

/// Ends the processes of a function as kill -9 does. The composition root implements it.
pub trait FunctionKiller: Send + Sync {
    /// Ends whatever runs of the function.
    fn kill(&self, function: &str);
}

/// The faults of one local cloud. Cheap to clone; by default there are none, and no function can be killed.
#[derive(Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Whether calls are looked at: the one thing that is asked while there is no plan.
    watching: AtomicBool,
    watch: Mutex<Watch>,
    killer: Option<Arc<dyn FunctionKiller>>,
    /// Where injected faults are written down, one JSON object a line.
    log: Option<PathBuf>,
}

#[derive(Default)]
struct Watch {
    plan: Plan,
    recording: bool,
    /// By rule.
    matched: Vec<u64>,
    /// By rule.
    injected: Vec<u64>,
    /// How many calls there were, by who they are.
    seen: HashMap<String, u64>,
    /// The state that each function was last invoked for.
    states: BTreeMap<String, String>,
    injections: Vec<Injection>,
    calls: Vec<Identity>,
    log: Option<File>,
}

/// Who a call is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// A function, [`STEP_FUNCTIONS`] or [`OPERATOR`].
    pub caller: String,
    /// The state that the function works for, if a state invoked it.
    pub state: Option<String>,
    /// `athena:StartQueryExecution`.
    pub call: String,
    /// From 1, among the calls that are the same in all of the above.
    pub ordinal: u64,
}

/// A fault that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Injection {
    /// The plan's.
    pub seed: u64,
    /// The rule's index in the plan.
    pub rule: usize,
    /// What was done.
    pub fault: Fault,
    /// To which call.
    #[serde(flatten)]
    pub to: Identity,
}

impl Faults {
    /// None for now: see [`Faults::set`].
    pub fn new(killer: Arc<dyn FunctionKiller>, log: PathBuf) -> Self {
        Self(Arc::new(Inner { killer: Some(killer), log: Some(log), ..Inner::default() }))
    }

    /// Follows another plan from now on; what was counted and recorded so far is forgotten. `recording`: whether every call
    /// is to be remembered.
    ///
    /// # Errors
    /// If the log cannot be opened.
    pub fn set(&self, plan: Plan, recording: bool) -> std::io::Result<()> {
        let log = match &self.0.log {
            Some(path) if !plan.rules.is_empty() => Some(OpenOptions::new().create(true).append(true).open(path)?),
            _ => None,
        };
        let mut watch = self.watch();
        let states = std::mem::take(&mut watch.states);
        let rules = plan.rules.len();
        self.0.watching.store(recording || rules > 0, Ordering::Release);
        *watch = Watch {
            plan,
            recording,
            matched: vec![0; rules],
            injected: vec![0; rules],
            states,
            log,
            ..Watch::default()
        };
        Ok(())
    }

    /// Whether any call is to be looked at.
    pub fn is_watching(&self) -> bool {
        self.0.watching.load(Ordering::Acquire)
    }

    /// What was injected since the plan was set and, if they are recorded, all calls.
    pub fn told(&self) -> Value {
        let watch = self.watch();
        json!({ "Plan": watch.plan, "Injected": watch.injections, "Calls": watch.calls })
    }

    /// A state invokes a function: its calls are this state's from now on.
    pub fn invoked(&self, function: &str, payload: &[u8]) {
        let state = serde_json::from_slice::<Value>(payload).ok();
        if let Some(state) = state.as_ref().and_then(|payload| payload.get("state")?.as_str()) {
            self.watch().states.insert(function.to_owned(), state.to_owned());
        }
    }

    /// What goes wrong with a call, if anything does. It is written down already.
    pub fn decide(&self, call: &Call) -> Option<Fault> {
        if !self.is_watching() {
            return None;
        }
        let mut watch = self.watch();
        let identity = watch.identify(call);
        if watch.recording {
            watch.calls.push(identity.clone());
        }
        let (rule, fault) = watch.choose(call, &identity)?;
        watch.injected[rule] += 1;
        let injection = Injection { seed: watch.plan.seed, rule, fault: fault.clone(), to: identity };
        watch.write_down(&injection);
        watch.injections.push(injection);
        Some(fault)
    }

    /// kill -9 of a function's processes.
    pub fn kill_function(&self, function: &str) {
        if let Some(killer) = &self.0.killer {
            killer.kill(function);
        } else {
            tracing::error!(function, "nobody can kill functions here");
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.0.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn identify(&mut self, call: &Call) -> Identity {
        let function = call.function.as_deref().unwrap_or(&call.caller);
        let state = self.states.get(function).cloned();
        let key = format!("{}|{}|{}", call.caller, state.as_deref().unwrap_or_default(), call.name());
        let ordinal = self.seen.entry(key).or_default();
        *ordinal += 1;
        Identity { caller: call.caller.clone(), state, call: call.name(), ordinal: *ordinal }
    }

    /// The first rule that fires; every rule that the call matches counts it.
    fn choose(&mut self, call: &Call, identity: &Identity) -> Option<(usize, Fault)> {
        let mut chosen = None;
        for (index, rule) in self.plan.rules.iter().enumerate() {
            if !rule.matches(call, identity.state.as_deref()) {
                continue;
            }
            self.matched[index] += 1;
            let draw = || draw(self.plan.seed, index, identity);
            if chosen.is_none() && rule.fires(self.matched[index], self.injected[index], draw) {
                chosen = Some((index, rule.fault.clone()));
            }
        }
        chosen
    }

    fn write_down(&mut self, injection: &Injection) {
        let Some(log) = &mut self.log else { return };
        // In one piece, so that a kill leaves whole lines.
        let line = json!(injection).to_string() + "\n";
        if let Err(error) = log.write_all(line.as_bytes()) {
            tracing::error!(%error, "the log of faults cannot be written");
        }
    }
}

/// A number from 0 to below 1 that follows from the seed, the rule and the call.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn draw(seed: u64, rule: usize, of: &Identity) -> f64 {
    let state = of.state.as_deref().unwrap_or_default();
    let text = format!("{seed}|{rule}|{}|{state}|{}|{}", of.caller, of.call, of.ordinal);
    let digest = Sha256::digest(text.as_bytes());
    let bits = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").field("watching", &self.is_watching()).finish_non_exhaustive()
    }
}
