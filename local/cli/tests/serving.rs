//! `pageviews up`: it says where it answers, ends in order when asked to, and finds everything again.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests")]

use std::fs;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pageviews(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pageviews"));
    command.args(arguments).current_dir(folder).env("PAGEVIEWS_TEMPLATE", project().join("template.yaml"));
    for variable in ["ENDPOINT", "DATA_DIR", "FUNCTIONS"] {
        command.env_remove(format!("PAGEVIEWS_{variable}"));
    }
    command
}

/// Starts a cloud, and gives the JSON document that it prints.
fn up(folder: &Path) -> (Child, Value) {
    let arguments = ["--json", "up", "--listen", "127.0.0.1:0", "--functions", "programs"];
    let mut process = pageviews(folder, &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let report = serde_json::Deserializer::from_reader(output).into_iter().next().unwrap().unwrap();
    (process, report)
}

fn query(folder: &Path, endpoint: &str, sql: &str) -> String {
    let output = pageviews(folder, &["query", "--format", "csv", "--endpoint", endpoint, sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Asks a process to end, and waits until it has.
fn stop(mut process: Child, signal: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", process.id())]).status().unwrap();
    assert!(sent.success());
    let status = process.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{signal}");
}

#[test]
fn a_cloud_that_is_stopped_finds_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    for package in fs::read_dir(project().join("functions")).unwrap() {
        let program = folder.path().join("programs").join(package.unwrap().file_name());
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(program, "").unwrap();
    }
    let (process, first) = up(folder.path());
    let endpoint = first["endpoint"].as_str().unwrap();
    let programs = fs::read_dir(folder.path().join("programs")).unwrap().count();
    assert_eq!(first["functions"].as_array().unwrap().len(), programs);
    assert!(first["not_run_locally"].to_string().contains("AWS::CloudWatch::Alarm"), "{first}");
    assert!(!first["not_run_locally"].to_string().contains("AWS::IAM::"), "roles are enforced: {first}");
    query(folder.path(), endpoint, "create database kept");
    stop(process, "TERM");

    let (mut process, second) = up(folder.path());
    for what in ["buckets", "workgroups", "functions", "state_machines"] {
        assert_eq!(first[what], second[what], "the same template makes the same names");
    }
    let endpoint = second["endpoint"].as_str().unwrap();
    assert!(query(folder.path(), endpoint, "show databases").contains("kept"));
    process.kill().unwrap();
    process.wait().unwrap();

    let (process, third) = up(folder.path());
    assert!(query(folder.path(), third["endpoint"].as_str().unwrap(), "show databases").contains("kept"));
    stop(process, "INT");
}

/// Whether a process handles SIGINT by now; where that cannot be seen, it is given some time.
fn handles_interrupts(process: &Child) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", process.id())) else {
        std::thread::sleep(std::time::Duration::from_secs(2));
        return true;
    };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() & 0b10 != 0
}

#[test]
fn a_command_that_is_interrupted_ends_with_the_signal_s_code() {
    let folder = tempfile::tempdir().unwrap();
    // It waits for a statement that never comes.
    let mut command = pageviews(folder.path(), &["query", "-"]);
    let mut process = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !handles_interrupts(&process) {
        std::thread::yield_now();
    }
    assert!(Command::new("sh").args(["-c", &format!("kill -INT {}", process.id())]).status().unwrap().success());
    // Waiting for a child closes its standard input, so its error is read first.
    let mut error = String::new();
    process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(130));
    assert_eq!(error, "error: interrupted\n");
}
