//! The first row: it decides by name, not by position, which column is which.
//!
//! Names are compared without regard to case and to blanks around them, as Glue does with the case:
//! <https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html>.

use std::fmt;

use crate::rows::Row;

/// Separators that other programs write.
const OTHER_SEPARATORS: [(char, &str); 4] =
    [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars"), ('\u{1}', "control characters (U+0001)")];

/// The names of a file's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    names: Vec<String>,
}

/// Why a file's first row is not its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderProblem {
    /// It cannot be split into fields, or is not UTF-8.
    Unreadable,
    /// A name stands in it twice.
    Duplicate {
        /// The name.
        name: String,
        /// The header as it was found.
        found: String,
    },
    /// Its fields are not separated by commas.
    Separator {
        /// What separates them.
        separator: &'static str,
        /// The header as it was found.
        found: String,
    },
    /// A column is not there.
    Missing {
        /// Which ones.
        missing: Vec<String>,
        /// The columns that must be there.
        expected: String,
        /// The header as it was found.
        found: String,
    },
}

impl fmt::Display for HeaderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "the header cannot be read: it is not UTF-8, too long, or badly quoted"),
            Self::Duplicate { name, found } => write!(f, "the column {name} is there twice: found the header {found}"),
            Self::Separator { separator, found } => {
                write!(f, "the fields are separated by {separator}, not by commas: found the header {found}")
            }
            Self::Missing { missing, expected, found } => {
                let missing = missing.join(", ");
                write!(f, "missing column {missing}: expected the header {expected}, found the header {found}")
            }
        }
    }
}

impl Header {
    /// Reads the first row.
    ///
    /// # Errors
    /// [`HeaderProblem::Unreadable`] and [`HeaderProblem::Duplicate`]. A column without a name is no duplicate.
    pub fn read(row: &Row<'_>) -> Result<Self, HeaderProblem> {
        let (true, Ok(fields)) = (row.utf8, row.fields) else { return Err(HeaderProblem::Unreadable) };
        let mut space = Vec::new();
        let mut name = |field| String::from_utf8_lossy(row.value(field, &mut space)).trim().to_ascii_lowercase();
        let header = Self { names: fields.iter().map(|field| name(*field)).collect() };
        let twice =
            header.names.iter().enumerate().find(|(at, name)| !name.is_empty() && header.names[..*at].contains(name));
        match twice {
            Some((_, name)) => Err(HeaderProblem::Duplicate { name: name.clone(), found: header.to_string() }),
            None => Ok(header),
        }
    }

    /// The names, in the file's order, in lower case.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where a column stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|one| one == name)
    }

    /// Checks that `columns` are there, wherever.
    ///
    /// # Errors
    /// [`HeaderProblem::Separator`] and [`HeaderProblem::Missing`].
    pub fn require(&self, columns: &[&str]) -> Result<(), HeaderProblem> {
        let missing = columns.iter().filter(|name| self.position(name).is_none());
        let missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let found = self.to_string();
        let splits = |separator: char| found.matches(separator).count() + 1 >= columns.len();
        match OTHER_SEPARATORS.into_iter().find(|(separator, _)| columns.len() > 1 && splits(*separator)) {
            Some((_, separator)) => Err(HeaderProblem::Separator { separator, found }),
            None => Err(HeaderProblem::Missing { missing, expected: columns.join(","), found }),
        }
    }
}

/// The most of a header that a message shows, in characters.
const SHOWN: usize = 500;

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.names.join(",");
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}…", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

/// Whether a table's column may have this name: small letters, digits and underscores, at most 128 of them.
pub fn is_column_name(name: &str) -> bool {
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    starts_well && name.len() <= 128 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Reader, Visit};

    struct First(Option<Result<Header, HeaderProblem>>);

    impl Visit for First {
        fn row(&mut self, row: Row<'_>) {
            self.0.get_or_insert_with(|| Header::read(&row));
        }
    }

    fn read(text: &[u8]) -> Result<Header, HeaderProblem> {
        let mut first = First(None);
        let mut reader = Reader::default();
        reader.push(text, &mut first);
        reader.finish(&mut first).unwrap();
        first.0.unwrap()
    }

    #[test]
    fn columns_are_found_by_name() {
        let header = read(b"\xEF\xBB\xBF\"URL\", View_ID ,x\r\n").unwrap();

        assert_eq!(header.names(), ["url", "view_id", "x"]);
        assert_eq!(header.position("view_id"), Some(1));
        assert_eq!(header.require(&["view_id", "url"]), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_said_with_both_headers() {
        let columns = ["view_id", "url"];
        for (text, expected) in [
            ("view_id,link\n", "missing column url: expected the header view_id,url, found the header view_id,link"),
            ("view_id;url\n", "the fields are separated by semicolons, not by commas: found the header view_id;url"),
            ("view_id,url,url\n", "the column url is there twice: found the header view_id,url,url"),
            ("\"view_id\"x,url\n", "the header cannot be read: it is not UTF-8, too long, or badly quoted"),
        ] {
            let problem = read(text.as_bytes()).and_then(|header| header.require(&columns)).unwrap_err();
            assert_eq!(problem.to_string(), expected);
        }
    }
}
