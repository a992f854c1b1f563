//! Walking a bucket's folders in the order of its keys, as far as somebody wants to.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{LakeError, ObjectEntry, entry, is_absent, name};

/// What a visitor wants after an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Onward {
    /// The next one.
    Next,
    /// The next one whose key does not begin with this.
    Past(String),
    /// No more.
    Stop,
}

/// A walk under way.
pub(super) struct Walk<'a> {
    /// Only keys that begin with this.
    pub(super) prefix: &'a str,
    /// Only keys that come after this one.
    pub(super) after: Option<&'a str>,
    /// Only keys that do not begin with this.
    pub(super) past: Option<String>,
    pub(super) visit: &'a mut dyn FnMut(ObjectEntry) -> Onward,
}

impl Walk<'_> {
    /// Visits what lies below `folder`, whose keys begin with `folder_key`. Folders and files come and go while others
    /// write: absent means no objects.
    pub(super) fn folder(&mut self, folder: &Path, folder_key: &str) -> Result<ControlFlow<()>, LakeError> {
        for Name { key, path, is_folder } in names(folder, folder_key)? {
            let flow = match is_folder {
                true if self.enters(&key) => self.folder(&path, &key)?,
                true => ControlFlow::Continue(()),
                false => self.object(key, &path)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether a folder can hold a key that is wanted.
    fn enters(&self, key: &str) -> bool {
        let selected = key.starts_with(self.prefix) || self.prefix.starts_with(key);
        let behind = self.after.is_some_and(|after| key < after && !after.starts_with(key));
        selected && !behind && !self.is_past(key)
    }

    fn object(&mut self, key: String, path: &Path) -> Result<ControlFlow<()>, LakeError> {
        if !key.starts_with(self.prefix) || self.after.is_some_and(|after| *key <= *after) || self.is_past(&key) {
            return Ok(ControlFlow::Continue(()));
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => return Ok(ControlFlow::Continue(())),
            Err(error) => return Err(LakeError::io(path)(error)),
        };
        let found = entry(key, &metadata).map_err(LakeError::io(path))?;
        Ok(match (self.visit)(found) {
            Onward::Next => ControlFlow::Continue(()),
            Onward::Past(prefix) => {
                self.past = Some(prefix);
                ControlFlow::Continue(())
            }
            Onward::Stop => ControlFlow::Break(()),
        })
    }

    fn is_past(&self, key: &str) -> bool {
        self.past.as_ref().is_some_and(|past| key.starts_with(past.as_str()))
    }
}

/// A name in a folder.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    key: String,
    path: PathBuf,
    is_folder: bool,
}

/// The names in `folder` as keys, sorted by their bytes; those of folders end with a slash, which is where their
/// contents belong in that order.
fn names(folder: &Path, folder_key: &str) -> Result<Vec<Name>, LakeError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(LakeError::io(folder)(error)),
    };
    let mut names = Vec::new();
    for dir_entry in entries {
        let dir_entry = dir_entry.map_err(LakeError::io(folder))?;
        let path = dir_entry.path();
        let Some(segment) = path.file_name().and_then(|name| name.to_str()).and_then(name::decode) else {
            tracing::warn!(path = %path.display(), "a file whose name no key has is not listed");
            continue;
        };
        // The kind comes with the name, without asking for each file; a link is what it leads to.
        let is_folder = match dir_entry.file_type() {
            Ok(kind) if kind.is_symlink() => path.is_dir(),
            Ok(kind) => kind.is_dir(),
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(LakeError::io(&path)(error)),
        };
        let key = [folder_key, &segment, if is_folder { "/" } else { "" }].concat();
        names.push(Name { key, path, is_folder });
    }
    names.sort_unstable();
    Ok(names)
}
