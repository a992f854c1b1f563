//! What roles asked for, once each, as JSON lines: what a policy can be held to.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::session::Right;

/// The file, and what it has already.
#[derive(Debug)]
pub(super) struct AccessLog(Mutex<(File, HashSet<String>)>);

impl AccessLog {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(Mutex::new((file, HashSet::new()))))
    }

    /// The request goes on whatever the log does; that it is incomplete is said.
    pub(super) fn asked(&self, role_arn: &str, right: &Right, allowed: bool) {
        let line = json!({
            "role": role_arn,
            "action": right.action,
            "resource": right.resource,
            "context": right.context,
            "allowed": allowed,
        });
        let line = format!("{line}\n");
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, known) = &mut *log;
        if !known.contains(&line) {
            if let Err(error) = file.write_all(line.as_bytes()) {
                tracing::error!(%error, "the log of access cannot be written");
            }
            known.insert(line);
        }
    }
}
