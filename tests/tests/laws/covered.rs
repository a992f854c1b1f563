//! No state escapes the laws.

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use crate::definition::Definition;
use crate::reference::reference;
use crate::trial;

/// States that no chapter of the story enters, and why the laws hold without that. None so far.
const NOT_ENTERED: [(&str, &str); 0] = [];

pub fn trials() -> Vec<Trial> {
    vec![trial("every_task_state_is_entered_by_the_story", every_state)]
}

async fn every_state() {
    let entered = reference().await.entered();
    let excepted: BTreeSet<String> = NOT_ENTERED.iter().map(|(state, _)| (*state).to_owned()).collect();
    let tasks = Definition::read().tasks();
    assert!(!tasks.is_empty(), "the definition has no Task state");
    let missing: Vec<_> = tasks.iter().filter(|task| !entered.contains(*task) && !excepted.contains(*task)).collect();
    assert!(missing.is_empty(), "the laws say nothing of {missing:?}: add a run that enters them to the story");
    for state in &excepted {
        assert!(tasks.contains(state) && !entered.contains(state), "{state} is excepted, and need not be");
    }
}
