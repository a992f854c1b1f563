//! Summary: the wiring, the same in every function. The story is in `handler`.

#[cfg(test)]
mod example;
mod handler;
mod metrics;
mod prices;
mod record;
mod spent;

fn main() -> std::process::ExitCode {
    shared::lambda::run(handler::handle)
}
