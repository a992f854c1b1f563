//! The story told once without faults: which calls each state makes, and in which chapter it is entered.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::OnceCell;

use crate::laboratory::{Call, Laboratory, story};

/// What happened in each chapter.
pub struct Reference {
    /// By chapter: the calls of the functions, in order.
    pub calls: Vec<Vec<Call>>,
}

static REFERENCE: OnceCell<Reference> = OnceCell::const_new();

/// The reference; the story is told when it is first asked for.
pub async fn reference() -> &'static Reference {
    REFERENCE.get_or_init(Reference::record).await
}

impl Reference {
    async fn record() -> Self {
        let mut laboratory = Laboratory::open().await;
        let mut calls = Vec::new();
        for chapter in story() {
            laboratory.next_data().await;
            laboratory.plan(0, &[], true);
            let _ = laboratory.run(&chapter.input).await.succeeded();
            calls.push(laboratory.told().1);
        }
        laboratory.plan(0, &[], false);
        laboratory.assert_right().await;
        Self { calls }
    }

    /// The states of a chapter, each with its function.
    pub fn functions(&self, chapter: usize) -> BTreeMap<String, String> {
        let by_function = |call: &&Call| call.caller != "step-functions";
        let calls = self.calls[chapter].iter().filter(by_function);
        calls.filter_map(|call| Some((call.state.clone()?, call.caller.clone()))).collect()
    }

    /// Where a state comes in a chapter.
    pub fn position(&self, chapter: usize, state: &str) -> Option<usize> {
        self.calls[chapter].iter().position(|call| call.state.as_deref() == Some(state))
    }

    /// Whether both states are entered in a chapter, one before the other.
    pub fn comes_before(&self, chapter: usize, one: &str, other: &str) -> bool {
        let positions = (self.position(chapter, one), self.position(chapter, other));
        matches!(positions, (Some(one), Some(other)) if one < other)
    }

    /// All states that are entered when nothing fails.
    pub fn entered(&self) -> BTreeSet<String> {
        (0..self.calls.len()).flat_map(|chapter| self.functions(chapter).into_keys()).collect()
    }
}
