//! [`TableName`]: a table as a statement names it.

use std::fmt;

use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::tokens::Tokens;
use crate::{Error, Result};

/// The one data catalog.
pub(crate) const DATA_CATALOG: &str = "awsdatacatalog";

/// A table and the database that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) database: String,
    pub(crate) name: String,
}

impl TableName {
    /// Parses `[[awsdatacatalog.]database.]table`.
    pub(super) fn parse(tokens: &mut Tokens<'_>, default_database: &str) -> Result<Self> {
        let mut parts = vec![tokens.name()?];
        while parts.len() < 3 && tokens.accept_symbol(&Token::Period) {
            parts.push(tokens.name()?);
        }
        Self::from_parts(parts, default_database)
    }

    /// The table that a parsed name means.
    pub(super) fn of(name: &ObjectName, default_database: &str) -> Result<Self> {
        let part = |part: &ObjectNamePart| part.as_ident().map(|ident| ident.value.to_lowercase());
        let parts = name.0.iter().filter_map(part).collect();
        Self::from_parts(parts, default_database)
    }

    fn from_parts(mut parts: Vec<String>, default_database: &str) -> Result<Self> {
        if parts.len() == 3 {
            let catalog = parts.remove(0);
            if catalog != DATA_CATALOG {
                return Err(unknown_catalog(&catalog));
            }
        }
        let name = parts.pop().unwrap_or_default();
        Ok(Self { database: parts.pop().unwrap_or_else(|| default_database.to_lowercase()), name })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.name)
    }
}

/// Trino's error for a catalog that is not there.
pub(crate) fn unknown_catalog(catalog: &str) -> Error {
    Error::user("CATALOG_NOT_FOUND", crate::error::NOT_FOUND, format!("Catalog '{catalog}' not found"))
}
