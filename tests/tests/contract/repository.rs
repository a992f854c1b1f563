//! Reads the repository's own files for the other modules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The repository's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository").to_owned()
}

/// A text file of the repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A JSON file of the repository.
pub fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of a folder's entries that `keep` accepts.
pub fn entries(folder: &str, keep: impl Fn(&Path) -> bool) -> BTreeSet<String> {
    std::fs::read_dir(root().join(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| keep(path))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect()
}

/// The folders below `functions/`.
pub fn functions() -> BTreeSet<String> {
    entries("functions", Path::is_dir)
}

/// Every file below `folder` whose name ends in `ending`, relative to the root.
pub fn files(folder: &str, ending: &str) -> Vec<String> {
    let below = tests::files(&root().join(folder)).into_iter().map(|(name, _)| name);
    below.filter(|name| name.ends_with(ending)).map(|name| format!("{folder}/{name}")).collect()
}

/// What cargo knows of the workspace's own packages.
pub fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo answers in JSON");
    metadata["packages"].as_array().expect("packages").clone()
}
