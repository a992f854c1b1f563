//! The names in a query: which table, metadata table or view each of them is.
//!
//! Nothing is loaded before a query names it.

mod information_schema;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider, view::ViewTable};
use datafusion::error::{DataFusionError, Result as PlanResult};

use super::ScanMeter;
use super::planning::Planner;
use crate::access::needs;
use crate::catalog::{Catalog, CatalogError, Partition, Table};
use crate::csv::CsvTable;
use crate::error::{NOT_FOUND, SEMANTIC};
use crate::iceberg::{IcebergTable, is_iceberg};
use crate::statement::name::{DATA_CATALOG, unknown_catalog};
use crate::statement::view::{self, View};
use crate::trino::AsOf;
use crate::{Error, Result, trino};

/// Views in views that a query may have: more is a circle.
const DEEPEST_VIEW: usize = 16;

/// Every name of one statement.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) planner: Planner,
    pub(super) meter: Arc<ScanMeter>,
    /// How many views stand around the query.
    pub(super) depth: usize,
    /// The table that the statement changes, under the name [`TARGET`].
    pub(super) target: Option<Arc<dyn TableProvider>>,
}

/// The name of the table that a statement changes, in the query that finds the rows: no user's table has it.
pub(super) const TARGET: &str = "$target";

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl CatalogProviderList for Names {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn register_catalog(&self, _name: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![DATA_CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        Some(Arc::new(CatalogNames { names: self.clone(), catalog: name.to_lowercase() }))
    }
}

/// The names in one data catalog.
#[derive(Debug)]
struct CatalogNames {
    names: Names,
    catalog: String,
}

impl CatalogProvider for CatalogNames {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let (names, catalog) = (self.names.clone(), self.catalog.clone());
        Some(Arc::new(DatabaseNames { names, catalog, database: name.to_lowercase() }))
    }
}

/// The names in one database.
#[derive(Debug)]
struct DatabaseNames {
    names: Names,
    catalog: String,
    database: String,
}

#[async_trait]
impl SchemaProvider for DatabaseNames {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let found = self.find(&name.to_lowercase()).await;
        found.map(Some).map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn table_exist(&self, _name: &str) -> bool {
        // Asked only by statements that register tables, of which there are none.
        false
    }
}

impl DatabaseNames {
    async fn find(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        if self.catalog != DATA_CATALOG {
            return Err(unknown_catalog(&self.catalog));
        }
        if self.database == information_schema::NAME {
            let (catalog, _, name) = self.owned(name);
            return tokio::task::spawn_blocking(move || information_schema::table(&catalog, &name)).await?;
        }
        if let Some(target) = self.names.target.as_ref().filter(|_| name == TARGET) {
            return Ok(Arc::clone(target));
        }
        let engine = &self.names.planner;
        let (name, as_of) = AsOf::of_name(name);
        if let Some(as_of) = as_of {
            return self.former(name, &as_of).await;
        }
        if let Some((table, kind)) = name.rsplit_once('$') {
            let entry = self.entry(table).await?;
            return self.metadata_table(&entry, kind).await;
        }
        let entry = self.entry(name).await?;
        if let Some(view) = view::of(&entry)? {
            return self.view(&entry, view).await;
        }
        let meter = Arc::clone(&self.names.meter);
        if is_iceberg(&entry) {
            let table = IcebergTable::load(&engine.catalog, &engine.lake, &self.database, name, meter).await?;
            return Ok(Arc::new(table));
        }
        let lake = engine.lake.clone();
        let partitions = self.partitions(&entry).await?;
        let table = tokio::task::spawn_blocking(move || CsvTable::try_new(lake, &entry, &partitions, meter)).await??;
        Ok(Arc::new(table))
    }

    /// A table as it was.
    async fn former(&self, name: &str, as_of: &AsOf) -> Result<Arc<dyn TableProvider>> {
        let entry = self.entry(name).await?;
        if !is_iceberg(&entry) {
            return Err(Error::user("NOT_SUPPORTED", SEMANTIC, "This connector does not support versioned tables"));
        }
        let (engine, meter) = (&self.names.planner, Arc::clone(&self.names.meter));
        let table = IcebergTable::load_as_of(&engine.catalog, &engine.lake, &self.database, name, as_of, meter).await?;
        Ok(Arc::new(table))
    }

    async fn metadata_table(&self, entry: &Table, kind: &str) -> Result<Arc<dyn TableProvider>> {
        let engine = &self.names.planner;
        if is_iceberg(entry) {
            IcebergTable::metadata_table(&engine.catalog, &engine.lake, &self.database, &entry.name, kind).await
        } else {
            Err(Error::unsupported(format!("the metadata table ${kind} of tables other than Iceberg's")))
        }
    }

    async fn entry(&self, name: &str) -> Result<Table> {
        let (catalog, database, table) = self.owned(name);
        let found = tokio::task::spawn_blocking(move || catalog.get_table(&database, &table)).await?;
        match found {
            Err(CatalogError::NotFound { entity }) if entity.starts_with("Database") => {
                let message = format!("Schema '{}' does not exist", self.database);
                Err(Error::user("SCHEMA_NOT_FOUND", NOT_FOUND, message))
            }
            Err(CatalogError::NotFound { .. }) => {
                let message = format!("Table '{DATA_CATALOG}.{}.{name}' does not exist", self.database);
                Err(Error::user("TABLE_NOT_FOUND", NOT_FOUND, message))
            }
            found => Ok(found?),
        }
    }

    async fn partitions(&self, entry: &Table) -> Result<Vec<Partition>> {
        if entry.partition_keys.is_empty() {
            return Ok(Vec::new());
        }
        let (catalog, database, table) = self.owned(&entry.name);
        catalog.ask_table(needs::READ_PARTITIONS, &database, &table)?;
        Ok(tokio::task::spawn_blocking(move || catalog.list_partitions(&database, &table)).await??)
    }

    fn owned(&self, table: &str) -> (Catalog, String, String) {
        (self.names.planner.catalog.clone(), self.database.clone(), table.to_owned())
    }

    async fn view(&self, entry: &Table, view: View) -> Result<Arc<dyn TableProvider>> {
        if self.names.depth >= DEEPEST_VIEW {
            let message = format!("Statement stack depth exceeded in view {}.{}", self.database, entry.name);
            return Err(Error::user("VIEW_IS_RECURSIVE", SEMANTIC, message));
        }
        let inner = Names { depth: self.names.depth + 1, target: None, ..self.names.clone() };
        let query = crate::statement::query::query(&view.original_sql)?;
        let state = self.names.planner.session(inner, &view.schema);
        let planned = trino::for_new_table(Box::pin(trino::plan(&state, query)).await?)?;
        Ok(Arc::new(ViewTable::new(planned.plan, Some(view.original_sql))))
    }
}
