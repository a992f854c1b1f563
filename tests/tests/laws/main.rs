//! The laws: what must hold of the whole pipeline whatever goes wrong, at any moment.
//!
//! They are checked over every Task state that stands in the state machine's definition when the test runs, with faults
//! that the local cloud injects on the wire (`local/aws/src/faults`). See `docs/reliability.md` for what is promised.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

mod always;
mod arrivals;
mod covered;
mod definition;
mod figures;
mod killed;
mod laboratory;
mod once;
mod random;
mod reader;
#[path = "../workflow/recomputation.rs"]
mod recomputation;
mod reference;
mod replies;

use libtest_mimic::{Arguments, Failed, Trial};

/// Laws wait more than they compute: the SDK's pauses between its tries are not shortened.
const AT_ONCE: usize = 4;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let mut trials = covered::trials();
    trials.extend(once::trials());
    trials.extend(always::trials());
    trials.extend(replies::trials());
    trials.extend(killed::trials());
    trials.extend(arrivals::trials());
    trials.extend(random::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    figures::tell();
    conclusion.exit();
}

/// Runs one trial on a runtime of its own.
fn trial<F>(name: impl Into<String>, law: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(law());
        Ok::<(), Failed>(())
    })
}
