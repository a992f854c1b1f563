//! Where the functions' programs are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::template::{Function, Stack};

/// Logical name to program. Without `given`, the programs lie beside the running one, as cargo builds them.
///
/// # Errors
/// [`Error::MissingBinaries`] names all that are missing, unless `optional`.
pub(super) fn locate(stack: &Stack, given: Option<&Path>, optional: bool) -> Result<BTreeMap<String, PathBuf>> {
    let folder = match given {
        Some(folder) => std::path::absolute(folder).map_err(Error::file(folder))?,
        None => beside_this_program()?,
    };
    let mut found = BTreeMap::new();
    let mut missing = Vec::new();
    for function in &stack.functions {
        match candidates(&folder, function).into_iter().find(|path| path.is_file()) {
            Some(path) => drop(found.insert(function.logical_id.clone(), path)),
            None => missing.push(function.binary.as_str()),
        }
    }
    if missing.is_empty() || optional { Ok(found) } else { Err(error(&folder, &missing, given.is_some())) }
}

/// A function's program in the layouts of cargo, cargo-lambda (`target/lambda`) and SAM (`.aws-sam/build`).
fn candidates(folder: &Path, function: &Function) -> [PathBuf; 4] {
    let program = format!("{}{}", function.binary, std::env::consts::EXE_SUFFIX);
    [
        folder.join(program),
        folder.join(&function.binary).join("bootstrap"),
        folder.join("lambda").join(&function.binary).join("bootstrap"),
        folder.join(&function.logical_id).join("bootstrap"),
    ]
}

/// The folder of the running program; a test's own program lies one folder below the others.
fn beside_this_program() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(Error::file("the running program"))?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let below = folder.ends_with("deps") || folder.ends_with("examples");
    Ok(if below { folder.parent().unwrap_or(folder) } else { folder }.to_owned())
}

fn error(folder: &Path, missing: &[&str], given: bool) -> Error {
    let remedy = if given {
        "build them with `cargo lambda build --release` (--functions target/lambda) or `sam build` (--functions .aws-sam/build)"
    } else {
        "build them with `cargo build --workspace --bins`, or say where they are with --functions"
    };
    Error::MissingBinaries(format!(
        "{} of the functions have no program in {}: {}: {remedy}",
        missing.len(),
        folder.display(),
        missing.join(", ")
    ))
}
