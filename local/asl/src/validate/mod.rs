//! Whether a definition that could be read can also work: targets exist, states can be reached, scopes can end,
//! expressions parse, retries and catches make sense.
//!
//! Codes and wording follow the diagnostics of AWS's `ValidateStateMachineDefinition` where they are known.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::{QueryLanguage, State, StateMachine};
use crate::error::Problem;
use crate::resource::Resource;

mod errors;
mod templates;

/// The longest name of a state, in characters.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const MAX_STATE_NAME: usize = 80;
/// The longest timeout, in seconds. <https://states-language.net/spec.html#task-timeouts>
const MAX_TIMEOUT_SECONDS: u64 = 99_999_999;

const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
const TARGET: &str = "MISSING_TRANSITION_TARGET";
const DUPLICATE: &str = "DUPLICATE_STATE_NAME";

/// Every problem of a definition; none means that it can run.
pub fn problems(machine: &StateMachine) -> Vec<Problem> {
    let mut check = Check { language: machine.query_language.unwrap_or(QueryLanguage::JSONPath), ..Check::default() };
    if machine.version.as_deref().is_some_and(|version| version != "1.0") {
        check.report(SCHEMA, "/Version", "the only version of the language is '1.0'");
    }
    if machine.timeout_seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_TIMEOUT_SECONDS) {
        check.report(SCHEMA, "/TimeoutSeconds", format!("must be between 1 and {MAX_TIMEOUT_SECONDS}"));
    }
    check.scope("", &machine.start_at, &machine.states, &BTreeSet::new());
    check.problems
}

/// One validation under way.
#[derive(Debug)]
struct Check {
    language: QueryLanguage,
    names: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Default for Check {
    fn default() -> Self {
        Self { language: QueryLanguage::JSONPath, names: BTreeSet::new(), problems: Vec::new() }
    }
}

impl Check {
    fn report(&mut self, code: &'static str, location: &str, message: impl Into<String>) {
        self.problems.push(Problem { code, message: message.into(), location: location.to_owned() });
    }

    /// Checks one scope: the machine itself, a branch, or an item processor. `outer` holds the variables that the
    /// scopes around it assign.
    fn scope(&mut self, at: &str, start_at: &str, states: &BTreeMap<String, State>, outer: &BTreeSet<String>) {
        if states.is_empty() {
            self.report(SCHEMA, &format!("{at}/States"), "there must be at least one state");
            return;
        }
        if !states.contains_key(start_at) {
            self.report(TARGET, &format!("{at}/StartAt"), format!("Missing 'StartAt' target: {start_at}"));
        }
        let variables = outer.iter().cloned().chain(templates::assigned(states)).collect();
        for (name, state) in states {
            let at = format!("{at}/States/{name}");
            self.name(&at, name);
            self.state(&at, state, states);
            templates::check(self, &at, state, outer);
            self.inner_scopes(&at, state, &variables);
        }
        self.reachability(at, start_at, states);
    }

    fn inner_scopes(&mut self, at: &str, state: &State, variables: &BTreeSet<String>) {
        match state {
            State::Parallel(parallel) => {
                if parallel.branches.is_empty() {
                    self.report(SCHEMA, &format!("{at}/Branches"), "there must be at least one branch");
                }
                for (index, branch) in parallel.branches.iter().enumerate() {
                    self.scope(&format!("{at}/Branches[{index}]"), &branch.start_at, &branch.states, variables);
                }
            }
            State::Map(map) => {
                let processor = &map.item_processor;
                self.scope(&format!("{at}/ItemProcessor"), &processor.start_at, &processor.states, variables);
            }
            _ => {}
        }
    }

    fn name(&mut self, at: &str, name: &str) {
        if name.is_empty() || name.chars().count() > MAX_STATE_NAME {
            self.report(SCHEMA, at, format!("the name of a state has 1 to {MAX_STATE_NAME} characters"));
        }
        if !self.names.insert(name.to_owned()) {
            self.report(DUPLICATE, at, format!("Duplicate state name: {name}"));
        }
    }

    fn state(&mut self, at: &str, state: &State, siblings: &BTreeMap<String, State>) {
        if state.query_language().unwrap_or(self.language) == QueryLanguage::JSONPath {
            self.report(SCHEMA, at, "the query language JSONPath is not supported; set 'QueryLanguage' to 'JSONata'");
        }
        match state.transition() {
            Some((Some(_), Some(_))) => self.report(SCHEMA, at, "only one of 'Next' and 'End' can be given"),
            Some((None, Some(false) | None)) => {
                self.report(SCHEMA, at, "one of these fields is required: ['Next', 'End': true]");
            }
            _ => {}
        }
        for (field, target) in targets(state) {
            if !siblings.contains_key(target) {
                self.report(TARGET, &format!("{at}/{field}"), format!("Missing 'Next' target: {target}"));
            }
        }
        match state {
            State::Task(task) => {
                if let Err(reason) = Resource::parse(&task.resource) {
                    self.report(SCHEMA, &format!("{at}/Resource"), reason);
                }
            }
            State::Choice(choice) if choice.choices.is_empty() => {
                self.report(SCHEMA, &format!("{at}/Choices"), "there must be at least one choice");
            }
            State::Wait(wait) if wait.seconds.is_some() == wait.timestamp.is_some() => {
                self.report(SCHEMA, at, "exactly one of these fields is required: ['Seconds', 'Timestamp']");
            }
            _ => {}
        }
        errors::check(self, at, state);
    }

    fn reachability(&mut self, at: &str, start_at: &str, states: &BTreeMap<String, State>) {
        let mut reached = BTreeSet::new();
        let mut open = vec![start_at];
        while let Some(name) = open.pop() {
            if let (Some(state), true) = (states.get(name), reached.insert(name)) {
                open.extend(targets(state).into_iter().map(|(_, target)| target));
            }
        }
        for name in states.keys().filter(|name| !reached.contains(name.as_str())) {
            self.report(TARGET, &format!("{at}/States/{name}"), format!("State \"{name}\" is not reachable."));
        }
        let ends = |state: &State| match state {
            State::Succeed(_) | State::Fail(_) => true,
            other => other.transition().is_some_and(|(_, end)| end == Some(true)),
        };
        if !states.iter().any(|(name, state)| reached.contains(name.as_str()) && ends(state)) {
            self.report(TARGET, &format!("{at}/States"), "No terminal state: nothing that can be reached ends here.");
        }
    }
}

/// Every state that `state` may go to, with the field that says so.
fn targets(state: &State) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    if let Some((Some(next), _)) = state.transition() {
        found.push(("Next".to_owned(), next));
    }
    if let State::Choice(choice) = state {
        let rules = choice.choices.iter().enumerate();
        found.extend(rules.map(|(index, rule)| (format!("Choices[{index}]/Next"), rule.next.as_str())));
        found.extend(choice.default.as_deref().map(|next| ("Default".to_owned(), next)));
    }
    let catchers = state.catchers().iter().enumerate();
    found.extend(catchers.map(|(index, catcher)| (format!("Catch[{index}]/Next"), catcher.next.as_str())));
    found
}
