//! Janitor: the wiring, the same in every function that an event starts. The story is in `handler`.

mod handler;

fn main() -> std::process::ExitCode {
    shared::lambda::run_for_events(handler::handle)
}
