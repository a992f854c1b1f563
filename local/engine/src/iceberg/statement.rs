//! `INSERT INTO` and `CREATE TABLE AS`: data files first, then one snapshot, then the catalog.

use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;

use super::commit::{Change, commit, snapshot};
use super::create::{NewTable, publish};
use super::storage::file_io;
use super::table::{Loaded, bind};
use super::write::write;
use crate::Result;
use crate::catalog::{Catalog, CatalogError};
use crate::lake::{Lake, S3Uri};

/// What a statement wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// The addresses of the data files.
    pub files: Vec<String>,
}

/// Appends the rows of `plan`, whose columns are the table's by position, in one snapshot.
///
/// # Errors
/// Those of the plan, `ICEBERG_TOO_MANY_OPEN_PARTITIONS`, `ICEBERG_COMMIT_ERROR`. The table is as it was then.
pub async fn append(
    catalog: &Catalog,
    lake: &Lake,
    database: &str,
    name: &str,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<Written> {
    let loaded = Loaded::load(catalog, lake, database, name).await?;
    let mut data = write(lake, &file_io(lake, None), loaded.table.metadata(), plan, context).await?;
    let rows = data.rows();
    if rows > 0 {
        let change = Change::append(std::mem::take(&mut data.files));
        commit(catalog, lake, loaded, &change).await?;
        data.files = change.added;
    }
    Ok(Written { rows, files: data.keep() })
}

/// Makes a table of the rows of `plan`. The entry appears when everything else is there.
///
/// # Errors
/// Those of [`append`] and [`super::create_table`]; `ICEBERG_FILESYSTEM_ERROR` if the location is not empty. Neither
/// entry nor file is left then.
pub async fn create_table_as(
    catalog: &Catalog,
    lake: &Lake,
    new: &NewTable,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<Written> {
    must_be_absent(catalog, new)?;
    must_be_empty(lake, &new.location)?;
    let table = bind(lake, &new.database, &new.name, new.metadata()?, None)?;
    let mut data = write(lake, table.file_io(), table.metadata(), plan, context).await?;
    let rows = data.rows();
    let change = Change::append(std::mem::take(&mut data.files));
    let next = snapshot(&table, &change).await?;
    if let Err(error) = publish(catalog, lake, new, &next.metadata).await {
        super::forget(table.file_io(), next.written.iter().map(String::as_str)).await;
        return Err(error);
    }
    data.files = change.added;
    Ok(Written { rows, files: data.keep() })
}

/// Tells before the work what the catalog would tell after it.
fn must_be_absent(catalog: &Catalog, new: &NewTable) -> Result<()> {
    match catalog.get_table(&new.database, &new.name) {
        Ok(_) => Err(CatalogError::AlreadyExists { entity: format!("Table {}", new.name) }.into()),
        Err(CatalogError::NotFound { .. }) => Ok(catalog.get_database(&new.database).map(|_| ())?),
        Err(error) => Err(error.into()),
    }
}

/// Athena's words: <https://github.com/dbt-labs/dbt-athena/issues/1739>
fn must_be_empty(lake: &Lake, location: &str) -> Result<()> {
    let folder = S3Uri::parse(location)?.folder();
    if lake.list(&folder.bucket, &folder.key)?.is_empty() {
        return Ok(());
    }
    let message = format!("Cannot create a table on a non-empty location: {location}");
    Err(super::refused("ICEBERG_FILESYSTEM_ERROR", message))
}
