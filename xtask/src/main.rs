//! `cargo demo`: one build of the workspace's binaries, then `pageviews demo` with the functions beside it.
//!
//! It has no dependencies, so that it compiles in a moment. The build it starts names the whole workspace: that is what
//! `cargo test --workspace` compiles too, with the same features and profile, so one compilation serves both.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

/// What tells `pageviews` which template to deploy.
const TEMPLATE: &str = "PAGEVIEWS_TEMPLATE";

const USAGE: &str = "\
usage: cargo xtask <task>

tasks:
  demo [--release] [ARGS]  build the workspace, then run `pageviews demo ARGS`
  path [--release]         build the workspace, then print where `pageviews` is
";

fn main() -> ExitCode {
    match run(env::args_os().skip(1).collect()) {
        Ok(code) => code,
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Does the task that the arguments name.
fn run(mut arguments: Vec<OsString>) -> Result<ExitCode, String> {
    if arguments.is_empty() || arguments[0] == "--help" || arguments[0] == "-h" {
        say(USAGE.trim_end());
        return Ok(ExitCode::from(if arguments.is_empty() { 2 } else { 0 }));
    }
    let task = arguments.remove(0);
    let release = arguments.first().is_some_and(|first| first == "--release");
    if release {
        arguments.remove(0);
    }
    match task.to_str() {
        Some("demo") => {
            let program = build(release)?;
            let mut command = Command::new(&program);
            command.arg("demo").args(arguments);
            // Cargo may have been called in any folder of the workspace.
            if env::var_os(TEMPLATE).is_none() {
                command.env(TEMPLATE, metadata("workspace_root")?.join("template.yaml"));
            }
            status(command, "pageviews demo")
        }
        Some("path") => {
            let program = build(release)?;
            writeln!(std::io::stdout(), "{}", program.display()).map_err(|error| error.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            say(&format!("error: there is no task {}\n\n{}", task.display(), USAGE.trim_end()));
            Ok(ExitCode::from(2))
        }
    }
}

/// Builds every binary of the workspace and tells where `pageviews` is.
fn build(release: bool) -> Result<PathBuf, String> {
    let mut command = cargo();
    command.args(["build", "--workspace", "--bins"]);
    if release {
        command.arg("--release");
    }
    let built = command.status().map_err(|error| format!("cargo build could not be started: {error}"))?;
    if !built.success() {
        return Err("the build failed; its messages are above".to_owned());
    }
    let program = metadata("target_directory")?
        .join(if release { "release" } else { "debug" })
        .join(format!("pageviews{}", env::consts::EXE_SUFFIX));
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("the build made no {}: is a target platform set (CARGO_BUILD_TARGET)?", program.display()))
    }
}

/// A path that cargo itself tells: a setting or a variable may have moved it.
fn metadata(key: &str) -> Result<PathBuf, String> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo metadata could not be started: {error}"))?;
    let text = String::from_utf8(output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    json_string(&text, key).map(PathBuf::from).ok_or_else(|| format!("cargo metadata names no {key}"))
}

/// The string value of `key` in `json`: all that is needed here of a JSON reader.
fn json_string(json: &str, key: &str) -> Option<String> {
    let start = json.find(&format!("\"{key}\":\""))? + key.len() + 4;
    let mut value = String::new();
    let mut characters = json[start..].chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

/// Runs `command` to its end and passes its exit code on.
fn status(mut command: Command, name: &str) -> Result<ExitCode, String> {
    let status = command.status().map_err(|error| format!("{name} could not be started: {error}"))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The cargo that runs this task, else the one on the path: without the variables that it has set for this task's own
/// package. Some build scripts (ring's) run again when those change, and most of the workspace is compiled after them.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsStr::new("cargo").to_owned()));
    let of_a_package = |name: &OsString| {
        let name = name.to_string_lossy();
        name == "OUT_DIR" || ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in env::vars_os().filter(|(name, _)| of_a_package(name)) {
        command.env_remove(name);
    }
    command
}

/// Tells a person. A closed standard error is nothing to fail for.
fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

#[cfg(test)]
mod tests {
    use super::json_string;

    #[test]
    fn reads_an_escaped_path() {
        let json = r#"{"a":1,"target_directory":"C:\\x\\\"y","z":""}"#;
        assert_eq!(json_string(json, "target_directory").as_deref(), Some(r#"C:\x\"y"#));
        assert_eq!(json_string(json, "nothing"), None);
    }
}
