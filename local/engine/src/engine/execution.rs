//! Runs one statement.

mod change;
mod explain;
mod maintenance;
mod write;

use std::sync::Arc;
use std::time::Instant;

use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, stream};

use super::names::Names;
use super::planning::{Planner, physical};
use super::{Engine, QueryOutput, ScanMeter};
use crate::access::needs;
use crate::catalog::CatalogError;
use crate::error::SEMANTIC;
use crate::iceberg;
use crate::statement::create_table::CreateTable;
use crate::statement::drop::DropTable;
use crate::statement::query::Select;
use crate::statement::view::{CreateView, ViewColumn, is_view};
use crate::statement::{Action, Answer, CatalogStatement, Session, ddl_failed, semantic, table_not_found};
use crate::{Error, Result, trino};

/// One statement on its way.
pub(super) struct Execution {
    session: Session,
    planner: Planner,
    database: String,
    meter: Arc<ScanMeter>,
    started: Instant,
}

impl Execution {
    pub(super) fn new(engine: &Engine, database: String) -> Self {
        Self {
            session: Session { catalog: engine.catalog.clone(), lake: engine.lake.clone() },
            planner: Planner::new(engine),
            database,
            meter: Arc::default(),
            started: Instant::now(),
        }
    }

    pub(super) async fn run(self, action: Action) -> Result<QueryOutput> {
        self.session.catalog.ask_database(needs::FIND_DATABASE, needs::DEFAULT_DATABASE)?;
        match action {
            Action::Catalog(statement) => self.run_on_catalog(statement).await,
            Action::CreateIcebergTable(table) => self.create_iceberg_table(table).await,
            Action::CreateTableAs(statement) => self.create_table_as(statement).await,
            Action::DropTable(statement) => self.drop_table(statement).await,
            Action::Insert(statement) => self.insert(statement).await,
            Action::ChangeRows(statement) => Box::pin(self.change_rows(*statement)).await,
            Action::Optimize(statement) => Box::pin(self.optimize(statement)).await,
            Action::Vacuum(table) => self.vacuum(table).await,
            Action::Select(query) => self.select(query).await,
            Action::Explain(query) => self.explain(query).await,
            Action::CreateView(statement) => self.create_view(statement).await,
        }
    }

    async fn run_on_catalog(self, statement: Box<dyn CatalogStatement>) -> Result<QueryOutput> {
        let session = self.session.clone();
        let answer = tokio::task::spawn_blocking(move || statement.run(&session)).await??;
        Ok(self.answered(answer))
    }

    async fn create_iceberg_table(self, table: CreateTable) -> Result<QueryOutput> {
        let if_not_exists = table.if_not_exists;
        let new = table.into_iceberg()?;
        match iceberg::create_table(&self.session.catalog, &self.session.lake, &new).await {
            Err(Error::Catalog(CatalogError::AlreadyExists { .. })) if if_not_exists => {}
            Err(Error::Catalog(CatalogError::AlreadyExists { entity })) => {
                return Err(ddl_failed(format!("AlreadyExistsException(message:{entity} already exists)")));
            }
            Err(Error::Catalog(CatalogError::NotFound { .. })) => {
                return Err(semantic(format!("[Error 10072]: Database does not exist: {}", new.database)));
            }
            other => other?,
        }
        Ok(self.answered(Answer::default()))
    }

    async fn drop_table(self, statement: DropTable) -> Result<QueryOutput> {
        let DropTable { name, if_exists } = statement;
        let (catalog, wanted) = (self.session.catalog.clone(), name.clone());
        let found = tokio::task::spawn_blocking(move || catalog.get_table(&wanted.database, &wanted.name)).await?;
        match found {
            Err(CatalogError::NotFound { .. }) if if_exists => {}
            Err(CatalogError::NotFound { .. }) => return Err(table_not_found(&name)),
            Err(other) => return Err(other.into()),
            Ok(entry) if is_view(&entry) => {
                return Err(semantic(format!("Cannot drop a view with DROP TABLE: {name}")));
            }
            Ok(entry) if iceberg::is_iceberg(&entry) => {
                iceberg::drop_table(&self.session.catalog, &self.session.lake, &name.database, &name.name).await?;
            }
            // The data of an external table is not Athena's to remove.
            Ok(entry) => {
                let catalog = self.session.catalog.clone();
                if !entry.partition_keys.is_empty() {
                    catalog.ask_table(needs::DROP_PARTITIONS, &name.database, &name.name)?;
                }
                tokio::task::spawn_blocking(move || catalog.delete_table(&name.database, &name.name)).await??;
            }
        }
        Ok(self.answered(Answer::default()))
    }

    async fn select(self, select: Select) -> Result<QueryOutput> {
        let (state, planned) = self.plan(select.query).await?;
        let plan = physical(&state, &planned.plan).await?;
        let planning_millis = self.millis();
        let batches = execute_stream(plan, state.task_ctx()).map_err(trino::error)?;
        let rows = batches.map(|batch| trino::format_rows(&batch.map_err(trino::error)?));
        Ok(QueryOutput {
            columns: trino::columns(&planned.schema),
            rows: rows.boxed(),
            update_count: None,
            files_written: Vec::new(),
            meter: self.meter,
            planning_millis,
        })
    }

    async fn create_view(self, view: CreateView) -> Result<QueryOutput> {
        let (_, planned) = self.plan(view.query.query.clone()).await?;
        let planned = trino::for_new_table(planned)?;
        let (mut columns, mut hive) = (Vec::new(), Vec::new());
        for field in planned.schema.fields() {
            let type_ = trino::types::trino_name(field.data_type());
            columns.push(ViewColumn { name: field.name().clone(), type_ });
            hive.push(write::column(field)?);
        }
        let session = self.session.clone();
        tokio::task::spawn_blocking(move || view.enter(&session, columns, hive)).await??;
        Ok(self.answered(Answer::default()))
    }

    /// The plan of a query, and the session that it was made in.
    async fn plan(&self, query: Box<ast::Query>) -> Result<(SessionState, trino::Planned)> {
        self.plan_change(query, None).await
    }

    /// The same, of a query over the table that a statement changes.
    async fn plan_change(
        &self,
        query: Box<ast::Query>,
        target: Option<Arc<dyn TableProvider>>,
    ) -> Result<(SessionState, trino::Planned)> {
        let names = Names { planner: self.planner.clone(), meter: Arc::clone(&self.meter), depth: 0, target };
        let state = self.planner.session(names, &self.database);
        let planned = trino::plan(&state, query).await?;
        Ok((state, planned))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What a statement without a result table, or with lines of text, answers.
    fn answered(self, answer: Answer) -> QueryOutput {
        let rows = answer.lines.into_iter().map(|line| vec![Some(line)]).collect();
        QueryOutput {
            columns: answer.columns,
            rows: stream::iter([Ok(rows)]).boxed(),
            update_count: None,
            files_written: Vec::new(),
            planning_millis: 0,
            meter: self.meter,
        }
    }
}

/// A statement that is well formed and does not fit its tables.
fn refused(name: &'static str, message: impl Into<String>) -> Error {
    Error::user(name, SEMANTIC, message)
}
