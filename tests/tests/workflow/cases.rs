//! The cases that are folders: `tests/workflow/<case>/<step>/{raw/…, run.json}`. A file of `raw/` replaces one of the same
//! name of an earlier step. In `run.json`, `remove` names raw files that go before the run, `enters` states that it must
//! enter, and `output` fields that its output must have; or `fails` says with which `error` the run must fail, and what its
//! `cause` must hold: then the output stays as it was. Each case is run twice, published by swap and by merge.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;
use tests::Cloud;

use crate::recomputation::{assert_output_equals, output};
use crate::trial;

/// The two ways to publish, which come to the same table.
const WAYS: [&str; 2] = ["swap", "merge"];
/// The states that a merge does not enter, since it enters `Merge` in their place.
const OF_A_SWAP: [&str; 3] = ["Incremental Load Step 3", "Incremental Load Step 4", "Incremental Load Step 5"];

/// One trial a folder and way.
pub fn trials() -> Vec<Trial> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflow");
    let both = folders(&cases).into_iter().flat_map(|case| WAYS.map(|way| (case.clone(), way)));
    both.map(|(case, way)| {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        trial(format!("{name}::{way}"), move || run(case, way))
    })
    .collect()
}

async fn run(case: PathBuf, way: &'static str) {
    let cloud = Cloud::start().await;
    let raw_so_far = TempDir::new().expect("a temporary folder");
    for step in folders(&case) {
        let raw = step.join("raw");
        if raw.is_dir() {
            copy(&raw, raw_so_far.path());
            cloud.put_raw(&raw).await;
        }
        let mut run: Value =
            serde_json::from_str(&std::fs::read_to_string(step.join("run.json")).expect("run.json")).expect("JSON");
        run["input"]["refresh"] = way.into();
        for file in run["remove"].as_array().into_iter().flatten() {
            let file = file.as_str().expect("a raw file's name");
            std::fs::remove_file(raw_so_far.path().join(file)).expect("a file of an earlier step");
            cloud.remove_raw(file).await;
        }
        if run["fails"].is_object() {
            let before = output(&cloud).await;
            let execution = cloud.run(&run["input"]).await;
            assert_eq!(execution.error, run["fails"]["error"], "{}: {}", step.display(), execution.cause);
            let expected = run["fails"]["cause"].as_str().expect("a part of the cause");
            assert!(execution.cause.contains(expected), "{}: {}", step.display(), execution.cause);
            assert_eq!(output(&cloud).await, before, "{}: a run that fails leaves the output alone", step.display());
            continue;
        }
        let execution = cloud.run(&run["input"]).await.succeeded();
        for state in run["enters"].as_array().into_iter().flatten() {
            let state = state.as_str().expect("a state's name");
            let state = if way == "merge" && OF_A_SWAP.contains(&state) { "Merge" } else { state };
            assert!(execution.states.iter().any(|one| one == state), "{} did not enter {state}", step.display());
        }
        for (field, expected) in run["output"].as_object().into_iter().flatten() {
            assert_eq!(execution.output[field], *expected, "{}: {field} of {}", step.display(), execution.output);
        }
        assert_output_equals(&cloud, raw_so_far.path()).await;
    }
}

/// The folders in `parent`, in order.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
    let mut folders: Vec<_> =
        entries.map(|entry| entry.expect("a readable entry").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copied file");
        }
    }
}
