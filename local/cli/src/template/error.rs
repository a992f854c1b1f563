//! What is wrong with a template, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A template cannot be deployed.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("the template {path} cannot be read: {source}", path = path.display())]
    Read {
        /// The template or a file that it names.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{file}:{fault}", file = file.display())]
    Invalid {
        /// The template.
        file: PathBuf,
        /// What and where.
        fault: Fault,
    },
}

/// One thing that is wrong, found while walking down the template.
#[derive(Debug)]
pub struct Fault {
    line: usize,
    /// Innermost first: the walk back up adds the rest.
    path: Vec<String>,
    message: String,
}

/// Inside this module, a fault that does not know its file yet.
pub(super) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(super) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, path: Vec::new(), message: message.into() }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The same fault, seen from one level up.
    pub(super) fn within(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }

    pub(super) fn in_file(self, file: &Path) -> TemplateError {
        TemplateError::Invalid { file: file.to_owned(), fault: self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if !self.path.is_empty() {
            let path: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
            write!(f, "{}: ", path.join("."))?;
        }
        f.write_str(&self.message)
    }
}

/// The one of `known` that is most like `name`, as a hint for a person.
pub(super) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let best = known.map(|candidate| (distance(name, candidate), candidate)).min();
    match best {
        Some((distance, candidate)) if distance <= 3.max(name.len() / 4) => format!(" (did you mean {candidate}?)"),
        _ => String::new(),
    }
}

/// Single letters to insert, remove or replace, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
