//! Functions and state machines, driven by the real AWS SDK over HTTP. The functions are real processes: this very
//! program, which behaves as one when the Runtime API's variable is set.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test reports by failing, and a function by its output")]

use libtest_mimic::{Arguments, Failed, Trial};

mod cloud;
mod events;
mod function;
mod lambda;
mod states;

fn main() {
    if let Ok(runtime_api) = std::env::var("AWS_LAMBDA_RUNTIME_API") {
        function::run(&runtime_api);
        return;
    }
    let trials = lambda::trials().into_iter().chain(events::trials()).chain(states::trials()).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A test that is async.
fn trial<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(test());
        Ok::<_, Failed>(())
    })
}
