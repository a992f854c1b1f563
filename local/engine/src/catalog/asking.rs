//! The catalog acting for a caller: whom it asks, and on what.

use std::sync::Arc;

use super::{Catalog, Result};
use crate::access::{Access, Resource};

/// Stands for every database, or every table: only a right to all of them, whatever their names, is enough.
pub(super) const ANY: &str = "*";

impl Catalog {
    /// This catalog, asking `access` before whatever it does.
    pub(crate) fn acting_for(&self, access: Arc<dyn Access>) -> Self {
        Self { access: Some(access), ..self.clone() }
    }

    /// This catalog, asking nobody: for what the engine does for its own sake, which Athena does not do.
    pub(crate) fn unasked(&self) -> Self {
        Self { access: None, ..self.clone() }
    }

    /// Whether the caller may do all this with a database: as Glue asks, with the catalog before it.
    /// Source: <https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html>
    pub(crate) fn ask_database(&self, actions: &[&'static str], database: &str) -> Result<()> {
        let Some(access) = &self.access else { return Ok(()) };
        for action in actions {
            ask_database(&**access, action, database)?;
        }
        Ok(())
    }

    /// Whether the caller may do all this with a table: as Glue asks, with the catalog and the database before it.
    /// What is an action on a database is asked for up to there. Source: as above.
    pub(crate) fn ask_table(&self, actions: &[&'static str], database: &str, table: &str) -> Result<()> {
        let Some(access) = &self.access else { return Ok(()) };
        for action in actions {
            ask_database(&**access, action, database)?;
            if *action != "glue:GetDatabase" {
                access.check(action, &Resource::Table { database: database.to_owned(), name: table.to_owned() })?;
            }
        }
        Ok(())
    }
}

fn ask_database(access: &dyn Access, action: &'static str, database: &str) -> Result<()> {
    access.check(action, &Resource::Catalog)?;
    Ok(access.check(action, &Resource::Database { name: database.to_owned() })?)
}
