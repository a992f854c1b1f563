//! Compact: the wiring, the same in every function. The story is in `handler`.

mod handler;

fn main() -> std::process::ExitCode {
    shared::lambda::run(handler::handle)
}
