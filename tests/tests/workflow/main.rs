//! The whole pipeline with its real binaries, against a recomputation of its output in plain Rust.
//!
//! Each folder of `tests/workflow/` is a case: its numbered steps change the files of the raw zone (`raw/…`) and run the state
//! machine with `run.json`. After every step the output equals the recomputation of all raw files so far. The other trials
//! are stories that files cannot tell.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

mod cases;
mod cost;
mod inbox;
mod late;
mod recomputation;
mod safety;
mod stopped;
mod stories;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut trials = cases::trials();
    trials.extend(inbox::trials());
    trials.extend(late::trials());
    trials.extend(safety::trials());
    trials.extend(stopped::trials());
    trials.extend(stories::trials());
    trials.extend(cost::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Runs one trial on a runtime of its own.
fn trial<F>(name: impl Into<String>, story: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(story());
        Ok::<(), Failed>(())
    })
}
