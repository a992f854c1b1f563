//! What the state machine's definition says, as the file has it.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::repository;

/// The state that every failure leads to, as soon as there is one.
pub const CLEAN_UP: &str = "Clean Up";

/// `statemachine/page_views_transform.asl.json`.
pub struct Definition(Value);

impl Definition {
    pub fn read() -> Self {
        let path = repository().join("statemachine/page_views_transform.asl.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_str(&text).expect("the definition is JSON"))
    }

    /// The names of all Task states, at any depth.
    pub fn tasks(&self) -> BTreeSet<String> {
        let mut tasks = BTreeSet::new();
        collect(&self.0, &mut tasks);
        tasks
    }

    /// Whether a state removes what a run that failed has made.
    pub fn cleans_up(&self) -> bool {
        self.tasks().contains(CLEAN_UP)
    }

    /// Whether executions can be told to publish in another way.
    pub fn knows_merge(&self) -> bool {
        let check = self.0["States"]["Check Input"].to_string();
        check.contains("'refresh'") && check.contains("'merge'")
    }
}

fn collect(machine: &Value, tasks: &mut BTreeSet<String>) {
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        if state["Type"] == "Task" {
            tasks.insert(name.clone());
        }
        for branch in state["Branches"].as_array().into_iter().flatten() {
            collect(branch, tasks);
        }
        collect(&state["ItemProcessor"], tasks);
    }
}
