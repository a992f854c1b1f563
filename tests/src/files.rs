//! The files below a folder.

use std::path::{Path, PathBuf};

/// Every file below `folder`, with its path relative to it, in order.
pub fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(folder).expect("below the folder").to_string_lossy().into_owned();
                found.push((key, path));
            }
        }
    }
    found.sort();
    found
}
