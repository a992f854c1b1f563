//! Extract Load: the wiring, the same in every function. The story is in `handler`.

mod buffers;
mod claim;
mod event;
mod extract;
mod handler;
mod layout;
mod reject;
mod source;
mod summary;
mod table;
mod uploads;

fn main() -> std::process::ExitCode {
    shared::lambda::run_for_events(handler::handle)
}
