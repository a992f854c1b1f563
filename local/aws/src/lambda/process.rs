//! The command that runs a function: a clean environment, and logs that end up in a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::{FunctionSpec, LambdaConfig};

/// How much of a log `LogType: Tail` returns, in bytes.
const TAIL_BYTES: usize = 4096;

/// What a function inherits from us: nothing else of our environment reaches it.
const INHERITED: [&str; 4] = ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "RUST_LOG"];

/// Starts a process; it ends when its handle is dropped.
pub(super) fn spawn(spec: &FunctionSpec, config: &LambdaConfig, instance: &str, log: &Log) -> io::Result<Child> {
    let mut command = Command::new(&spec.binary);
    command
        .env_clear()
        .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs(environment(spec, config, instance))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(folder) = spec.binary.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        command.current_dir(folder);
    }
    let mut child = command.spawn()?;
    if let Some(output) = child.stdout.take() {
        tokio::spawn(copy_lines(output, spec.name.clone(), log.clone()));
    }
    if let Some(output) = child.stderr.take() {
        tokio::spawn(copy_lines(output, spec.name.clone(), log.clone()));
    }
    Ok(child)
}

/// The template's variables, then those that Lambda sets, which win.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
fn environment(spec: &FunctionSpec, config: &LambdaConfig, instance: &str) -> BTreeMap<String, String> {
    let endpoint = config.endpoint;
    let task_root = spec.binary.parent().unwrap_or_else(|| Path::new("/")).to_string_lossy().into_owned();
    let mut variables = spec.environment.clone();
    let own: [(&str, String); 20] = [
        // With the scheme: without it, the Rust runtime takes no address that has a path.
        ("AWS_LAMBDA_RUNTIME_API", format!("http://{endpoint}/runtime/{}/{instance}", spec.name)),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{instance}")),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("AWS_REGION", config.region.clone()),
        ("AWS_DEFAULT_REGION", config.region.clone()),
        ("AWS_ENDPOINT_URL", format!("http://{endpoint}")),
        ("AWS_ACCESS_KEY_ID", access_key_id(&spec.arn)),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_SESSION_TOKEN", "local".to_owned()),
        // Nothing but the variables above is to configure the SDK: no files of the user, no instance metadata.
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("LAMBDA_TASK_ROOT", task_root.clone()),
        ("LAMBDA_RUNTIME_DIR", task_root),
        ("_HANDLER", "bootstrap".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// A temporary credential's id that follows from the function's ARN.
pub(super) fn access_key_id(arn: &str) -> String {
    let mut id = "ASIA".to_owned();
    for byte in Sha256::digest(arn.as_bytes()).iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02X}");
    }
    id
}

/// A function's log: a file, and the end of what the present invocation wrote.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<Mutex<LogState>>);

#[derive(Debug)]
struct LogState {
    file: File,
    tail: String,
}

impl Log {
    /// Opens `<folder>/<function>.log` for appending.
    pub(super) fn open(folder: &Path, function: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = OpenOptions::new().create(true).append(true).open(folder.join(format!("{function}.log")))?;
        Ok(Self(Arc::new(Mutex::new(LogState { file, tail: String::new() }))))
    }

    /// Begins an invocation: what was written before it belongs to another.
    pub(super) fn begin(&self) {
        self.state().tail.clear();
    }

    /// Writes one line.
    pub(super) fn line(&self, text: &str) {
        let mut state = self.state();
        // A log that cannot be written must not stop the function; the line is still traced.
        if let Err(error) = writeln!(state.file, "{text}") {
            tracing::warn!(%error, "a function's log cannot be written");
        }
        state.tail.push_str(text);
        state.tail.push('\n');
        if state.tail.len() > 2 * TAIL_BYTES {
            let keep_from = state.tail.len() - last_bytes(&state.tail).len();
            state.tail.drain(..keep_from);
        }
    }

    /// The end of what the present invocation wrote.
    pub(super) fn tail(&self) -> String {
        last_bytes(&self.state().tail).to_owned()
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_bytes(text: &str) -> &str {
    let mut from = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

async fn copy_lines(output: impl AsyncRead + Unpin, function: String, log: Log) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                tracing::debug!(target: "lambda", function, "{text}");
                log.line(text);
            }
            Err(error) => {
                tracing::warn!(%error, function, "a function's output cannot be read");
                return;
            }
        }
    }
}

/// The most memory that a process ever had, in MB, where the system tells.
pub(super) fn max_memory_mb(pid: Option<u32>) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::EventInvokeConfig;
    use super::*;

    #[test]
    fn the_template_cannot_override_what_lambda_sets() {
        let spec = FunctionSpec {
            name: "f".to_owned(),
            arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
            binary: PathBuf::from("/bin/f"),
            environment: BTreeMap::from([
                ("DATABASE".to_owned(), "appdb".to_owned()),
                ("AWS_REGION".to_owned(), "elsewhere".to_owned()),
            ]),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
            role_arn: String::new(),
            reserved_concurrency: None,
            event_invoke: EventInvokeConfig::default(),
        };
        let config = LambdaConfig {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            endpoint: "127.0.0.1:4566".parse().unwrap(),
            logs: PathBuf::new(),
            concurrency: 1,
            events: PathBuf::new(),
            retry_delay: Duration::ZERO,
            event_concurrency: 1,
        };
        let variables = environment(&spec, &config, "i1");
        assert_eq!(variables["DATABASE"], "appdb");
        assert_eq!(variables["AWS_REGION"], "us-east-1");
        assert_eq!(variables["AWS_LAMBDA_RUNTIME_API"], "http://127.0.0.1:4566/runtime/f/i1");
        assert_eq!(variables["AWS_ACCESS_KEY_ID"].len(), 20);
    }
}
