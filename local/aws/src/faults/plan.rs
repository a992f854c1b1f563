//! [`Plan`]: a seed and rules, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, OPERATOR};

/// The services that calls can be of.
const SERVICES: [&str; 9] = ["athena", "events", "glue", "lambda", "runtime", "s3", "sqs", "states", "sts"];
/// No call waits longer than this: clients give up much sooner.
const LONGEST_DELAY_MILLIS: u64 = 60_000;

/// What goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// What chance is drawn from: the same seed and the same calls give the same faults.
    pub seed: u64,
    /// The first rule that fires decides.
    pub rules: Vec<Rule>,
}

/// Which calls something goes wrong with, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `*`, `s3:*` or `athena:StartQueryExecution`. `runtime:…` are the functions' calls of the Lambda Runtime API (`Next`,
    /// `Response`, `Error`), which `*` does not mean.
    pub calls: String,
    /// Whose calls: a function's, `step-functions` (which calls `lambda:Invoke`) or `operator`. Absent: of all but the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Only calls of the function of this state while it works for it; of `lambda:Invoke`, the invocations by this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The first of the matching calls to be hit, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// How likely each matching call is hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// How many calls are hit at most: one if `nth` is given, else any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What happens to them.
    pub fault: Fault,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The service's own throttling error; nothing is done.
    Throttle,
    /// The service's own internal error; nothing is done.
    InternalError,
    /// The connection is closed; nothing is done.
    DropBefore,
    /// It is done, then the connection is closed: the reply is lost.
    DropAfter,
    /// It is done so many milliseconds later, even if nobody waits for it any more.
    Delay(u64),
    /// kill -9 of the function that calls, before or after it is done.
    KillFunction(Moment),
    /// kill -9 of the local cloud, before or after it is done.
    KillCloud(Moment),
    /// The query that the call starts ends like this.
    Query(QueryFault),
}

/// Before or after the effect of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Nothing is done.
    Before,
    /// It is done, and its reply lost.
    After,
}

/// How a query ends that does nothing or, in the variants with `After`, does all and is told not to have succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryFault {
    /// `FAILED`, and Athena says that it may be tried again.
    FailsTransiently,
    /// `FAILED`.
    Fails,
    /// `CANCELLED`.
    Cancelled,
    /// As [`Self::FailsTransiently`], after the effect.
    FailsTransientlyAfter,
    /// As [`Self::Fails`], after the effect.
    FailsAfter,
    /// As [`Self::Cancelled`], after the effect.
    CancelledAfter,
}

impl QueryFault {
    /// Whether the query does all that it is to do.
    pub(crate) fn is_after(self) -> bool {
        matches!(self, Self::FailsTransientlyAfter | Self::FailsAfter | Self::CancelledAfter)
    }
}

/// A plan that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// It is not JSON.
    #[error("the plan of faults is not JSON")]
    Json(#[source] serde_json::Error),
    /// It is no object with `seed` and `rules`.
    #[error("the plan of faults: {problem}")]
    Plan {
        /// Which field, and what it should be.
        problem: String,
    },
    /// A rule makes no sense.
    #[error("the plan of faults: rules[{rule}]: {problem}")]
    Rule {
        /// Its index.
        rule: usize,
        /// Which field, and what it should be.
        problem: String,
    },
}

impl Plan {
    /// Reads a plan's text.
    ///
    /// # Errors
    /// [`PlanError`], which names the field.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        Self::read(&serde_json::from_str(text).map_err(PlanError::Json)?)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// [`PlanError`], which names the field.
    pub fn read(plan: &Value) -> Result<Self, PlanError> {
        let wrong = |problem: &str| PlanError::Plan { problem: problem.to_owned() };
        let fields = plan.as_object().ok_or_else(|| wrong("expected an object with seed and rules"))?;
        if let Some(unknown) = fields.keys().find(|key| !["seed", "rules"].contains(&key.as_str())) {
            return Err(wrong(&format!("there is no field {unknown}; there are seed and rules")));
        }
        let seed = fields.get("seed").map_or(Some(0), Value::as_u64);
        let seed = seed.ok_or_else(|| wrong("seed must be a whole number from 0"))?;
        let rules = fields.get("rules").and_then(Value::as_array).ok_or_else(|| wrong("rules must be a list"))?;
        let rules = rules
            .iter()
            .enumerate()
            .map(|(rule, value)| Rule::read(value).map_err(|problem| PlanError::Rule { rule, problem }));
        Ok(Self { seed, rules: rules.collect::<Result<_, _>>()? })
    }
}

impl Rule {
    fn read(value: &Value) -> Result<Self, String> {
        let rule: Self = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        rule.check_calls()?;
        rule.check_when()?;
        rule.check_fault()?;
        Ok(rule)
    }

    fn check_calls(&self) -> Result<(), String> {
        let known = match self.calls.split_once(':') {
            None => self.calls == "*",
            Some((service, operation)) => {
                let named = operation.starts_with(|first: char| first.is_ascii_uppercase())
                    && operation.chars().all(|character| character.is_ascii_alphanumeric());
                SERVICES.contains(&service) && (operation == "*" || named)
            }
        };
        let expected = "expected *, SERVICE:* or SERVICE:Operation, with a service of";
        if known { Ok(()) } else { Err(format!("calls is {:?}: {expected} {}", self.calls, SERVICES.join(", "))) }
    }

    fn check_when(&self) -> Result<(), String> {
        if self.nth == Some(0) || self.times == Some(0) {
            return Err("nth and times must be at least 1".to_owned());
        }
        if self.nth.is_some() && self.probability.is_some() {
            return Err("nth and probability exclude one another".to_owned());
        }
        if self.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("probability must be from 0 to 1".to_owned());
        }
        Ok(())
    }

    fn check_fault(&self) -> Result<(), String> {
        let of_runtime = self.calls.starts_with("runtime:");
        match &self.fault {
            Fault::Query(_) if self.calls != "athena:StartQueryExecution" => {
                Err("fault query needs calls to be athena:StartQueryExecution".to_owned())
            }
            Fault::KillFunction(_) if self.calls == "lambda:Invoke" => {
                Err("fault kill_function needs a call that the function itself makes".to_owned())
            }
            Fault::Delay(millis) if *millis > LONGEST_DELAY_MILLIS => {
                Err(format!("fault delay must be at most {LONGEST_DELAY_MILLIS} milliseconds"))
            }
            Fault::KillFunction(_) | Fault::KillCloud(_) | Fault::Delay(_) => Ok(()),
            _ if of_runtime => {
                Err("calls of the runtime know only the faults kill_function, kill_cloud and delay".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether the rule is about a call, and its fault can happen to it.
    pub(super) fn matches(&self, call: &Call, state: Option<&str>) -> bool {
        let named = match self.calls.split_once(':') {
            None => call.service != "runtime",
            Some((service, operation)) => call.service == service && (operation == "*" || operation == call.operation),
        };
        let by = self.by.as_deref().map_or(call.caller != OPERATOR, |by| by == call.caller);
        let in_state = self.state.as_deref().is_none_or(|wanted| Some(wanted) == state);
        // A function that another service invokes is not the one that calls.
        let can_happen = !matches!(self.fault, Fault::KillFunction(_)) || call.is_by_function();
        named && by && in_state && can_happen
    }

    /// Whether the `matched`th matching call is hit, when `injected` were before.
    pub(super) fn fires(&self, matched: u64, injected: u64, draw: impl FnOnce() -> f64) -> bool {
        let usual = if self.nth.is_some() { 1 } else { u64::MAX };
        injected < self.times.unwrap_or(usual)
            && matched >= self.nth.unwrap_or(1)
            && self.probability.is_none_or(|probability| draw() < probability)
    }
}
